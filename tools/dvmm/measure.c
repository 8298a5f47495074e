// SPDX-License-Identifier: GPL-2.0
/*
 * Time of a node's vCPUs, by what Linux tells of their threads: how long each ran, and was kept
 * from it by others (schedstat), and, by looking at it some fifty times a second, how often it
 * slept uninterruptibly.  That is how a vCPU waits for a page of another node, and hardly for
 * anything else; one that idles sleeps interruptibly.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "kernel.h"
#include "measure.h"
#include "qmp.h"

#define ANSWER_SECONDS	10
#define APART_US	20000

struct thread {
	unsigned int vcpu;
	int stat, schedstat;
	uint64_t ran, queued;	/* ns, at the beginning */
	unsigned int waits;
};

/* CPU time of the host, in ticks */
struct host {
	uint64_t all, idle;
};

struct measuring {
	GArray *threads;
	GPtrArray *machines;	/* at the beginning */
	gint64 asked;		/* for these */
	struct host host;
	unsigned int looks;
	gint64 begin;		/* of all else */
};

/* What a file has now; "" if nothing */
static const char *read_again(int fd, char *text, size_t size)
{
	ssize_t len = pread(fd, text, size - 1, 0);

	text[MAX(len, 0)] = 0;
	return text;
}

/* ---- threads ---- */

static void read_schedstat(const struct thread *t, uint64_t *ran, uint64_t *queued)
{
	char text[128];

	if (sscanf(read_again(t->schedstat, text, sizeof(text)), "%" SCNu64 " %" SCNu64, ran,
		   queued) != 2)
		*ran = *queued = 0;
}

/* The state is the word behind the name, which may have brackets of its own. */
static bool is_waiting(const struct thread *t)
{
	char text[256], *state = strrchr(read_again(t->stat, text, sizeof(text)), ')');

	return state && state[1] == ' ' && state[2] == 'D';
}

static int open_of(unsigned int id, const char *name)
{
	char *path = g_strdup_printf("/proc/%u/task/%u/%s", id, id, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	g_free(path);
	return fd;
}

static void free_thread(void *p)
{
	struct thread *t = p;

	close(t->stat);
	close(t->schedstat);
}

static bool add_thread(GArray *threads, struct json_object *cpu)
{
	unsigned int id = json_number_of(cpu, "thread-id");
	struct thread t = {
		.vcpu = json_number_of(cpu, "cpu-index"),
		.stat = open_of(id, "stat"), .schedstat = open_of(id, "schedstat"),
	};

	g_array_append_val(threads, t);
	return t.stat >= 0 && t.schedstat >= 0;
}

/* Of all vCPUs; those that are elsewhere have one that sleeps. */
static GArray *find_threads(const struct place *p, int *status)
{
	GArray *threads = g_array_new(FALSE, FALSE, sizeof(struct thread));
	struct json_object *list;
	size_t i;

	g_array_set_clear_func(threads, free_thread);
	*status = qmp_call(p, "query-cpus-fast", NULL, &list, ANSWER_SECONDS);
	for (i = 0; !*status && i < json_object_array_length(list); i++)
		if (!add_thread(threads, json_object_array_get_idx(list, i)))
			*status = verb_fail(EXIT_DENIED, "threads of QEMU cannot be looked at",
					    "run as root");
	json_object_put(list);
	if (!*status)
		return threads;
	g_array_unref(threads);
	return NULL;
}

static struct json_object *thread_object(const struct thread *t, const struct measuring *m,
					 double ns)
{
	struct json_object *o = json_object_new_object();
	uint64_t ran, queued;

	read_schedstat(t, &ran, &queued);
	json_number(o, "vcpu", t->vcpu);
	json_real(o, "ran", MIN(1, (ran - t->ran) / ns));
	json_real(o, "queued", MIN(1, (queued - t->queued) / ns));
	json_real(o, "waited", (double)t->waits / m->looks);
	return o;
}

/* ---- the host ---- */

/* "cpu USER NICE SYSTEM IDLE IOWAIT IRQ SOFTIRQ STEAL ..." */
static struct host read_host(void)
{
	uint64_t t[8] = {};
	struct host h = {};
	char *text = NULL;
	int i;

	if (g_file_get_contents("/proc/stat", &text, NULL, NULL))
		sscanf(text, "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
		       " %" SCNu64 " %" SCNu64 " %" SCNu64, &t[0], &t[1], &t[2], &t[3], &t[4],
		       &t[5], &t[6], &t[7]);
	for (i = 0; i < 8; i++)
		h.all += t[i];
	h.idle = t[3] + t[4];
	g_free(text);
	return h;
}

static uint64_t read_free(void)
{
	char *text = NULL, *at = NULL;
	uint64_t kib = 0;

	if (g_file_get_contents("/proc/meminfo", &text, NULL, NULL))
		at = strstr(text, "MemAvailable:");
	if (at)
		sscanf(at, "MemAvailable: %" SCNu64, &kib);
	g_free(text);
	return kib << 10;
}

static double busy_since(const struct host *then, unsigned int cpus)
{
	struct host now = read_host();
	double all = now.all - then->all;

	return all > 0 ? cpus * (1 - (now.idle - then->idle) / all) : 0;
}

/* ---- its links ---- */

/* Where the module is not there, no node is, but what looks like one to a test */
static GPtrArray *ask_kernel(const struct options *o, const char *word)
{
	int status;
	struct kernel *k = kernel_is_there() ? kernel_open(&status) : NULL;
	GPtrArray *list = k ? kernel_machines(k, o, word, &status) : NULL;

	if (k)
		kernel_close(k);
	return list;
}

static const struct machine *node_of(const GPtrArray *list, unsigned int node)
{
	unsigned int i;

	for (i = 0; list && i < list->len; i++) {
		const struct machine *m = g_ptr_array_index(list, i);

		if (m->node == node)
			return m;
	}
	return NULL;
}

static uint64_t frames_with(const struct machine *m, unsigned int peer)
{
	unsigned int i;

	for (i = 0; i < m->links->len; i++) {
		const struct machine_link *l = g_ptr_array_index(m->links, i);

		if (l->peer == peer)
			return l->sent + l->received;
	}
	return 0;
}

static struct json_object *peers_list(const struct file *f, const struct machine *then,
				      const struct machine *now, double seconds)
{
	struct json_object *list = json_object_new_array(), *o;
	unsigned int i;

	for (i = 0; then && now && i < f->nodes->len; i++) {
		uint64_t before = frames_with(then, i), after = frames_with(now, i);

		if (i == now->node || after <= before)
			continue;
		o = json_object_new_object();
		json_text(o, "node", file_node(f, i)->name);
		json_real(o, "frames", (after - before) / seconds);
		json_object_array_add(list, o);
	}
	return list;
}

/* ---- all of it ---- */

static void look_on(const struct options *o, struct measuring *m)
{
	gint64 end = m->begin + o->delay * 1000000;
	unsigned int i;

	for (i = 0; i < m->threads->len; i++) {
		struct thread *t = &g_array_index(m->threads, struct thread, i);

		read_schedstat(t, &t->ran, &t->queued);
	}
	do {
		usleep(APART_US);
		for (i = 0; i < m->threads->len; i++) {
			struct thread *t = &g_array_index(m->threads, struct thread, i);

			t->waits += is_waiting(t);
		}
		m->looks++;
	} while (g_get_monotonic_time() < end);
}

static struct json_object *threads_list(const struct measuring *m)
{
	double ns = (g_get_monotonic_time() - m->begin) * 1e3;
	struct json_object *list = json_object_new_array();
	unsigned int i;

	for (i = 0; i < m->threads->len; i++) {
		const struct thread *t = &g_array_index(m->threads, struct thread, i);

		json_object_array_add(list, thread_object(t, m, ns));
	}
	return list;
}

/* What takes time to ask comes last. */
static struct json_object *result(const struct options *o, const struct file *f, const char *word,
				  const struct place *p, const struct measuring *m)
{
	struct json_object *all = json_object_new_object();
	unsigned int cpus = sysconf(_SC_NPROCESSORS_ONLN);
	GPtrArray *machines;

	json_text(all, "node", file_node(f, p->node)->name);
	json_number(all, "cpus", cpus);
	json_object_object_add(all, "vcpus", threads_list(m));
	json_real(all, "busy", busy_since(&m->host, cpus));
	json_number(all, "free", read_free());
	machines = ask_kernel(o, word);
	json_object_object_add(all, "peers", peers_list(f, node_of(m->machines, p->node),
							node_of(machines, p->node),
							(g_get_monotonic_time() - m->asked) / 1e6));
	if (machines)
		g_ptr_array_unref(machines);
	return all;
}

struct json_object *measure(const struct options *o, const struct file *f, const char *word,
			    const struct place *p, int *status)
{
	struct measuring m = { .threads = find_threads(p, status) };
	struct json_object *all;

	if (!m.threads)
		return NULL;
	m.machines = ask_kernel(o, word);
	m.asked = g_get_monotonic_time();
	m.host = read_host();
	m.begin = g_get_monotonic_time();
	look_on(o, &m);
	all = result(o, f, word, p, &m);
	if (m.machines)
		g_ptr_array_unref(m.machines);
	g_array_unref(m.threads);
	return all;
}
