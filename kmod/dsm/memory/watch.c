// SPDX-License-Identifier: GPL-2.0
/* Flights that do not arrive: who waits for whom, and for how long. */
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "flight.h"
#include "machine/machine.h"
#include "machine/trace.h"
#include "region.h"
#include "watch.h"

enum whom { NOBODY, HOME, OWNER, REQUESTER, SHARERS };

static const struct {
	u8 whom;
	const char *what;
} awaited[DVMM_ST_COUNT] = {
	[DVMM_ST_IS_D]		= { HOME, "DATA" },
	[DVMM_ST_IM_AD]		= { HOME, "DATA" },
	[DVMM_ST_SM_AD]		= { HOME, "DATA" },
	[DVMM_ST_IM_A]		= { SHARERS, "INV_ACK" },
	[DVMM_ST_SM_A]		= { SHARERS, "INV_ACK" },
	[DVMM_ST_MI_A]		= { HOME, "PUT_ACK" },
	[DVMM_ST_II_A]		= { HOME, "PUT_ACK" },
	[DVMM_ST_H_FS]		= { REQUESTER, "UNBLOCK" },
	[DVMM_ST_H_FM]		= { REQUESTER, "UNBLOCK" },
	[DVMM_ST_H_RS_D]	= { OWNER, "OWN_DATA" },
	[DVMM_ST_H_RM_D]	= { OWNER, "OWN_DATA" },
	[DVMM_ST_H_SM_A]	= { SHARERS, "INV_ACK" },
};

/* ---- in words ---- */

static enum whom watch_whom(const struct dvmm_flight_view *v)
{
	return v->running ? NOBODY : awaited[v->state].whom;
}

/* The node whose turn it is; this one where that is not known of a single other. */
static u16 watch_node(const struct dvmm_region *r, const struct dvmm_flight_view *v)
{
	switch (watch_whom(v)) {
	case HOME:
		return v->asked;
	case OWNER:
		return v->owner;
	case REQUESTER:
		return v->requester;
	default:
		return r->m->self;
	}
}

void dvmm_watch_why(const struct dvmm_region *r, const struct dvmm_flight_view *v,
		    char text[DVMM_WHY_LEN])
{
	const char *what = awaited[v->state].what;

	if (v->pinned)
		snprintf(text, DVMM_WHY_LEN, "pinned on node %u", r->m->self);
	else if (v->running)
		snprintf(text, DVMM_WHY_LEN, "node %u is at work on it", r->m->self);
	else if (watch_whom(v) == NOBODY)
		snprintf(text, DVMM_WHY_LEN, "%u events wait on node %u", v->waiting, r->m->self);
	else if (watch_whom(v) == SHARERS)
		snprintf(text, DVMM_WHY_LEN, "node %u waits for %d %s", r->m->self, v->acks, what);
	else if (watch_whom(v) == REQUESTER)
		snprintf(text, DVMM_WHY_LEN, "node %u waits for %s of node %u, served by node %u",
			 r->m->self, what, v->requester, v->owner);
	else
		snprintf(text, DVMM_WHY_LEN, "node %u waits for %s by way of node %u", r->m->self,
			 what, watch_node(r, v));
}

/* ---- looking ---- */

struct look {
	struct dvmm_region *r;		/* of the oldest */
	struct dvmm_flight_view oldest;
	unsigned int late;		/* how many are to be reported */
};

static void watch_look_at(struct dvmm_region *r, const struct dvmm_flight_view *v, void *arg)
{
	struct look *look = arg;

	if (v->age_ms < DVMM_WATCH_REPORT_MS)
		return;
	look->late++;
	/* Of two that are as good as equal, the one that waits for nobody. */
	if (look->r && v->age_ms + (watch_whom(v) == NOBODY ? DVMM_WATCH_GRACE_MS : 0) <=
		       look->oldest.age_ms)
		return;
	look->r = r;
	look->oldest = *v;
}

static void watch_report(struct dvmm_machine *m, const struct look *look, const char *text)
{
	const struct dvmm_flight_view *v = &look->oldest;

	trace_dvmm_stall(m->self, look->r->id, v->page, v->state, v->age_ms, text);
	if (!m->watch->stalled)
		dvmm_machine_event(m, DVMM_EVENT_STALLED, watch_node(look->r, v), text);
	if (__ratelimit(&m->watch->lines))
		pr_warn("dvmm: %pUb node %u: %s (%u pages are late)\n", m->uuid, m->self, text,
			look->late);
}

static bool watch_over(const struct dvmm_machine *m, const struct dvmm_flight_view *v)
{
	u64 bound = m->stall_s * 1000ull;

	if (watch_whom(v) != NOBODY)
		bound += DVMM_WATCH_GRACE_MS;
	return m->stall_s && v->age_ms >= bound;
}

static void watch_late(struct dvmm_machine *m, const struct look *look)
{
	const struct dvmm_flight_view *v = &look->oldest;
	char why[DVMM_WHY_LEN], text[DVMM_REASON_LEN];

	dvmm_watch_why(look->r, v, why);
	snprintf(text, sizeof(text), "page %llu of region %u stalled for %u s in %s: %s",
		 v->page, look->r->id, v->age_ms / 1000, dvmm_state_name(v->state), why);
	watch_report(m, look, text);
	if (watch_over(m, v))
		dvmm_machine_stop(m, text);
}

static void watch_look(struct dvmm_machine *m)
{
	struct look look = {};
	struct dvmm_region *r;
	unsigned long id;

	/* Regions outlast the watch, so their references need not be taken. */
	xa_for_each(&m->regions, id, r)
		dvmm_flights_visit(r, watch_look_at, &look);
	if (look.r)
		watch_late(m, &look);
	m->watch->stalled = look.r;
}

static void watch_work(struct work_struct *work)
{
	struct dvmm_watch *w = container_of(to_delayed_work(work), struct dvmm_watch, work);

	watch_look(w->m);
	if (!dvmm_machine_stopped(w->m))
		schedule_delayed_work(&w->work, msecs_to_jiffies(DVMM_WATCH_REPORT_MS));
}

int dvmm_watch_start(struct dvmm_machine *m)
{
	struct dvmm_watch *w = kzalloc(sizeof(*w), GFP_KERNEL);

	if (!w)
		return -ENOMEM;
	w->m = m;
	ratelimit_state_init(&w->lines, 10 * HZ, 2);
	ratelimit_set_flags(&w->lines, RATELIMIT_MSG_ON_RELEASE);
	INIT_DELAYED_WORK(&w->work, watch_work);
	m->watch = w;
	schedule_delayed_work(&w->work, msecs_to_jiffies(DVMM_WATCH_REPORT_MS));
	return 0;
}

void dvmm_watch_end(struct dvmm_machine *m)
{
	cancel_delayed_work_sync(&m->watch->work);
	kfree(m->watch);
}

/* ---- debugfs ---- */

static void watch_show_flight(struct dvmm_region *r, const struct dvmm_flight_view *v, void *arg)
{
	struct seq_file *seq = arg;
	char why[DVMM_WHY_LEN];

	dvmm_watch_why(r, v, why);
	seq_printf(seq, "region: %u page: %llu state: %s age_ms: %u pinned: %u acks: %d waiting: %u why: %s\n",
		   r->id, v->page, dvmm_state_name(v->state), v->age_ms, v->pinned, v->acks,
		   v->waiting, why);
}

void dvmm_watch_show(struct dvmm_machine *m, struct seq_file *seq)
{
	struct dvmm_region *r;
	unsigned long id;

	mutex_lock(&m->lock);
	xa_for_each(&m->regions, id, r)
		dvmm_flights_visit(r, watch_show_flight, seq);
	mutex_unlock(&m->lock);
}
