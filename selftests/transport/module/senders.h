/* SPDX-License-Identifier: GPL-2.0 */
/* Threads that send. */
#ifndef XT_SENDERS_H
#define XT_SENDERS_H

#include <linux/completion.h>

#include "end.h"

#define XT_MAX_SENDERS	(2 * DVMM_XPORT_LANES * XT_STREAMS)

/**
 * struct xt_sender - one thread on one stream of one lane
 * @count: frames to send; 0: until send() fails
 * @max: of the payload; random lengths up to it
 * @fixed: always @max
 * @burst: however many are under way
 * @stop: enough
 * @err: what send() failed with
 * @sent: frames that send() took
 */
struct xt_sender {
	struct xt_end *end;
	struct xt_spec spec;
	u32 count;
	u32 max;
	bool fixed;
	bool burst;
	bool stop;
	int err;
	u64 sent;
	struct completion finished;
};

/**
 * struct xt_senders - a group
 * @n: how many there are
 */
struct xt_senders {
	unsigned int n;
	struct xt_sender s[XT_MAX_SENDERS];
};

int xt_senders_add(struct xt_senders *g, struct xt_end *e, const struct xt_request *q);
u64 xt_senders_wait(struct xt_senders *g, long timeout, int *err);

#endif
