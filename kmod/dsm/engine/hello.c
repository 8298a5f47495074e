// SPDX-License-Identifier: GPL-2.0
/* HELLO: versions and features are agreed on here, and nowhere else. */
#include "engine.h"
#include "hello.h"

void dvmm_hello_fill(struct dvmm_wire_hello *h, u16 node, u16 nodes, const u8 *machine,
		     const u8 *config)
{
	memset(h, 0, sizeof(*h));
	h->version_min = cpu_to_le16(DVMM_WIRE_VERSION_MIN);
	h->version_max = cpu_to_le16(DVMM_WIRE_VERSION);
	h->node = cpu_to_le16(node);
	h->nodes = cpu_to_le16(nodes);
	h->page_size = cpu_to_le32(DVMM_PAGE_SIZE);
	h->features = cpu_to_le64(DVMM_FEATURES_SPOKEN);
	h->required = cpu_to_le64(DVMM_FEATURES_REQUIRED);
	memcpy(h->machine, machine, sizeof(h->machine));
	memcpy(h->config, config, sizeof(h->config));
}

/* ---- names ---- */

struct feature {
	u64 bit;
	const char *name;
};

static const struct feature features_named[] = {
#define X(name, bit, text) { DVMM_FEATURE_##name, text },
	DVMM_WIRE_FEATURES(X)
#undef X
	{ 0, NULL },
};

static const char *hello_feature_name(u64 bit)
{
	const struct feature *f;

	for (f = features_named; f->name; f++)
		if (f->bit == bit)
			return f->name;
	return NULL;
}

void dvmm_features_print(u64 features, char *buf, size_t size)
{
	size_t n = 0;
	int i;

	snprintf(buf, size, "none");
	for (i = 0; i < 64 && n < size; i++) {
		const char *name = hello_feature_name(1ull << i);

		if (!(features >> i & 1))
			continue;
		if (name)
			n += snprintf(buf + n, size - n, "%s%s", n ? "," : "", name);
		else
			n += snprintf(buf + n, size - n, "%sfeature-%d", n ? "," : "", i);
	}
}

/* ---- agreeing ---- */

static bool hello_agree_version(const struct dvmm_wire_hello *theirs,
				const struct dvmm_wire_hello *ours,
				struct dvmm_terms *terms, char *why)
{
	u16 their_min = le16_to_cpu(theirs->version_min), min = le16_to_cpu(ours->version_min);
	u16 their_max = le16_to_cpu(theirs->version_max), max = le16_to_cpu(ours->version_max);

	terms->version = their_max < max ? their_max : max;
	if (terms->version >= min && terms->version >= their_min)
		return true;
	snprintf(why, DVMM_HELLO_WHY,
		 "it speaks wire versions %u to %u, not %u to %u: install the same dvmm on both",
		 their_min, their_max, min, max);
	return false;
}

static const char *hello_other_machine(const struct dvmm_wire_hello *theirs,
				       const struct dvmm_wire_hello *ours, u16 peer)
{
	if (memcmp(theirs->machine, ours->machine, sizeof(theirs->machine)))
		return "it belongs to another machine";
	if (le16_to_cpu(theirs->node) != peer)
		return "it is another node than expected";
	if (theirs->nodes != ours->nodes ||
	    memcmp(theirs->config, ours->config, sizeof(theirs->config)))
		return "its machine file differs from ours";
	if (theirs->page_size != ours->page_size)
		return "its page size differs from ours";
	return NULL;
}

static bool hello_lacks(u64 missing, const char *what, char *why)
{
	char names[40];

	if (!missing)
		return false;
	dvmm_features_print(missing, names, sizeof(names));
	snprintf(why, DVMM_HELLO_WHY, "%s %s: install the same dvmm on both", what, names);
	return true;
}

static bool hello_agree_features(const struct dvmm_wire_hello *theirs,
				 const struct dvmm_wire_hello *ours, struct dvmm_terms *terms,
				 char *why)
{
	u64 they_speak = le64_to_cpu(theirs->features), we_speak = le64_to_cpu(ours->features);

	terms->features = they_speak & we_speak;
	return !hello_lacks(le64_to_cpu(theirs->required) & ~we_speak, "it wants what we lack:",
			    why) &&
	       !hello_lacks(le64_to_cpu(ours->required) & ~they_speak, "it lacks what we want:",
			    why);
}

bool dvmm_hello_agree(const void *data, size_t length, const struct dvmm_wire_hello *ours,
		      u16 peer, struct dvmm_terms *terms, char *why)
{
	const struct dvmm_wire_hello *theirs = data;
	const char *other;

	if (length < DVMM_HELLO_MIN) {
		snprintf(why, DVMM_HELLO_WHY, "its HELLO is too short");
		return false;
	}
	if (!hello_agree_version(theirs, ours, terms, why))
		return false;
	if (length < sizeof(*theirs)) {
		snprintf(why, DVMM_HELLO_WHY, "its HELLO is too short for wire version %u",
			 terms->version);
		return false;
	}
	other = hello_other_machine(theirs, ours, peer);
	if (other) {
		snprintf(why, DVMM_HELLO_WHY, "%s", other);
		return false;
	}
	return hello_agree_features(theirs, ours, terms, why);
}
