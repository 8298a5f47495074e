/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What has to run on this host, and what does.
 *
 * A unit is one cell in one run of its machine. units_look() compares the agreed state with the
 * units that are known and says what is to be done; it may be called as often as one likes.
 */
#ifndef DVMMD_UNIT_H
#define DVMMD_UNIT_H

#include "replica.h"

enum unit_state {
	UNIT_STARTING,
	UNIT_ACTIVE,
	UNIT_ENDED,
};

/**
 * struct unit - a cell's QEMU on this host
 * @reason: why it has ended, "" for no fault
 * @told: that state was told to the group in this view
 * @stopping: its end was asked for; @because: of a fault of the host, "": of none
 */
struct unit {
	char *machine;
	char *node;
	unsigned int run;
	unsigned int cell;
	enum unit_state state;
	char *reason;
	bool told;
	bool stopping;
	const char *because;
};

/**
 * struct unit_ops - what is done to the host
 * @start: starts it; its end is told by unit_end()
 * @stop: ends it, at once
 * @tell: gives a message about it to the group, as replica_propose()
 */
struct unit_ops {
	void (*start)(void *arg, struct unit *u);
	void (*stop)(void *arg, struct unit *u);
	void (*tell)(void *arg, struct json_object *message);
};

struct units;

struct units *units_new(unsigned int self, const struct unit_ops *ops, void *arg);
void units_free(struct units *all);

/** units_add - one that was found running; or is about to be started */
struct unit *units_add(struct units *all, const char *machine, const char *node, unsigned int run,
		       unsigned int cell);
/** units_find - by its machine's and its own name; NULL: none */
struct unit *units_find(struct units *all, const char *machine, const char *node);
void unit_be_active(struct unit *u);
void unit_end(struct unit *u, const char *reason);

/**
 * enum units_left - what an earlier dvmmd has left running
 * @UNITS_LEFT_KNOWN: it is among the units: what is not there is gone
 * @UNITS_LEFT_AWAITED: it will be told: nothing is begun that may be there
 * @UNITS_LEFT_HIDDEN: nobody will tell it, and nothing can be begun
 */
enum units_left {
	UNITS_LEFT_KNOWN,
	UNITS_LEFT_AWAITED,
	UNITS_LEFT_HIDDEN,
};

/**
 * units_look - does what there is to be done
 * @r: the replica; if its view is not open, all goes on as it is
 */
void units_look(struct units *all, const struct replica *r, enum units_left left);
/** units_new_view - what was told may not have been heard */
void units_new_view(struct units *all);
/** units_stop_all - @because: why, for as long as they are told of */
void units_stop_all(struct units *all, const char *because);
/** units_alive - how many have not ended */
unsigned int units_alive(const struct units *all);

#endif
