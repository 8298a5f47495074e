// SPDX-License-Identifier: GPL-2.0
/* A node that does to its machine what a broken protocol would. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "spoil.h"

static const struct timespec moment = { .tv_nsec = 1000000 };

/* The thread is alone with its page: one fault a program. */
static char *page;

static void *undo(void *unused)
{
	static char before[PAGE];

	(void)unused;
	for (;;) {
		memcpy(before, page, PAGE);
		while (!memcmp(before, page, PAGE))
			nanosleep(&moment, NULL);
		memcpy(page, before, PAGE);
	}
	return NULL;
}

/* Not an exclusive or: every second time would mend it. */
static void flip(void)
{
	uint64_t *word = (uint64_t *)page;
	size_t i;

	for (i = 0; i < PAGE / sizeof(*word); i++)
		word[i] += 1ull << 40;
}

static void *keep_flipping(void *unused)
{
	const struct timespec while_others_work = { .tv_nsec = 50000000 };

	(void)unused;
	for (;;) {
		nanosleep(&while_others_work, NULL);
		flip();
	}
	return NULL;
}

static int stray(struct actor *a)
{
	if (actor_channel(a))
		return -1;
	if (channel_send(a->channel, DVMM_NODE_ALL, 7, 12345, NULL, 0))
		return actor_fail(a, "stray datagram: %s", strerror(errno));
	return 0;
}

int spoil_start(struct actor *a, const char *fault)
{
	unsigned int region, at;
	pthread_t thread;
	bool stale;

	if (!strcmp(fault, "stray"))
		return stray(a);
	stale = sscanf(fault, "stale:%u:%u", &region, &at) == 2;
	if (!stale && sscanf(fault, "flip:%u:%u", &region, &at) != 2)
		return actor_fail(a, "no such fault: %s", fault);
	if (region >= (unsigned int)a->regions || at >= actor_pages(a, region))
		return actor_fail(a, "no such page: %s", fault);
	page = actor_page(a, region, at);
	if (!stale)
		flip();
	if (pthread_create(&thread, NULL, stale ? undo : keep_flipping, NULL))
		return actor_fail(a, "no thread");
	return 0;
}
