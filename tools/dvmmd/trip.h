/* SPDX-License-Identifier: GPL-2.0 */
/* How far the other hosts are, as corosync measures it. */
#ifndef DVMMD_TRIP_H
#define DVMMD_TRIP_H

#include <json-c/json.h>

/**
 * trips_look - round trips, in microseconds, by node id in decimal, as an object of the caller's
 *
 * Averages of the pings that knet sends over each link; of several links the fastest. Hosts out of
 * reach have none, and nobody has where corosync's transport is not knet.
 */
struct json_object *trips_look(void);

#endif
