// SPDX-License-Identifier: GPL-2.0
/* Round trips to the other hosts: what corosync's map has of knet's links. */
#include <stdbool.h>
#include <stdio.h>

#include <corosync/cmap.h>

#include "../dvmm/json.h"
#include "trip.h"

#define TRIP_LINKS	"stats.knet."
#define TRIP_KEY	TRIP_LINKS "node%u.link%u."

/* 0: that link is down, or it is this host's own */
static uint32_t trip_of(cmap_handle_t map, unsigned int node, unsigned int link)
{
	char key[CMAP_KEYNAME_MAXLEN + 1];
	uint8_t connected = 0;
	uint32_t us = 0;

	snprintf(key, sizeof(key), TRIP_KEY "connected", node, link);
	if (cmap_get_uint8(map, key, &connected) != CS_OK || !connected)
		return 0;
	snprintf(key, sizeof(key), TRIP_KEY "latency_ave", node, link);
	return cmap_get_uint32(map, key, &us) == CS_OK ? us : 0;
}

static void trip_add(struct json_object *trips, unsigned int node, uint32_t us)
{
	char key[16];
	uint64_t other;

	snprintf(key, sizeof(key), "%u", node);
	other = json_number_of(trips, key);
	if (us && (!other || us < other))
		json_number(trips, key, us);
}

static void trips_read(struct json_object *trips, cmap_handle_t map)
{
	char key[CMAP_KEYNAME_MAXLEN + 1];
	unsigned int node, link;
	cmap_iter_handle_t all;
	int end;

	if (cmap_iter_init(map, TRIP_LINKS, &all) != CS_OK)
		return;
	while (cmap_iter_next(map, all, key, NULL, NULL) == CS_OK) {
		end = 0;
		if (sscanf(key, TRIP_KEY "latency_ave%n", &node, &link, &end) == 2 && end)
			trip_add(trips, node, trip_of(map, node, link));
	}
	cmap_iter_finalize(map, all);
}

struct json_object *trips_look(void)
{
	struct json_object *trips = json_object_new_object();
	cmap_handle_t map;

	if (cmap_initialize_map(&map, CMAP_MAP_STATS) == CS_OK) {
		trips_read(trips, map);
		cmap_finalize(map);
	}
	return trips;
}
