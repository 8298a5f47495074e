/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a pool of hosts has agreed on: its hosts and its machines.
 *
 * The state is a function of the messages alone, so that replicas which apply the same messages in
 * the same order are equal. Nothing in here reads a clock, a file or the host it runs on.
 */
#ifndef DVMMD_POOL_H
#define DVMMD_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>
#include <json-c/json.h>

/* All of the state has to fit into one message of corosync's, which takes 1 MiB. */
#define POOL_TEXT_MAX	(768 * 1024)

/**
 * struct pool - a replica's state
 * @term: of the view that was opened last; no two have the same
 * @sequence: messages that were applied
 * @decided: @sequence after the last one that was more than news of a host
 * @members: how many dvmmds are in that view; no part of what is agreed, as each has the view
 * @hosts: by node id in decimal: name, state, since when it is away, why it is not fenced, and
 *	what the host tells of itself
 * @machines: by name: uuid, text, state, run, since, reason, cells
 */
struct pool {
	uint64_t term;
	uint64_t sequence;
	uint64_t decided;
	unsigned int members;
	struct json_object *hosts;
	struct json_object *machines;
};

struct pool *pool_new(void);
void pool_free(struct pool *p);

/** pool_save - all of it as an object of the caller's */
struct json_object *pool_save(const struct pool *p);
/** pool_load - from what pool_save() has made, in another host maybe; NULL: it is none */
struct pool *pool_load(struct json_object *o);
/** pool_digest - of all of it, in hex, to be freed; equal states have equal ones */
char *pool_digest(const struct pool *p);

/**
 * pool_open - a quorate view begins
 * @term: above all earlier ones
 * @ring: node ids that corosync reaches, an array
 * @members: those of them with a dvmmd, an array
 *
 * Machines with a part on a host that is reached no more have failed.
 */
void pool_open(struct pool *p, uint64_t term, struct json_object *ring,
	       struct json_object *members);

/**
 * pool_apply - one message, the next in the agreed order
 * @sender: its node id
 *
 * Return: NULL; or why it is refused, one line to be freed: then only @sequence is another.
 */
char *pool_apply(struct pool *p, unsigned int sender, struct json_object *message);

/** pool_host - NULL: there is none */
struct json_object *pool_host(const struct pool *p, unsigned int id);
struct json_object *pool_machine(const struct pool *p, const char *name);
/** pool_has_named - whether a host of that name is not away; it may be there twice, by two ids */
bool pool_has_named(const struct pool *p, const char *name);
/** pool_is_told - whether each member of the view has told in it what it is */
bool pool_is_told(const struct pool *p);
/** pool_fencer - the first present host with a program to fence others; 0: there is none */
unsigned int pool_fencer(const struct pool *p);

/** pool_name_is_fine - letters, digits, ".", "_" and "-": it goes into names of files and units */
bool pool_name_is_fine(const char *name);

#endif
