// SPDX-License-Identifier: GPL-2.0
/* A short name for what a step has decided. */
#include "engine.h"

static u32 digest_mix(u32 h, u64 value, unsigned int bytes)
{
	while (bytes--) {
		h = (h ^ (value & 0xff)) * 0x01000193;
		value >>= 8;
	}
	return h;
}

static u32 digest_mix_msg(u32 h, const struct dvmm_msg *m)
{
	h = digest_mix(h, m->type, 1);
	h = digest_mix(h, m->flags, 1);
	h = digest_mix(h, m->src, 2);
	h = digest_mix(h, m->requester, 2);
	h = digest_mix(h, m->acks, 2);
	return digest_mix(h, m->id, 8);
}

u32 dvmm_actions_digest(const struct dvmm_actions *out)
{
	u32 h = 0x811c9dc5;
	unsigned int i;

	for (i = 0; i < out->count; i++) {
		const struct dvmm_action *a = &out->act[i];

		h = digest_mix(h, a->type, 1);
		h = digest_mix(h, a->perm, 1);
		h = digest_mix(h, a->zero, 1);
		h = digest_mix(h, a->last, 1);
		h = digest_mix(h, a->dst, 2);
		h = digest_mix(h, a->skip, 2);
		h = digest_mix(h, a->delay_us, 4);
		h = digest_mix(h, a->set, 8);
		h = digest_mix_msg(h, &a->msg);
	}
	return h;
}
