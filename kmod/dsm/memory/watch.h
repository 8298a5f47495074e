/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Watching over pages that are on their way and do not arrive.
 *
 * Once a second the oldest flight of a machine is looked at.  Older than a
 * second: a line in the kernel log, a tracepoint, and the event STALLED.  Older
 * than the machine's bound: the machine stops with the same words.  A node that
 * waits for another one leaves it DVMM_WATCH_GRACE_MS more, so that the reason
 * which everybody gets is that of the node that knows the cause.
 */
#ifndef DVMM_WATCH_H
#define DVMM_WATCH_H

#include <linux/ratelimit.h>
#include <linux/workqueue.h>

#define DVMM_WATCH_REPORT_MS	1000
#define DVMM_WATCH_GRACE_MS	2000
#define DVMM_WHY_LEN	76

struct dvmm_flight_view;
struct dvmm_machine;
struct dvmm_region;
struct seq_file;

/**
 * struct dvmm_watch - of a machine
 * @m: the machine
 * @work: the look
 * @lines: holds the log back
 * @stalled: there was something to report at the last look
 */
struct dvmm_watch {
	struct dvmm_machine *m;
	struct delayed_work work;
	struct ratelimit_state lines;
	bool stalled;
};

/** dvmm_watch_start - 0 or -ENOMEM */
int dvmm_watch_start(struct dvmm_machine *m);
/** dvmm_watch_end - waits for a look that is under way; regions MUST still be there */
void dvmm_watch_end(struct dvmm_machine *m);
/** dvmm_watch_why - in words, what a flight waits for.  Any context */
void dvmm_watch_why(const struct dvmm_region *r, const struct dvmm_flight_view *v,
		    char text[DVMM_WHY_LEN]);
/** dvmm_watch_show - a row a flight */
void dvmm_watch_show(struct dvmm_machine *m, struct seq_file *seq);

#endif
