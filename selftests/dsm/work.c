// SPDX-License-Identifier: GPL-2.0
/* Workloads over shared pages: who writes what is known, so every value is checked. */
#include <errno.h>
#include <string.h>

#include "tap.h"
#include "work.h"

#define LINE 64

/* ---- counters: atomics on shared pages lose nothing ---- */

#define COUNTERS 8
#define ADDS_PER_ROUND 200

struct counters {
	uint64_t shared[COUNTERS]; /* everyone adds */
	uint64_t own[CLUSTER_NODES]; /* false sharing: each its own word */
	uint64_t lock __attribute__((aligned(4096)));
	uint64_t left; /* guarded by lock, on its page */
	uint64_t right __attribute__((aligned(4096))); /* guarded by lock, elsewhere */
};

static int locked_add(struct actor *a, struct counters *c)
{
	unsigned int spins = 0;
	bool same;

	while (__atomic_exchange_n(&c->lock, 1, __ATOMIC_ACQUIRE))
		while (__atomic_load_n(&c->lock, __ATOMIC_RELAXED))
			sync_relax(&spins);
	same = c->left == c->right;
	c->left++;
	c->right++;
	__atomic_store_n(&c->lock, 0, __ATOMIC_RELEASE);
	return same ? 0 : actor_fail(a, "two words under one lock differ");
}

static int counters_round(struct actor *a, struct counters *c)
{
	uint64_t last[COUNTERS] = { 0 };
	int n;

	for (n = 0; n < ADDS_PER_ROUND; n++) {
		int k = rnd() % COUNTERS;
		uint64_t v = __atomic_add_fetch(&c->shared[k], 1, __ATOMIC_SEQ_CST);

		if (v <= last[k])
			return actor_fail(a, "counter %d went from %llu to %llu", k,
					  (unsigned long long)last[k], (unsigned long long)v);
		last[k] = v;
		c->own[a->self]++;
		if (n % 20 == 0 && locked_add(a, c))
			return -1;
	}
	return 0;
}

static int counters_check(struct actor *a, struct counters *c, uint64_t rounds)
{
	uint64_t want = rounds * ADDS_PER_ROUND * a->nodes, sum = 0;
	int i;

	for (i = 0; i < COUNTERS; i++)
		sum += c->shared[i];
	if (sum != want)
		return actor_fail(a, "atomics: sum %llu, expected %llu", (unsigned long long)sum,
				  (unsigned long long)want);
	for (i = 0; i < a->nodes; i++)
		if (c->own[i] != want / a->nodes)
			return actor_fail(a, "word of node %d is %llu, expected %llu", i,
					  (unsigned long long)c->own[i],
					  (unsigned long long)want / a->nodes);
	want = rounds * a->nodes * (ADDS_PER_ROUND / 20);
	if (c->left != want || c->right != want)
		return actor_fail(a, "under the lock: %llu and %llu, expected %llu",
				  (unsigned long long)c->left, (unsigned long long)c->right,
				  (unsigned long long)want);
	return 0;
}

int work_counters(struct actor *a)
{
	struct counters *c = (struct counters *)actor_page(a, a->regions - 1, 0);
	uint64_t start = now_ns(), rounds = 0;

	rnd_seed(a->self + 1);
	do {
		if (counters_round(a, c))
			return -1;
		rounds++;
	} while (!actor_over(a, start) && rounds != a->rounds);
	if (counters_check(a, c, rounds))
		return -1;
	actor_barrier(a);
	if (!a->self)
		tap_diag("counters: %llu rounds of %d additions on each of %d nodes",
			 (unsigned long long)rounds, ADDS_PER_ROUND, a->nodes);
	return 0;
}

/* ---- producer and consumer: a ring from each node to the next ---- */

#define RING_SLOTS 16
#define ITEM_WORDS 120

struct item {
	uint64_t seq;
	uint64_t sum;
	uint64_t word[ITEM_WORDS];
};

struct ring {
	uint64_t head __attribute__((aligned(4096))); /* of the producer */
	uint64_t end;
	uint64_t tail __attribute__((aligned(4096))); /* of the consumer */
	struct item slot[RING_SLOTS] __attribute__((aligned(4096)));
};

/* Ring i lies in the region of node i, who writes it; node i + 1 reads it. */
static struct ring *ring_of(struct actor *a, int node)
{
	return (struct ring *)actor_page(a, node % a->regions, 32);
}

static bool produce(struct ring *r, uint64_t seq)
{
	struct item *it = &r->slot[seq % RING_SLOTS];
	uint64_t sum = 0;
	int i;

	if (seq - __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE) == RING_SLOTS)
		return false;
	it->seq = seq;
	for (i = 0; i < ITEM_WORDS; i++)
		sum += it->word[i] = rnd();
	it->sum = sum;
	__atomic_store_n(&r->head, seq + 1, __ATOMIC_RELEASE);
	return true;
}

/* 1: one item was taken; 0: there is none; -1: it was wrong */
static int consume(struct actor *a, struct ring *r, uint64_t seq)
{
	struct item *it = &r->slot[seq % RING_SLOTS];
	uint64_t sum = 0;
	int i;

	if (__atomic_load_n(&r->head, __ATOMIC_ACQUIRE) == seq)
		return 0;
	for (i = 0; i < ITEM_WORDS; i++)
		sum += it->word[i];
	if (it->seq != seq || it->sum != sum)
		return actor_fail(a, "item %llu arrived as %llu, sum %s", (unsigned long long)seq,
				  (unsigned long long)it->seq, it->sum == sum ? "right" : "wrong");
	__atomic_store_n(&r->tail, seq + 1, __ATOMIC_RELEASE);
	return 1;
}

int work_prodcons(struct actor *a)
{
	struct ring *out = ring_of(a, a->self);
	struct ring *in = ring_of(a, (a->self + a->nodes - 1) % a->nodes);
	uint64_t end = now_ns() + actor_ns(a);
	uint64_t sent = 0, taken = 0;
	unsigned int spins = 0;
	bool open = true;
	int got;

	rnd_seed(a->self + 1);
	for (;;) {
		if (open && (now_ns() > end || (a->rounds && sent == a->rounds))) {
			open = false;
			__atomic_store_n(&out->end, sent + 1, __ATOMIC_RELEASE);
		}
		if (open && produce(out, sent))
			sent++;
		got = consume(a, in, taken);
		if (got < 0)
			return -1;
		taken += got;
		if (!open && !got && __atomic_load_n(&in->end, __ATOMIC_ACQUIRE) == taken + 1)
			break;
		if (!got)
			sync_relax(&spins);
	}
	actor_barrier(a);
	if (!a->self)
		tap_diag("prodcons: node 0 sent %llu items of %zu bytes and took %llu",
			 (unsigned long long)sent, sizeof(struct item), (unsigned long long)taken);
	return 0;
}

/* ---- pressure: more pages than the caches may hold ---- */

/* Every page has a line for each node; what stands there follows from the round. */
static uint64_t expected(int node, int region, size_t page, uint64_t round)
{
	return round * 0x9e3779b97f4a7c15ull + ((uint64_t)node << 56) + ((uint64_t)region << 48) +
	       page;
}

static uint64_t *line_of(struct actor *a, int region, size_t page, int node)
{
	return (uint64_t *)(actor_page(a, region, page) + node * LINE);
}

static void pressure_write(struct actor *a, uint64_t round)
{
	size_t p;
	int r;

	for (r = 0; r < a->regions; r++)
		for (p = 64; p < actor_pages(a, r); p++)
			*line_of(a, r, p, a->self) = expected(a->self, r, p, round);
}

static int pressure_check(struct actor *a, uint64_t round)
{
	uint64_t v, want;
	size_t p;
	int r, n;

	for (r = 0; r < a->regions; r++) {
		for (p = 64; p < actor_pages(a, r); p++) {
			for (n = 0; n < a->nodes; n++) {
				v = *(volatile uint64_t *)line_of(a, r, p, n);
				want = expected(n, r, p, round);
				if (v != want)
					return actor_fail(a,
						"round %llu region %d page %zu node %d: %llx, expected %llx",
						(unsigned long long)round, r, p, n,
						(unsigned long long)v, (unsigned long long)want);
			}
		}
	}
	return 0;
}

static int pressure_limit(struct actor *a)
{
	struct dvmm_stats s;
	uint64_t most = 0;
	int r;

	if (machine_stats(a->machine, &s))
		return actor_fail(a, "statistics: %s", strerror(errno));
	for (r = 0; r < a->regions; r++)
		most += (r == a->self || !a->cache ? a->bytes[r] : a->cache) / PAGE;
	if (s.frames > most)
		return actor_fail(a, "%llu frames held, %llu allowed", (unsigned long long)s.frames,
				  (unsigned long long)most);
	if (a->cache && a->nodes > 1 && !s.evictions)
		return actor_fail(a, "no eviction although the cache is smaller than the region");
	if (!a->self)
		tap_diag("pressure: node 0 holds %llu frames of at most %llu, %llu evictions",
			 (unsigned long long)s.frames, (unsigned long long)most,
			 (unsigned long long)s.evictions);
	return 0;
}

int work_pressure(struct actor *a)
{
	uint64_t start = now_ns(), round = 0;

	do {
		pressure_write(a, ++round);
		actor_barrier(a);
		if (pressure_check(a, round))
			return -1;
		actor_barrier(a);
	} while (!actor_over(a, start) && round != a->rounds);
	return pressure_limit(a);
}

/* ---- first touch: memory begins as zeroes, wherever it is touched ---- */

int work_zero(struct actor *a)
{
	static const char zero[PAGE];
	size_t p, first;
	char *page;
	int r;

	for (r = 0; r < a->regions; r++) {
		first = actor_pages(a, r) - 64;
		for (p = first; p < first + 64; p++) {
			page = actor_page(a, r, p);
			/* Half by a read, half by a write; no two nodes write a page. */
			if (p % 2 && p / 2 % a->nodes == (size_t)a->self)
				page[PAGE - 1] = 0;
			if (memcmp(page, zero, PAGE))
				return actor_fail(a, "region %d page %zu is not zero", r, p);
		}
	}
	actor_barrier(a);
	return 0;
}

/* ---- upgrade: all read, then one writes, and all see it ---- */

int work_upgrade(struct actor *a)
{
	uint64_t start = now_ns(), round = 0;

	do {
		uint64_t *w = (uint64_t *)actor_page(a, round % a->regions, 8);
		int writer = round / a->regions % a->nodes;
		uint64_t before = *(volatile uint64_t *)w;

		actor_barrier(a);
		if (writer == a->self)
			*w = round + 1;
		actor_barrier(a);
		if (*(volatile uint64_t *)w != round + 1)
			return actor_fail(a,
				"round %llu: after the write by node %d the word is %llu, before it was %llu",
				(unsigned long long)round, writer, (unsigned long long)*w,
				(unsigned long long)before);
		round++;
	} while (!actor_over(a, start) && round != a->rounds);
	return 0;
}

/* ---- barriers through a shared page, and through a channel ---- */

int work_barriers(struct actor *a)
{
	uint64_t *arrived = (uint64_t *)actor_page(a, 0, 12);
	uint64_t start = now_ns(), round = 0;
	int i;

	do {
		round++;
		__atomic_store_n(&arrived[a->self * (LINE / 8)], round, __ATOMIC_RELEASE);
		actor_barrier(a);
		for (i = 0; i < a->nodes; i++)
			if (arrived[i * (LINE / 8)] != round)
				return actor_fail(a,
						  "node %d left barrier %llu before node %d came",
						  a->self, (unsigned long long)round, i);
	} while (!actor_over(a, start) && round != a->rounds);
	return 0;
}

static int channel_round(struct actor *a, uint64_t round)
{
	char data[DVMM_CHANNEL_DATA_MAX], got[DVMM_CHANNEL_DATA_MAX];
	size_t len = round * 37 % (sizeof(data) + 1);
	struct dvmm_datagram d;
	int i, n;

	memset(data, round, len);
	if (channel_send(a->channel, DVMM_NODE_ALL, 7, round, data, len))
		return actor_fail(a, "channel write: %s", strerror(errno));
	for (i = 1; i < a->nodes; i++) {
		n = channel_recv(a->channel, &d, got, sizeof(got), 20000);
		if (n < 0)
			return actor_fail(a, "channel read: %s", strerror(errno));
		if (d.id != round || d.type != 7 || (size_t)n != len || memcmp(data, got, len))
			return actor_fail(a, "round %llu: node %d sent round %llu, %d bytes",
					  (unsigned long long)round, d.node,
					  (unsigned long long)d.id, n);
	}
	return 0;
}

int work_channel(struct actor *a)
{
	uint64_t start = now_ns(), round = 0;

	if (actor_channel(a))
		return -1;
	/* With 3 nodes a fast one may be a round ahead: the barrier keeps rounds apart. */
	do {
		if (channel_round(a, ++round))
			return -1;
		actor_barrier(a);
	} while (!actor_over(a, start) && round != a->rounds);
	if (!a->self)
		tap_diag("channel: %llu rounds", (unsigned long long)round);
	return 0;
}
