// SPDX-License-Identifier: GPL-2.0
/*
 * dvmm checkpoint: all that a guest is, in a directory.
 *
 * Memory that other nodes hold is read while the guest runs.  It stands still while its vCPUs
 * are brought together and QEMU notes them and its devices.  Its memory is written and its disks
 * are copied while it goes on: as they were when it stood still.  Where memory cannot be kept
 * as it was the guest stands still until it is written.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoint.h"
#include "draft.h"
#include "gather.h"
#include "guest.h"
#include "increment.h"
#include "json.h"
#include "manifest.h"
#include "move.h"
#include "parts.h"
#include "qmp.h"
#include "remote.h"
#include "rotate.h"

#define STEP_US		100000
#define CUT_STEP_US	5000
#define ANSWER_SECONDS	60
#define BREAK_SECONDS	10

/**
 * struct checkpoint - one that is being made
 * @dir: where it is to be; @part: where it is until it is whole
 * @link: that names it then, instead of the one before; NULL: there is no such thing
 * @of: the manifest of the one before, NULL: it does not matter
 * @vcpus: where they were
 * @running: whether the guest was
 * @cut: whether it goes on while QEMU writes its memory
 * @parts: who writes it instead, each node's host what is its; NULL: nobody
 * @written: what they say of that
 * @genid: whether it has the device that tells a guest that it is another one now
 * @begin: when it began to stand still, us
 */
struct checkpoint {
	const struct options *o;
	struct file *f;
	struct place p;
	char *dir;
	char *part;
	char *link;
	struct json_object *of;
	struct json_object *vcpus;
	bool running;
	bool cut;
	struct parts *parts;
	struct json_object *written;
	bool genid;
	gint64 begin;
};

/* Who is asked to end, or has nobody left to speak to, lets the guest go on before that. */
static volatile sig_atomic_t interrupted;

static void on_signal(int signal)
{
	(void)signal;
	interrupted = 1;
}

static void catch_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	unsigned int i;

	for (i = 0; i < G_N_ELEMENTS(signals); i++)
		sigaction(signals[i], &action, NULL);
	/* Whoever ends is missed by what it does not say. */
	signal(SIGPIPE, SIG_IGN);
}

/* ---- QEMU ---- */

/* @arguments are freed; @answer may be NULL. */
static int ask(const struct checkpoint *c, const char *command, struct json_object *arguments,
	       struct json_object **answer)
{
	struct json_object *unused;
	int ret = qmp_call(&c->p, command, arguments, answer ? answer : &unused, ANSWER_SECONDS);

	json_object_put(arguments);
	if (!answer)
		json_object_put(unused);
	return ret;
}

static struct json_object *one(const char *key, struct json_object *value)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, key, value);
	return o;
}

/* ---- the guest stands still ---- */

static void remember_node(struct checkpoint *c, struct json_object *node)
{
	struct json_object *vcpus = json_list_of(node, "vcpus");
	size_t i;

	for (i = 0; vcpus && i < json_object_array_length(vcpus); i++)
		move_add(c->vcpus,
			 json_object_get_int64(json_object_array_get_idx(vcpus, i)),
			 json_text_of(node, "name"));
}

static int remember(struct checkpoint *c)
{
	struct json_object *status = NULL, *info = NULL, *nodes = NULL;
	int ret = ask(c, "query-status", NULL, &status);
	size_t i;

	if (!ret)
		ret = ask(c, "query-dvmm", NULL, &info);
	if (!ret) {
		c->running = !strcmp(json_text_of(status, "status"), "running");
		nodes = json_list_of(info, "nodes");
	}
	for (i = 0; nodes && i < json_object_array_length(nodes); i++)
		remember_node(c, json_object_array_get_idx(nodes, i));
	json_object_put(info);
	json_object_put(status);
	return ret;
}

/* Devices with a name and those without are at two places. */
static int checkpoint_look_for_genid(struct checkpoint *c, const char *place)
{
	struct json_object *devices;
	int ret = ask(c, "qom-list", one("path", json_object_new_string(place)), &devices);
	size_t i, n = json_object_is_type(devices, json_type_array) ?
		      json_object_array_length(devices) : 0;

	for (i = 0; i < n; i++)
		c->genid |= !strcmp(json_text_of(json_object_array_get_idx(devices, i), "type"),
				    "child<vmgenid>");
	json_object_put(devices);
	return ret;
}

static int move_to(const struct checkpoint *c, struct json_object *vcpus)
{
	struct json_object *answer;
	int ret = move_ask(&c->p, vcpus, 0, &answer);

	json_object_put(answer);
	return ret;
}

static int stop_and_pack(struct checkpoint *c)
{
	struct json_object *all = json_object_new_array();
	int ret;

	c->begin = g_get_monotonic_time();
	ret = ask(c, "stop", NULL, NULL);
	move_add_all(all, c->f, 0);
	if (!ret)
		ret = move_to(c, all);
	json_object_put(all);
	return ret;
}

/* Wherever its vCPUs are then */
static int go_on(struct checkpoint *c)
{
	int ret = move_to(c, c->vcpus), goes = c->running ? ask(c, "cont", NULL, NULL) : 0;

	if (ret)
		verb_fail(0, c->f->name, "its vCPUs may be together: dvmm spread");
	if (!goes)
		printf("%s: the guest stood still for %.1f s\n", c->f->name,
		       (g_get_monotonic_time() - c->begin) / 1e6);
	fflush(stdout);
	return ret ? ret : goes;
}

/* ---- vCPUs, devices, memory ---- */

/* Each page has its place in the file, those of zeroes take none; or pages are not in it. */
static int set_capabilities(const struct checkpoint *c, bool on)
{
	int ret = qmp_set_capability(&c->p, "mapped-ram", on && !c->parts);

	if (!ret)
		ret = qmp_set_capability(&c->p, QMP_WITHOUT_REGIONS, on && c->parts);
	return ret ? ret : qmp_set_capability(&c->p, "background-snapshot", on && c->cut);
}

/* Pages are written as soon as all of them are kept as they are. */
static bool is_cut(struct json_object *answer)
{
	struct json_object *ram = NULL;

	json_object_object_get_ex(answer, "ram", &ram);
	return ram && (json_number_of(ram, "normal") || json_number_of(ram, "duplicate"));
}

/* So QEMU says where the kernel cannot keep memory as it is. */
static bool has_no_cut(struct json_object *answer)
{
	return g_str_has_prefix(json_text_of(answer, "error-desc"), "dvmm: there is no snapshot");
}

/* 0; -1: not yet; with @cut: until the guest may go on, and that may not be possible: -2 */
static int saved(const struct checkpoint *c, bool cut)
{
	struct json_object *answer;
	int ret = ask(c, "query-migrate", NULL, &answer);
	const char *status = ret ? "" : json_text_of(answer, "status");

	if (!strcmp(status, "cancelled"))
		ret = verb_fail(EXIT_FAILED, c->dir, "it was broken off: begin again");
	else if (!strcmp(status, "failed") && cut && has_no_cut(answer))
		ret = -2;
	else if (!strcmp(status, "failed"))
		ret = verb_fail(EXIT_FAILED, json_text_of(answer, "error-desc"),
				"make room, or take another directory");
	else if (!ret && strcmp(status, "completed") && !(cut && is_cut(answer)))
		ret = -1;
	json_object_put(answer);
	return ret;
}

static int await_saved(const struct checkpoint *c, bool cut)
{
	int ret;

	while ((ret = saved(c, cut)) == -1) {
		if (interrupted)
			ask(c, "migrate_cancel", NULL, NULL);
		usleep(cut || c->parts ? CUT_STEP_US : STEP_US);
	}
	return ret;
}

/* Whatever is being saved, also for a command that was killed; not waiting for a disk that hangs */
static void break_off(const struct checkpoint *c)
{
	struct json_object *answer;
	bool busy = !ask(c, "migrate_cancel", NULL, NULL);
	gint64 deadline = g_get_monotonic_time() + BREAK_SECONDS * G_USEC_PER_SEC;

	while (busy && g_get_monotonic_time() < deadline &&
	       !ask(c, "query-migrate", NULL, &answer)) {
		const char *status = json_text_of(answer, "status");

		busy = !strcmp(status, "active") || !strcmp(status, "cancelling");
		json_object_put(answer);
		if (busy)
			usleep(STEP_US);
	}
}

static int begin_state(const struct checkpoint *c)
{
	char *uri = g_strdup_printf("file:%s/%s", c->part, CHECKPOINT_STATE);
	int ret = ask(c, "migrate", one("uri", json_object_new_string(uri)), NULL);

	if (!ret)
		ret = await_saved(c, c->cut);
	g_free(uri);
	return ret;
}

/* Until the guest may go on. */
static int save_state(struct checkpoint *c)
{
	int ret = begin_state(c);

	if (!ret && c->parts && !parts_cut(c->parts))
		ret = EXIT_FAILED;
	if (ret == -2) {
		c->cut = false;
		ret = set_capabilities(c, true) ?: begin_state(c);
	}
	return ret;
}

static int checkpoint_take_parts(struct checkpoint *c)
{
	c->written = parts_written(c->parts);
	return c->written ? 0 : EXIT_FAILED;
}

/* @ret: of what came before */
static int end_state(struct checkpoint *c, int ret)
{
	if (ret)
		break_off(c);
	else if (c->parts)
		ret = checkpoint_take_parts(c);
	else if (c->cut)
		ret = await_saved(c, false);
	set_capabilities(c, false);
	return ret;
}

/* ---- disks ---- */

static bool is_copied(const struct checkpoint *c, unsigned int key)
{
	return key >= GUEST_DISK && key <= GUEST_DISK4 && c->f->guest[key];
}

static struct json_object *copy_of(const struct checkpoint *c, unsigned int key)
{
	struct json_object *data = json_object_new_object(), *o = one("data", data);
	char *device = g_strdup_printf("disk%u", key - GUEST_DISK);
	char *target = g_build_filename(c->part, guest_keys[key], NULL);

	json_text(o, "type", "drive-backup");
	json_text(data, "job-id", guest_keys[key]);
	json_text(data, "device", device);
	json_text(data, "target", target);
	json_text(data, "sync", "full");
	json_text(data, "format", guest_image_format(c->f->guest[key]));
	json_object_object_add(data, "auto-dismiss", json_object_new_boolean(false));
	g_free(target);
	g_free(device);
	return o;
}

/* From now on what is overwritten is copied before. */
static int begin_copies(const struct checkpoint *c)
{
	struct json_object *actions = json_object_new_array();
	unsigned int i;
	int ret = 0;

	for (i = 0; i < GUEST_KEYS; i++)
		if (is_copied(c, i))
			json_object_array_add(actions, copy_of(c, i));
	if (!json_object_array_length(actions))
		json_object_put(actions);
	else
		ret = ask(c, "transaction", one("actions", actions), NULL);
	return ret;
}

/* QEMU's jobs are named in this way only here. */
static bool is_copy(struct json_object *job)
{
	return g_str_has_prefix(json_text_of(job, "id"), guest_keys[GUEST_DISK]);
}

static int job_ask(const struct checkpoint *c, const char *command, struct json_object *job)
{
	return ask(c, command, one("id", json_object_new_string(json_text_of(job, "id"))), NULL);
}

/* @ret: of those before */
static int dismiss(const struct checkpoint *c, struct json_object *job, int ret)
{
	const char *error = json_text_of(job, "error");

	if (!ret && *error)
		ret = verb_fail(EXIT_FAILED, error, "make room, or take another directory");
	return job_ask(c, "job-dismiss", job) ?: ret;
}

/* Once one has failed, nobody wants the others.  @left: counts those not at their end */
static int follow(const struct checkpoint *c, struct json_object *job, int ret, unsigned int *left)
{
	const char *status = json_text_of(job, "status");

	if (!strcmp(status, "concluded"))
		return dismiss(c, job, ret);
	++*left;
	if (ret && !strcmp(status, "running"))
		job_ask(c, "job-cancel", job);
	return ret;
}

static int follow_all(const struct checkpoint *c, int ret, unsigned int *left)
{
	struct json_object *jobs, *job;
	int asked = ask(c, "query-jobs", NULL, &jobs);
	size_t i;

	*left = 0;
	for (i = 0; !asked && i < json_object_array_length(jobs); i++) {
		job = json_object_array_get_idx(jobs, i);
		if (is_copy(job))
			ret = follow(c, job, ret, left);
	}
	json_object_put(jobs);
	return asked ? asked : ret;
}

/* Until there is none left; where @ret is not 0 already, they are broken off. */
static int end_copies(const struct checkpoint *c, int ret)
{
	unsigned int left;

	for (;;) {
		ret = follow_all(c, ret, &left);
		if (!left)
			return ret;
		if (interrupted && !ret)
			ret = verb_fail(EXIT_FAILED, c->dir, "it was broken off: begin again");
		usleep(STEP_US);
	}
}

/* What the one before has as well is not there twice. */
static bool checkpoint_keep(const struct checkpoint *c, const char *name, GPtrArray *names)
{
	if (c->of)
		return increment_make(c->part, name, c->of, c->o->since, names);
	g_ptr_array_add(names, g_strdup(name));
	return true;
}

/* It is one only now. */
static int commit(const struct checkpoint *c)
{
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
	bool ok = checkpoint_keep(c, CHECKPOINT_STATE, names);
	unsigned int i;

	for (i = 0; ok && i < GUEST_KEYS; i++)
		if (is_copied(c, i))
			ok = checkpoint_keep(c, guest_keys[i], names);
	g_ptr_array_add(names, NULL);
	ok = ok && manifest_write(c->f, c->part, (const char *const *)names->pdata, c->genid,
				  c->written) &&
	     (!c->parts || parts_name(c->parts)) && draft_commit(c->part, c->dir) &&
	     (!c->link || rotate_to(c->link, c->dir));
	g_ptr_array_unref(names);
	return ok ? 0 : EXIT_FAILED;
}

/* ---- all of it ---- */

/* Images belong to nobody once a state is saved, until the guest goes on or they are asked for. */
static int take_images(const struct checkpoint *c)
{
	return ask(c, "blockdev-set-active", one("active", json_object_new_boolean(true)), NULL);
}

static int make(struct checkpoint *c)
{
	int ret = remember(c), after;

	if (!ret)
		ret = checkpoint_look_for_genid(c, "/machine/peripheral");
	if (!ret)
		ret = checkpoint_look_for_genid(c, "/machine/peripheral-anon");
	if (ret)
		return ret;
	/* of a command that was killed */
	end_copies(c, EXIT_FAILED);
	break_off(c);
	if (c->o->parts) {
		c->parts = parts_begin(c->o, c->f, c->dir, c->link, &interrupted);
		if (!c->parts)
			return EXIT_FAILED;
	} else if (c->running) {
		gather(&c->p, &interrupted);
	}
	if (interrupted)
		return verb_fail(EXIT_FAILED, c->dir, "it was broken off: begin again");
	c->cut = !c->parts;
	ret = set_capabilities(c, true);
	if (ret)
		return ret;
	ret = stop_and_pack(c);
	if (!ret)
		ret = save_state(c);
	if (!ret)
		ret = take_images(c);
	if (!ret)
		ret = begin_copies(c);
	if (ret)
		break_off(c);
	after = go_on(c);
	if (!ret)
		ret = end_copies(c, 0);
	ret = end_state(c, ret);
	if (!ret)
		ret = after;
	return ret ? ret : commit(c);
}

/* All of it is read, before the guest stands still. */
static bool checkpoint_read_before(struct checkpoint *c)
{
	const char *since = c->o->since;

	if (!since)
		return true;
	c->of = manifest_read(c->f, since, false);
	if (c->of && manifest_has_parts(c->of))
		return verb_fail(0, since, "parts have no increments: make a whole one, without "
				 "--since");
	return c->of && (increment_layers(c->of, CHECKPOINT_STATE) < INCREMENT_MAX ||
			 verb_fail(0, since, "it has as many layers as it may: make a whole one, "
				   "without --since"));
}

static bool checkpoint_name(struct checkpoint *c)
{
	if (!c->o->replace)
		return true;
	c->link = c->dir;
	c->dir = rotate_next(c->link);
	return c->dir;
}

static int checkpoint(struct checkpoint *c)
{
	int ret = EXIT_FAILED;

	if (!place_lock_checkpoint(&c->p) || !checkpoint_name(c) || !checkpoint_read_before(c))
		return ret;
	c->part = draft_begin(c->dir);
	if (!c->part)
		return ret;
	catch_signals();
	c->vcpus = json_object_new_array();
	ret = make(c);
	if (c->parts)
		parts_end(c->parts, !ret);
	json_object_put(c->written);
	if (ret)
		draft_drop(c->part);
	else
		printf("%s: %s after %.1f s\n", c->f->name, c->dir,
		       (g_get_monotonic_time() - c->begin) / 1e6);
	json_object_put(c->vcpus);
	return ret;
}

/* The boot host makes it. */
static int checkpoint_forward(const struct checkpoint *c, char **argv)
{
	const char *words[8] = { "checkpoint", argv[1], argv[2], "--here" };
	unsigned int n = 4;

	if (c->o->parts)
		words[n++] = "--parts";
	if (c->o->replace)
		words[n++] = "--replace";
	if (c->o->since) {
		words[n++] = "--since";
		words[n++] = c->o->since;
	}
	return remote_forward(c->o, c->f, 0, words, false);
}

int verb_checkpoint(const struct options *o, int argc, char **argv)
{
	struct checkpoint c = { .o = o, .f = machine_file(o, argv[1]) };
	const char *since = o->since;
	int ret;

	(void)argc;
	if (!c.f)
		return EXIT_FILE;
	place_make(&c.p, o, c.f, 0);
	c.dir = g_canonicalize_filename(argv[2], NULL);
	if (since && o->replace)
		ret = verb_fail(EXIT_USAGE, "--since", "with --replace the one before goes: leave "
				"one of both out");
	else if (since && o->parts)
		ret = verb_fail(EXIT_USAGE, "--since", "parts have no increments: leave one of "
				"both out");
	else if (*argv[2] != '/' || (since && *since != '/'))
		ret = verb_fail(EXIT_USAGE, *argv[2] != '/' ? argv[2] : since,
				"write a path that begins with /: the boot host's");
	else if (!place_is_served(o, c.f, &c.p))
		ret = checkpoint_forward(&c, argv);
	else
		ret = checkpoint(&c);
	json_object_put(c.of);
	g_free(c.link);
	g_free(c.part);
	g_free(c.dir);
	place_free(&c.p);
	file_free(c.f);
	return ret;
}
