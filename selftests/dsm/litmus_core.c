// SPDX-License-Identifier: GPL-2.0
/* The shapes, and running them. */
#include <stdio.h>
#include <string.h>

#include "litmus_core.h"
#include "tap.h"

static inline uint64_t ld(const litmus_cell *p)
{
	return *p;
}

static inline void st(litmus_cell *p, uint64_t v)
{
	*p = v;
}

static inline void mfence(void)
{
	__asm__ volatile("mfence" ::: "memory");
}

/* Volatile accesses are not reordered by the compiler: what is left is the hardware. */
#define T(name, body)						\
	static void name(const struct litmus_slot *s)		\
	{							\
		const uint64_t g = s->g;			\
								\
		(void)g;					\
		body						\
	}
T(sb0, st(s->x, g + 1); *s->r[0] = ld(s->y);)
T(sb1, st(s->y, g + 1); *s->r[1] = ld(s->x);)
T(sbf0, st(s->x, g + 1); mfence(); *s->r[0] = ld(s->y);)
T(sbf1, st(s->y, g + 1); mfence(); *s->r[1] = ld(s->x);)
T(sbx0, __atomic_exchange_n(s->x, g + 1, __ATOMIC_SEQ_CST); *s->r[0] = ld(s->y);)
T(sbx1, __atomic_exchange_n(s->y, g + 1, __ATOMIC_SEQ_CST); *s->r[1] = ld(s->x);)
T(mp0, st(s->x, g + 1); st(s->y, g + 1);)
T(mp1, *s->r[0] = ld(s->y); *s->r[1] = ld(s->x);)
T(lb0, *s->r[0] = ld(s->x); st(s->y, g + 1);)
T(lb1, *s->r[1] = ld(s->y); st(s->x, g + 1);)
T(wx, st(s->x, g + 1);)
T(wy, st(s->y, g + 1);)
T(iriw2, *s->r[0] = ld(s->x); *s->r[1] = ld(s->y);)
T(iriw3, *s->r[2] = ld(s->y); *s->r[3] = ld(s->x);)
T(w22_0, st(s->x, g + 1); st(s->y, g + 2);)
T(w22_1, st(s->y, g + 1); st(s->x, g + 2);)
T(corr0, st(s->x, g + 1); st(s->y, g + 1);)
T(corr1, *s->r[0] = ld(s->x); *s->r[1] = ld(s->x);)
T(wrc1, *s->r[0] = ld(s->x); st(s->y, g + 1);)
T(wrc2, *s->r[1] = ld(s->y); *s->r[2] = ld(s->x);)
T(s0, st(s->x, g + 2); st(s->y, g + 1);)
T(s1, *s->r[0] = ld(s->y); st(s->x, g + 1);)
#undef T

static bool no_sb(const uint8_t *r)
{
	return !r[0] && !r[1];
}

static bool no_mp(const uint8_t *r)
{
	return r[0] && !r[1];
}

static bool no_lb(const uint8_t *r)
{
	return r[0] && r[1];
}

static bool no_iriw(const uint8_t *r)
{
	return r[0] && !r[1] && r[2] && !r[3];
}

static bool no_w22(const uint8_t *r)
{
	return r[0] == 1 && r[1] == 1;
}

static bool no_wrc(const uint8_t *r)
{
	return r[0] && r[1] && !r[2];
}

static bool no_s(const uint8_t *r)
{
	return r[0] == 1 && r[1] == 2;
}

const struct litmus_shape litmus_shapes[] = {
	{ "SB", 2, 2, false, { sb0, sb1 }, NULL, "r0=0 r1=0 is allowed: store buffers" },
	{ "SB+mfences", 2, 2, false, { sbf0, sbf1 }, no_sb, "r0=0 r1=0" },
	{ "SB+xchgs", 2, 2, false, { sbx0, sbx1 }, no_sb, "r0=0 r1=0" },
	{ "MP", 2, 2, false, { mp0, mp1 }, no_mp, "r0=1 r1=0" },
	{ "LB", 2, 2, false, { lb0, lb1 }, no_lb, "r0=1 r1=1" },
	{ "CoRR", 2, 2, false, { corr0, corr1 }, no_mp, "r0=1 r1=0" },
	{ "2+2W", 2, 2, true, { w22_0, w22_1 }, no_w22, "x=1 y=1" },
	{ "S", 2, 3, true, { s0, s1 }, no_s, "r0=1 x=2" },
	{ "WRC", 3, 3, false, { wx, wrc1, wrc2 }, no_wrc, "r0=1 r1=1 r2=0" },
	{ "IRIW", 4, 4, false, { wx, wy, iriw2, iriw3 }, no_iriw, "r0=1 r1=0 r2=1 r3=0" },
};
const int litmus_shape_count = sizeof(litmus_shapes) / sizeof(litmus_shapes[0]);

void litmus_judge(const struct litmus_shape *s, const uint8_t *r, struct litmus_count *c)
{
	unsigned int index = 0;
	int i;

	for (i = 0; i < s->regs; i++)
		index |= (r[i] & 3) << (2 * i);
	c->seen[index]++;
	c->slots++;
	if (s->forbidden && s->forbidden(r))
		c->forbidden++;
}

static uint64_t base_of(uint64_t batch)
{
	return batch * 4;
}

/* A value as the shape's author wrote it: 0 before, 1 .. 3 of this batch. */
static uint8_t normal(uint64_t v, uint64_t batch, struct litmus_count *c)
{
	uint64_t g = base_of(batch);

	if (v > g && v <= g + 3)
		return v - g;
	/* Every batch stores to every location, so two batches back is too old. */
	if (v > g + 3 || (batch > 1 && v <= g - 4))
		c->lost++;
	return 0;
}

static litmus_cell *cell(const struct litmus_view *v, int loc, unsigned int slot)
{
	return (litmus_cell *)(v->loc[loc] + slot * LITMUS_STRIDE);
}

static void look(const struct litmus_shape *s, const struct litmus_view *v,
		 uint64_t batch, struct litmus_count *c)
{
	/* What no thread stores holds an earlier shape's values. */
	const int stored = s->final ? s->regs - 2 : s->regs;
	uint8_t r[LITMUS_REGS] = { 0 };
	unsigned int slot;
	int i;

	for (slot = 0; slot < LITMUS_SLOTS; slot++) {
		for (i = 0; i < stored; i++)
			r[i] = normal(v->shared->reg[i][slot], batch, c);
		if (s->final) {
			r[s->regs - 2] = normal(*cell(v, 0, slot), batch, c);
			r[s->regs - 1] = normal(*cell(v, 1, slot), batch, c);
		}
		litmus_judge(s, r, c);
	}
}

/* Threads must overlap whatever their nodes' speeds are: run at uneven pace. */
static void dawdle(unsigned int most)
{
	volatile unsigned int n = most ? rnd_range(0, most) : 0;

	while (n)
		n--;
}

void litmus_batch(const struct litmus_shape *s, const struct litmus_view *v, int role,
		  uint64_t batch, struct litmus_count *count)
{
	static const unsigned int pace[] = { 0, 20, 100, 1000 };
	/* Odd batches go through a page, even ones from page to page. */
	const unsigned int step = batch % 2 ? 1 : LITMUS_SLOTS / 4 + 1;
	struct litmus_slot slot = { .g = base_of(batch) };
	unsigned int n, i, k = 0;

	sync_wait(&v->shared->sync, s->threads);
	dawdle(100000 / (1 + rnd_range(0, 100)));
	for (n = 0; n < LITMUS_SLOTS; n++, k = (k + step) % LITMUS_SLOTS) {
		slot.x = cell(v, 0, k);
		slot.y = cell(v, 1, k);
		for (i = 0; i < LITMUS_REGS; i++)
			slot.r[i] = &v->shared->reg[i][k];
		s->run[role](&slot);
		dawdle(pace[batch / 2 % 4]);
	}
	sync_wait(&v->shared->sync, s->threads);
	if (!role && count)
		look(s, v, batch, count);
}

void litmus_report(const struct litmus_shape *s, const struct litmus_count *c)
{
	char line[200];
	int n = 0, i, o;

	for (o = 0; o < LITMUS_OUTCOMES && n < 160; o++) {
		if (!c->seen[o])
			continue;
		n += snprintf(line + n, sizeof(line) - n, "  ");
		for (i = 0; i < s->regs; i++)
			n += snprintf(line + n, sizeof(line) - n, "%u", o >> (2 * i) & 3);
		n += snprintf(line + n, sizeof(line) - n, ":%llu", (unsigned long long)c->seen[o]);
	}
	line[n] = 0;
	tap_diag("%-10s %llu slots%s", s->name, (unsigned long long)c->slots, line);
}
