// SPDX-License-Identifier: GPL-2.0
/* HELLO: who is refused, with which words, and what two nodes agree on. */
#include "hello.h"
#include "tap.h"

#define NODES	4
#define SELF	1
#define PEER	2
#define REMEDY	": install the same dvmm on both"

static const u8 machine[16] = "machine", config[16] = "config";

/* Two nodes of which each speaks something else than this dvmm does. */
static struct dvmm_wire_hello hello(u16 node, u16 min, u16 max, u64 features, u64 required)
{
	struct dvmm_wire_hello h;

	dvmm_hello_fill(&h, node, NODES, machine, config);
	h.version_min = cpu_to_le16(min);
	h.version_max = cpu_to_le16(max);
	h.features = cpu_to_le64(features);
	h.required = cpu_to_le64(required);
	return h;
}

static void test_ours(void)
{
	struct dvmm_wire_hello a, b;
	struct dvmm_terms terms;
	char why[DVMM_HELLO_WHY] = "";

	dvmm_hello_fill(&a, SELF, NODES, machine, config);
	dvmm_hello_fill(&b, PEER, NODES, machine, config);
	tap(dvmm_hello_agree(&b, sizeof(b), &a, PEER, &terms, why) &&
	    terms.version == DVMM_WIRE_VERSION && terms.features == DVMM_FEATURES_SPOKEN,
	    "two nodes of one dvmm agree on all it can %s", why);
	tap(!(DVMM_FEATURES_REQUIRED & ~DVMM_FEATURES_SPOKEN), "what it requires it speaks");
}

static void test_versions(void)
{
	static const struct {
		u16 min, max, their_min, their_max, agreed;
	} cases[] = {
		{ 2, 5, 2, 5, 5 }, { 2, 5, 1, 3, 3 }, { 2, 5, 4, 9, 5 }, { 2, 5, 5, 9, 5 },
		{ 2, 5, 0, 2, 2 }, { 2, 5, 0, 1, 0 }, { 2, 5, 6, 9, 0 }, { 2, 5, 6, 65535, 0 },
		{ 2, 5, 4, 3, 0 }, { 2, 2, 65535, 65535, 0 }, { 2, 2, 0, 0, 0 },
	};
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dvmm_wire_hello a = hello(SELF, cases[i].min, cases[i].max, 0, 0);
		struct dvmm_wire_hello b =
			hello(PEER, cases[i].their_min, cases[i].their_max, 0, 0);
		char why[DVMM_HELLO_WHY] = "", want[DVMM_HELLO_WHY];
		struct dvmm_terms terms;
		bool fine = dvmm_hello_agree(&b, sizeof(b), &a, PEER, &terms, why);

		snprintf(want, sizeof(want),
			 "it speaks wire versions %u to %u, not %u to %u" REMEDY,
			 cases[i].their_min, cases[i].their_max, cases[i].min, cases[i].max);
		if (cases[i].agreed)
			fine = fine && terms.version == cases[i].agreed;
		else
			fine = !fine && !strcmp(why, want);
		tap(fine,
		    "versions %u to %u and %u to %u: %u %s", cases[i].min, cases[i].max,
		    cases[i].their_min, cases[i].their_max, cases[i].agreed, why);
	}
}

static void test_features(void)
{
	static const struct {
		u64 ours, required, theirs, they_require, agreed;
		const char *why;
	} cases[] = {
		{ 0, 0, 0, 0, 0, NULL },
		{ 6, 0, 12, 0, 4, NULL },
		{ 6, 4, 12, 4, 4, NULL },
		{ 6, 0, ~0ull, 2, 6, NULL },
		{ 6, 0, ~0ull, 1ull << 63, 0, "it wants what we lack: feature-63" REMEDY },
		{ 6, 0, 23, 17, 0, "it wants what we lack: blocks,feature-4" REMEDY },
		{ 48, 48, 32, 0, 0, "it lacks what we want: feature-4" REMEDY },
		/* Whoever wants what it does not itself speak is refused for our lack of it. */
		{ 0, 0, 0, 1, 0, "it wants what we lack: blocks" REMEDY },
	};
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dvmm_wire_hello a = hello(SELF, 2, 2, cases[i].ours, cases[i].required);
		struct dvmm_wire_hello b =
			hello(PEER, 2, 2, cases[i].theirs, cases[i].they_require);
		char why[DVMM_HELLO_WHY] = "";
		struct dvmm_terms terms;
		bool fine = dvmm_hello_agree(&b, sizeof(b), &a, PEER, &terms, why);

		if (cases[i].why)
			fine = !fine && !strcmp(why, cases[i].why);
		else
			fine = fine && terms.features == cases[i].agreed;
		tap(fine, "features %#llx and %#llx %s", (unsigned long long)cases[i].ours,
		    (unsigned long long)cases[i].theirs, why);
	}
}

static void test_lengths(void)
{
	struct dvmm_wire_hello a = hello(SELF, 2, 2, 0, 0);
	struct {
		struct dvmm_wire_hello h;
		u8 later[40];
	} b = { hello(PEER, 2, 9, 0, 0), { 0xff } };
	struct dvmm_wire_hello old = hello(PEER, 1, 1, 0, 0);
	char why[DVMM_HELLO_WHY];
	struct dvmm_terms terms;
	unsigned int n, taken = 0;

	tap(dvmm_hello_agree(&b, sizeof(b), &a, PEER, &terms, why),
	    "what a later version has appended is passed over");
	for (n = 0; n < sizeof(b.h); n++)
		taken += dvmm_hello_agree(&b, n, &a, PEER, &terms, why);
	tap(!taken, "every shorter HELLO is refused: %s", why);
	tap(!dvmm_hello_agree(&old, 56, &a, PEER, &terms, why) && strstr(why, "versions 1 to 1"),
	    "version 1's HELLO is refused for its version: %s", why);
}

static void test_others(void)
{
	struct dvmm_wire_hello a = hello(SELF, 2, 2, 0, 0), good = hello(PEER, 2, 2, 0, 0), b;
	char why[DVMM_HELLO_WHY];
	struct dvmm_terms terms;

#define REFUSED(change, want) do {						\
		b = good;							\
		change;								\
		tap(!dvmm_hello_agree(&b, sizeof(b), &a, PEER, &terms, why) &&	\
		    !strcmp(why, want), "refused: %s", why);			\
	} while (0)
	REFUSED(b.machine[15] ^= 1, "it belongs to another machine");
	REFUSED(b.config[0] ^= 1, "its machine file differs from ours");
	REFUSED(b.node = cpu_to_le16(3), "it is another node than expected");
	REFUSED(b.nodes = cpu_to_le16(5), "its machine file differs from ours");
	REFUSED(b.page_size = cpu_to_le32(16384), "its page size differs from ours");
#undef REFUSED
}

static void test_names(void)
{
	char buf[12];

	dvmm_features_print(0, buf, sizeof(buf));
	tap(!strcmp(buf, "none"), "no feature is \"none\"");
	dvmm_features_print(~0ull, buf, sizeof(buf));
	tap(strlen(buf) == sizeof(buf) - 1, "a long list is cut at its room: %s", buf);
}

int main(void)
{
	test_ours();
	test_versions();
	test_features();
	test_lengths();
	test_others();
	test_names();
	return tap_done();
}
