/* SPDX-License-Identifier: GPL-2.0 */
/* The manifest of a checkpoint. */
#ifndef DVMM_MANIFEST_H
#define DVMM_MANIFEST_H

#include <json-c/json.h>

#include "file.h"

/* Version of what a checkpoint's directory has */
#define MANIFEST_FORMAT	2
/* The same where nodes' memory is in parts of their own */
#define MANIFEST_PARTS	3
#define MANIFEST_NAME	"manifest.json"

/**
 * manifest_write - that makes a directory a checkpoint of that machine
 * @names: of its files, ended by NULL; they are on the disk when the manifest is
 * @genid: the guest has the device vmgenid
 * @parts: what parts_written() has returned, which is kept hold of; NULL: there are none
 *
 * Return: true; false after a line on stderr
 */
bool manifest_write(const struct file *f, const char *dir, const char *const *names, bool genid,
		    struct json_object *parts);

/** manifest_describe - a file, which is on the disk then; NULL after a line on stderr */
struct json_object *manifest_describe(const struct file *f, const char *dir, const char *name);

/** manifest_compare - whether a file is what a manifest says; false after a line on stderr */
bool manifest_compare(const char *path, uint64_t bytes, const char *sum);

/**
 * manifest_fork - that makes a directory a checkpoint of another machine
 * @f: that machine
 * @of: the manifest that its files are of
 *
 * Return: true; false after a line on stderr
 */
bool manifest_fork(const struct file *f, const char *dir, struct json_object *of);

/**
 * manifest_read - of a checkpoint that a machine can begin with
 * @force: it may be another machine's, of the same vCPUs and memory
 *
 * All files are read and compared with it.
 *
 * Return: to be given to json_object_put(); NULL after a line on stderr
 */
struct json_object *manifest_read(const struct file *f, const char *dir, bool force);

/** manifest_part - what it says of a part on a node's host, which it keeps hold of; NULL */
struct json_object *manifest_part(struct json_object *o, const char *name);
/** manifest_has_parts - whether memory is not in the state but on the hosts of its nodes */
bool manifest_has_parts(struct json_object *o);
/** manifest_in_parts - the same of one that was found sound before */
bool manifest_in_parts(const char *dir);
/** manifest_file - what it says of a file, which it keeps hold of; NULL: there is none */
struct json_object *manifest_file(struct json_object *o, const char *name);
/** manifest_has_genid - whether the guest has the device vmgenid */
bool manifest_has_genid(struct json_object *o);
/** manifest_is_fork - whether the disks in it belong to other machines too, and stay as they are */
bool manifest_is_fork(struct json_object *o);

#endif
