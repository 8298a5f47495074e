// SPDX-License-Identifier: GPL-2.0
/* Asking the kernel. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

#include "kernel.h"

const char *const machine_states[] = { "joining", "ready", "stopped" };
const char *const link_states[] = { "idle", "connecting", "hello", "up", "down" };

const char *const stats_names[DVMM_A_STATS_MAX + 1] = {
	[DVMM_A_STATS_FAULTS_READ] = "faults_read",
	[DVMM_A_STATS_FAULTS_WRITE] = "faults_write",
	[DVMM_A_STATS_FAULTS_UPGRADE] = "faults_upgrade",
	[DVMM_A_STATS_FAULTS_LOCAL] = "faults_local",
	[DVMM_A_STATS_MESSAGES_SENT] = "messages_sent",
	[DVMM_A_STATS_MESSAGES_RECEIVED] = "messages_received",
	[DVMM_A_STATS_BYTES_SENT] = "bytes_sent",
	[DVMM_A_STATS_BYTES_RECEIVED] = "bytes_received",
	[DVMM_A_STATS_PAGES_SENT] = "pages_sent",
	[DVMM_A_STATS_PAGES_RECEIVED] = "pages_received",
	[DVMM_A_STATS_INVALIDATIONS] = "invalidations",
	[DVMM_A_STATS_DOWNGRADES] = "downgrades",
	[DVMM_A_STATS_EVICTIONS] = "evictions",
	[DVMM_A_STATS_DISCARDED] = "discarded",
	[DVMM_A_STATS_PREFETCHES] = "prefetches",
	[DVMM_A_STATS_FAULTS_FIRST] = "faults_first",
	[DVMM_A_STATS_WAIT_NS] = "wait_ns",
	[DVMM_A_STATS_FRAMES] = "frames",
	[DVMM_A_STATS_PIN_WAITS] = "pin_waits",
	[DVMM_A_STATS_LATENCY_P50] = "latency_ns_p50",
	[DVMM_A_STATS_LATENCY_P90] = "latency_ns_p90",
	[DVMM_A_STATS_LATENCY_P99] = "latency_ns_p99",
	[DVMM_A_STATS_LATENCY_MAX] = "latency_ns_max",
	[DVMM_A_STATS_ZEROS_ASKED] = "zeros_asked",
	[DVMM_A_STATS_BLOCKS] = "blocks",
	[DVMM_A_STATS_BLOCKS_SPLIT] = "blocks_split",
	[DVMM_A_STATS_COPIES_ASKED] = "copies_asked",
	[DVMM_A_STATS_COPIES_GOT] = "copies_got",
	[DVMM_A_STATS_COPIES_USED] = "copies_used",
	[DVMM_A_STATS_COPIES_LOST] = "copies_lost",
	[DVMM_A_STATS_SNAPSHOT_COPIES] = "snapshot_copies",
};

struct kernel {
	struct nl_sock *sk;
	int family;
};

bool kernel_is_there(void)
{
	return !access("/sys/module/dvmm", F_OK);
}

struct kernel *kernel_open(int *status)
{
	struct kernel *k = g_new0(struct kernel, 1);
	int one = 1;

	k->sk = nl_socket_alloc();
	if (!k->sk || genl_connect(k->sk)) {
		*status = verb_fail(EXIT_FAILED, "no netlink socket", "see the kernel's log");
		kernel_close(k);
		return NULL;
	}
	setsockopt(nl_socket_get_fd(k->sk), SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	k->family = genl_ctrl_resolve(k->sk, DVMM_FAMILY_NAME);
	if (k->family >= 0)
		return k;
	if (!kernel_is_there())
		*status = verb_fail(EXIT_MISSING, "the module is not loaded", "modprobe dvmm");
	else
		*status = verb_fail(EXIT_MISSING, "the module tells nothing here",
				    "install the same dvmm for kernel and tools; use the host's "
				    "network namespace");
	kernel_close(k);
	return NULL;
}

void kernel_close(struct kernel *k)
{
	nl_socket_free(k->sk);
	g_free(k);
}

/* ---- one request ---- */

typedef void (*row_fn)(struct nlattr **a, void *arg);

/**
 * struct answer - what comes of a request
 * @row: called for each answer
 * @arg: for @row
 * @error: errno
 * @why: text of the kernel, or ""
 * @done: there will be no more
 */
struct answer {
	row_fn row;
	void *arg;
	int error;
	char why[128];
	bool done;
};

static int answer_row(struct nl_msg *msg, void *arg)
{
	struct nlattr *a[DVMM_A_MAX + 1];
	struct answer *answer = arg;

	if (!genlmsg_parse(nlmsg_hdr(msg), 0, a, DVMM_A_MAX, NULL))
		answer->row(a, answer->arg);
	return NL_OK;
}

static int answer_end(struct nl_msg *msg, void *arg)
{
	struct answer *answer = arg;
	int *error = nlmsg_data(nlmsg_hdr(msg));

	if (nlmsg_datalen(nlmsg_hdr(msg)) >= (int)sizeof(*error))
		answer->error = -*error;
	answer->done = true;
	return NL_STOP;
}

static int answer_ack(struct nl_msg *msg, void *arg)
{
	struct answer *answer = arg;

	(void)msg;
	answer->done = true;
	return NL_STOP;
}

static int answer_error(struct sockaddr_nl *from, struct nlmsgerr *e, void *arg)
{
	struct nlmsghdr *h = (struct nlmsghdr *)e - 1;
	size_t skip = sizeof(*h) + sizeof(*e);
	struct nlattr *a[NLMSGERR_ATTR_MAX + 1] = {};
	struct answer *answer = arg;

	(void)from;
	if (!(h->nlmsg_flags & NLM_F_CAPPED))
		skip += e->msg.nlmsg_len - sizeof(e->msg);
	if (h->nlmsg_flags & NLM_F_ACK_TLVS && h->nlmsg_len > skip)
		nla_parse(a, NLMSGERR_ATTR_MAX, (struct nlattr *)((char *)h + skip),
			  h->nlmsg_len - skip, NULL);
	if (a[NLMSGERR_ATTR_MSG])
		nla_strlcpy(answer->why, a[NLMSGERR_ATTR_MSG], sizeof(answer->why));
	answer->error = -e->error;
	answer->done = true;
	return NL_STOP;
}

static struct nl_msg *request(const struct kernel *k, int flags, int cmd, const uint8_t *uuid)
{
	struct nl_msg *msg = nlmsg_alloc();

	if (!msg || !genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, k->family, 0, flags, cmd,
				 DVMM_FAMILY_VERSION))
		g_error("no memory");
	if (uuid)
		nla_put(msg, DVMM_A_UUID, 16, uuid);
	return msg;
}

/* Sends @msg.  0 or an errno; @why gets the kernel's words if there are any */
static int exchange(struct kernel *k, struct nl_msg *msg, row_fn row, void *arg, char *why)
{
	struct answer answer = { .row = row, .arg = arg };
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int ret;

	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, answer_row, &answer);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, answer_end, &answer);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, answer_ack, &answer);
	nl_cb_err(cb, NL_CB_CUSTOM, answer_error, &answer);
	ret = nl_send_auto(k->sk, msg);
	while (ret >= 0 && !answer.done)
		ret = nl_recvmsgs(k->sk, cb);
	nl_cb_put(cb);
	nlmsg_free(msg);
	strcpy(why, answer.why);
	return answer.done ? answer.error : EIO;
}

static int ask(struct kernel *k, int cmd, const uint8_t *uuid, row_fn row, void *arg, char *why)
{
	return exchange(k, request(k, NLM_F_DUMP, cmd, uuid), row, arg, why);
}

/* ---- rows ---- */

static uint64_t num(const struct nlattr *a)
{
	uint64_t value = 0;

	if (a)
		memcpy(&value, nla_data(a), MIN(nla_len(a), (int)sizeof(value)));
	return value;
}

static const char *text(struct nlattr *a)
{
	return a ? nla_get_string(a) : "";
}

static void uuid_text(const struct nlattr *a, char out[37])
{
	const uint8_t *u = nla_data(a);
	int i, n = 0;

	for (i = 0; i < 16; i++)
		n += sprintf(out + n, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
			     u[i]);
}

static void link_free(void *p)
{
	struct machine_link *l = p;

	g_free(l->transport);
	g_free(l);
}

static void machine_free(void *p)
{
	struct machine *m = p;

	if (m->file)
		file_free(m->file);
	g_free(m->reason);
	g_ptr_array_unref(m->links);
	g_ptr_array_unref(m->regions);
	g_free(m);
}

static void machine_row(struct nlattr **a, void *arg)
{
	struct machine *m = g_new0(struct machine, 1);

	uuid_text(a[DVMM_A_UUID], m->uuid);
	m->node = num(a[DVMM_A_NODE]);
	m->nodes = num(a[DVMM_A_NODES]);
	m->state = num(a[DVMM_A_STATE]);
	m->since = num(a[DVMM_A_TIME]);
	m->members = num(a[DVMM_A_MEMBERS]);
	m->links_up = num(a[DVMM_A_LINKS_UP]);
	m->hold_us = num(a[DVMM_A_HOLD_US]);
	m->secure = a[DVMM_A_SECURE];
	m->reason = g_strdup(text(a[DVMM_A_REASON]));
	m->links = g_ptr_array_new_with_free_func(link_free);
	m->regions = g_ptr_array_new_with_free_func(g_free);
	g_ptr_array_add(arg, m);
}

/* The machine that a row is about; NULL if it came after the machines were told. */
static struct machine *row_machine(const GPtrArray *list, struct nlattr **a)
{
	char uuid[37];
	unsigned int i;

	uuid_text(a[DVMM_A_UUID], uuid);
	for (i = 0; i < list->len; i++) {
		struct machine *m = g_ptr_array_index(list, i);

		if (m->node == num(a[DVMM_A_NODE]) && !strcmp(m->uuid, uuid))
			return m;
	}
	return NULL;
}

static void link_row(struct nlattr **a, void *arg)
{
	struct machine *m = row_machine(arg, a);
	struct machine_link *l;

	if (!m)
		return;
	l = g_new0(struct machine_link, 1);
	l->peer = num(a[DVMM_A_PEER]);
	l->transport = g_strdup(text(a[DVMM_A_TRANSPORT]));
	l->status = num(a[DVMM_A_LINK_STATUS]);
	l->in_flight = num(a[DVMM_A_IN_FLIGHT]);
	l->sent = num(a[DVMM_A_SENT]);
	l->received = num(a[DVMM_A_RECEIVED]);
	l->bytes_sent = num(a[DVMM_A_BYTES_SENT]);
	l->bytes_received = num(a[DVMM_A_BYTES_RECEIVED]);
	g_ptr_array_add(m->links, l);
}

static void region_row(struct nlattr **a, void *arg)
{
	struct machine *m = row_machine(arg, a);
	struct machine_region *r;

	if (!m)
		return;
	r = g_new0(struct machine_region, 1);
	r->id = num(a[DVMM_A_REGION]);
	r->home = num(a[DVMM_A_HOME]);
	r->pages = num(a[DVMM_A_PAGES]);
	r->homed = num(a[DVMM_A_HOMED]);
	r->frames = num(a[DVMM_A_FRAMES]);
	r->limit = num(a[DVMM_A_LIMIT]);
	g_ptr_array_add(m->regions, r);
}

static void stats_row(struct nlattr **a, void *arg)
{
	struct machine *m = row_machine(arg, a);
	struct nlattr *inner[DVMM_A_STATS_MAX + 1];
	int i;

	if (!m || !a[DVMM_A_STATS] ||
	    nla_parse_nested(inner, DVMM_A_STATS_MAX, a[DVMM_A_STATS], NULL))
		return;
	for (i = 1; i <= DVMM_A_STATS_MAX; i++)
		m->stats[i] = num(inner[i]);
}

/* ---- machines ---- */

static void name_by(GPtrArray *list, const char *path)
{
	char *error = NULL;
	struct file *f = file_read(path, &error);
	unsigned int i;

	for (i = 0; f && i < list->len; i++) {
		struct machine *m = g_ptr_array_index(list, i);

		if (m->file || g_ascii_strcasecmp(f->uuid, m->uuid))
			continue;
		m->file = f;
		f = file_read(path, &error);	/* another node may be in this kernel */
	}
	if (f)
		file_free(f);
	g_free(error);
}

/* Machine files by UUID, as far as they can be read. */
static void name_machines(GPtrArray *list, const char *dir)
{
	GDir *d = g_dir_open(dir, 0, NULL);
	const char *name;
	char *path;

	while (d && (name = g_dir_read_name(d))) {
		path = g_strdup_printf("%s/%s", dir, name);
		if (g_str_has_suffix(name, ".conf"))
			name_by(list, path);
		g_free(path);
	}
	if (d)
		g_dir_close(d);
}

/**
 * struct wanted - one machine, or all
 * @file: how it was named, or NULL
 * @prefix: of its UUID, as in @file, ""
 * @uuid: all of it
 * @whole: @uuid is valid
 */
struct wanted {
	struct file *file;
	const char *prefix;
	uint8_t uuid[16];
	bool whole;
};

static bool parse_uuid(const char *s, uint8_t uuid[16])
{
	int i, n = 0;

	for (i = 0; i < 16; i++, s += n) {
		s += *s == '-';
		n = 0;
		if (sscanf(s, "%2hhx%n", &uuid[i], &n) != 1 || n != 2)
			return false;
	}
	return !*s;
}

/* The machine file that a word names; NULL: it is the beginning of a UUID. */
static char *file_of(const struct options *o, const char *word)
{
	char *path = strchr(word, '/') ? g_strdup(word) :
		     g_strdup_printf("%s/%s.conf", o->dir, word);
	bool hex = strspn(word, "0123456789abcdefABCDEF-") == strlen(word);

	if (!hex || !access(path, F_OK))
		return path;
	g_free(path);
	return NULL;
}

static int unknown(const char *word)
{
	return verb_fail(EXIT_UNKNOWN, word, "there is no such machine: dvmm list names them");
}

static int bad_file(const char *error)
{
	fprintf(stderr, "dvmm: %s\n", error);
	return EXIT_FILE;
}

static int find_wanted(const struct options *o, const char *word, struct wanted *w)
{
	char *path = file_of(o, word), *error = NULL;
	int status = 0;

	w->prefix = word;
	if (path && access(path, F_OK) && !strchr(word, '/')) {
		status = unknown(word);
	} else if (path) {
		w->file = file_read(path, &error);
		if (w->file)
			w->prefix = w->file->uuid;
		else
			status = bad_file(error);
	}
	w->whole = !status && parse_uuid(w->prefix, w->uuid);
	g_free(error);
	g_free(path);
	return status;
}

char *kernel_uuid(const struct options *o, const char *word)
{
	struct wanted w = {};
	char *uuid;

	if (find_wanted(o, word, &w))
		return NULL;
	uuid = g_strdup(w.prefix);
	if (w.file)
		file_free(w.file);
	return uuid;
}

static int refused(int error, const char *word, const char *why)
{
	fprintf(stderr, "dvmm: %s: %s: %s\n", word ? word : "the kernel",
		*why ? why : strerror(error), error == EPERM ? "run as root" : "try again");
	return error == EPERM ? EXIT_DENIED : EXIT_FAILED;
}

/* Everything of the machines that are wanted; ENOENT: none is there. */
static int load(struct kernel *k, const struct wanted *w, GPtrArray *list, char *why)
{
	static const struct {
		int cmd;
		row_fn row;
	} parts[] = {
		{ DVMM_CMD_MACHINE_GET, machine_row }, { DVMM_CMD_LINK_GET, link_row },
		{ DVMM_CMD_REGION_GET, region_row }, { DVMM_CMD_STATS_GET, stats_row },
	};
	int ret = 0;
	size_t i;

	for (i = 0; !ret && i < G_N_ELEMENTS(parts); i++)
		ret = ask(k, parts[i].cmd, w->whole ? w->uuid : NULL, parts[i].row, list, why);
	return ret;
}

static void keep_wanted(GPtrArray *list, const char *prefix)
{
	unsigned int i = list->len;

	while (i--) {
		struct machine *m = g_ptr_array_index(list, i);

		if (g_ascii_strncasecmp(m->uuid, prefix, strlen(prefix)))
			g_ptr_array_remove_index(list, i);
	}
}

static int by_uuid_and_node(const void *a, const void *b)
{
	const struct machine *x = *(struct machine *const *)a, *y = *(struct machine *const *)b;

	return strcmp(x->uuid, y->uuid) ?: (int)x->node - (int)y->node;
}

GPtrArray *kernel_machines(struct kernel *k, const struct options *o, const char *word,
			   int *status)
{
	GPtrArray *list = g_ptr_array_new_with_free_func(machine_free);
	struct wanted w = { .prefix = "" };
	char why[128] = "";
	int ret;

	*status = word ? find_wanted(o, word, &w) : 0;
	ret = *status ? 0 : load(k, &w, list, why);
	keep_wanted(list, w.prefix);
	g_ptr_array_sort(list, by_uuid_and_node);
	name_machines(list, o->dir);
	if (word && !*status && !list->len && !w.file && ret != EPERM)
		*status = unknown(word);
	else if (ret && ret != ENOENT)
		*status = refused(ret, word, why);
	if (w.file)
		file_free(w.file);
	if (!*status)
		return list;
	g_ptr_array_unref(list);
	return NULL;
}

const char *machine_name(const struct machine *m)
{
	return m->file ? m->file->name : m->uuid;
}

const char *machine_node(const struct machine *m, unsigned int node, char buf[16])
{
	if (m->file && node < m->file->nodes->len)
		return ((struct file_node *)g_ptr_array_index(m->file->nodes, node))->name;
	snprintf(buf, 16, "%u", node);
	return buf;
}

/* ---- clocks ---- */

static void clock_row(struct nlattr **a, void *arg)
{
	struct machine_clock *c = arg;

	c->offset = num(a[DVMM_A_OFFSET]);
	c->error = num(a[DVMM_A_ERROR]);
	c->khz = num(a[DVMM_A_TSC_KHZ]);
	c->time = num(a[DVMM_A_TIME]);
}

int kernel_clock(struct kernel *k, const struct machine *m, unsigned int peer,
		 unsigned int rounds, struct machine_clock *c)
{
	char why[128] = "";
	uint8_t uuid[16];
	struct nl_msg *msg;
	int ret;

	parse_uuid(m->uuid, uuid);
	msg = request(k, NLM_F_ACK, DVMM_CMD_CLOCK_GET, uuid);
	nla_put_u16(msg, DVMM_A_NODE, m->node);
	nla_put_u16(msg, DVMM_A_PEER, peer);
	nla_put_u16(msg, DVMM_A_ROUNDS, rounds);
	ret = exchange(k, msg, clock_row, c, why);
	return ret ? refused(ret, machine_name(m), why) : 0;
}

/* ---- homes ---- */

#define REHOME_TRIES	50
#define REHOME_APART_US	20000

static void moved_row(struct nlattr **a, void *arg)
{
	*(uint64_t *)arg = num(a[DVMM_A_TOUCHED]);
}

static struct nl_msg *rehome_request(struct kernel *k, const struct machine *m,
				     unsigned int region, uint64_t page, unsigned int to)
{
	uint8_t uuid[16];
	struct nl_msg *msg;

	parse_uuid(m->uuid, uuid);
	msg = request(k, NLM_F_ACK, DVMM_CMD_REHOME, uuid);
	nla_put_u16(msg, DVMM_A_NODE, m->node);
	nla_put_u16(msg, DVMM_A_REGION, region);
	nla_put_u64(msg, DVMM_A_PAGE, page);
	nla_put_u16(msg, DVMM_A_PEER, to);
	return msg;
}

/* A node that joins or leaves, or another chunk on its way, is over soon. */
int kernel_rehome(struct kernel *k, const struct machine *m, unsigned int region, uint64_t page,
		  unsigned int to, bool if_here, struct rehomed *what)
{
	unsigned int tries = REHOME_TRIES;
	char why[128] = "";
	int ret;

	do {
		if (tries < REHOME_TRIES)
			usleep(REHOME_APART_US);
		ret = exchange(k, rehome_request(k, m, region, page, to), moved_row,
			       &what->touched, why);
	} while (ret == EBUSY && --tries);
	what->moved = !ret;
	if (!ret || (if_here && ret == EINVAL))
		return 0;
	if (ret == EPERM)
		return refused(ret, machine_name(m), why);
	fprintf(stderr, "dvmm: %s: the 2 MiB at %" PRIu64 " MiB of region %u: %s\n",
		machine_name(m), page / 256, region, *why ? why : strerror(ret));
	return EXIT_FAILED;
}

/* ---- events ---- */

int kernel_follow(struct kernel *k)
{
	int group = genl_ctrl_resolve_grp(k->sk, DVMM_FAMILY_NAME, DVMM_MCGRP_EVENTS);

	if (group >= 0 && !setsockopt(nl_socket_get_fd(k->sk), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP,
				      &group, sizeof(group)))
		return 0;
	if (errno == EPERM)
		return verb_fail(EXIT_DENIED, "events: no permission", "run as root");
	return verb_fail(EXIT_FAILED, "events: the module has none",
			 "install the same dvmm for kernel and tools");
}

struct follower {
	void (*fn)(const struct machine_event *e, void *arg);
	void *arg;
};

static int event_row(struct nl_msg *msg, void *arg)
{
	struct nlattr *a[DVMM_A_MAX + 1];
	struct follower *f = arg;
	struct machine_event e;

	if (genlmsg_parse(nlmsg_hdr(msg), 0, a, DVMM_A_MAX, NULL) || !a[DVMM_A_EVENT])
		return NL_OK;
	uuid_text(a[DVMM_A_UUID], e.uuid);
	e.type = num(a[DVMM_A_EVENT]);
	e.node = num(a[DVMM_A_NODE]);
	e.peer = a[DVMM_A_PEER] ? (int)num(a[DVMM_A_PEER]) : -1;
	e.time = num(a[DVMM_A_TIME]);
	e.reason = text(a[DVMM_A_REASON]);
	f->fn(&e, f->arg);
	return NL_OK;
}

static int any_number(struct nl_msg *msg, void *arg)
{
	(void)msg;
	(void)arg;
	return NL_OK;
}

bool kernel_event(struct kernel *k, void (*fn)(const struct machine_event *e, void *arg),
		  void *arg)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	struct follower f = { .fn = fn, .arg = arg };
	int ret;

	nl_cb_set(cb, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, any_number, NULL);
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, event_row, &f);
	ret = nl_recvmsgs(k->sk, cb);
	nl_cb_put(cb);
	if (ret >= 0)
		return true;
	fprintf(stderr, "dvmm: events: %s: some were lost, start again\n", nl_geterror(ret));
	return false;
}
