// SPDX-License-Identifier: GPL-2.0
/* The agreed state: hosts come and go; messages are given to what they are about. */
#include <stdio.h>
#include <string.h>

#include "../dvmm/json.h"
#include "machine.h"

struct pool *pool_new(void)
{
	struct pool *p = g_new0(struct pool, 1);

	p->hosts = json_object_new_object();
	p->machines = json_object_new_object();
	return p;
}

void pool_free(struct pool *p)
{
	json_object_put(p->hosts);
	json_object_put(p->machines);
	g_free(p);
}

/* ---- as one object ---- */

struct json_object *pool_save(const struct pool *p)
{
	struct json_object *o = json_object_new_object();

	json_number(o, "term", p->term);
	json_number(o, "sequence", p->sequence);
	json_number(o, "decided", p->decided);
	json_object_object_add(o, "hosts", json_object_get(p->hosts));
	json_object_object_add(o, "machines", json_object_get(p->machines));
	return o;
}

/* A replica's own: the one that it came from may go on to change. */
static struct json_object *pool_part(struct json_object *o, const char *key)
{
	struct json_object *part, *copy = NULL;

	if (!json_object_object_get_ex(o, key, &part) ||
	    !json_object_is_type(part, json_type_object) ||
	    json_object_deep_copy(part, &copy, NULL))
		return NULL;
	return copy;
}

struct pool *pool_load(struct json_object *o)
{
	struct pool *p = g_new0(struct pool, 1);

	p->term = json_number_of(o, "term");
	p->sequence = json_number_of(o, "sequence");
	p->decided = json_number_of(o, "decided");
	p->hosts = pool_part(o, "hosts");
	p->machines = pool_part(o, "machines");
	if (p->hosts && p->machines && machines_are_fine(p->machines))
		return p;
	pool_free(p);
	return NULL;
}

char *pool_digest(const struct pool *p)
{
	struct json_object *o = pool_save(p);
	const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
	char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);

	json_object_put(o);
	return digest;
}

/* ---- hosts ---- */

struct json_object *pool_host(const struct pool *p, unsigned int id)
{
	struct json_object *host;
	char key[16];

	snprintf(key, sizeof(key), "%u", id);
	return json_object_object_get_ex(p->hosts, key, &host) ? host : NULL;
}

struct json_object *pool_machine(const struct pool *p, const char *name)
{
	struct json_object *machine;

	return json_object_object_get_ex(p->machines, name, &machine) ? machine : NULL;
}

bool pool_has_named(const struct pool *p, const char *name)
{
	json_object_object_foreach(p->hosts, key, host) {
		(void)key;
		if (!strcmp(json_text_of(host, "name"), name) &&
		    strcmp(json_text_of(host, "state"), "away"))
			return true;
	}
	return false;
}

/* What a host tells has no "since", which the view's beginning gives to all. */
bool pool_is_told(const struct pool *p)
{
	unsigned int told = 0;

	json_object_object_foreach(p->hosts, key, host) {
		(void)key;
		told += !strcmp(json_text_of(host, "state"), "present") &&
			!json_number_of(host, "since");
	}
	return told == p->members;
}

unsigned int pool_fencer(const struct pool *p)
{
	unsigned int first = 0;

	json_object_object_foreach(p->hosts, key, host) {
		unsigned int id = strtoul(key, NULL, 10);

		if (!strcmp(json_text_of(host, "state"), "present") &&
		    *json_text_of(host, "fence") && (!first || id < first))
			first = id;
	}
	return first;
}

bool pool_name_is_fine(const char *name)
{
	return *name && *name != '.' && *name != '-' && strlen(name) < 64 &&
	       !name[strspn(name, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "._-")];
}

static bool pool_is_in(struct json_object *list, unsigned int id)
{
	size_t i;

	for (i = 0; i < json_object_array_length(list); i++)
		if (json_object_get_uint64(json_object_array_get_idx(list, i)) == id)
			return true;
	return false;
}

void pool_open(struct pool *p, uint64_t term, struct json_object *ring,
	       struct json_object *members)
{
	p->decided = ++p->sequence;
	p->term = term;
	p->members = json_object_array_length(members);
	json_object_object_foreach(p->hosts, key, host) {
		unsigned int id = strtoul(key, NULL, 10);
		const char *state = pool_is_in(members, id) ? "present" :
				    pool_is_in(ring, id) ? "silent" : "away";

		json_text(host, "state", state);
		json_number(host, "since", p->sequence);
		if (!strcmp(state, "away"))
			machines_lose_host(p, id);
	}
	machines_look(p);
}

/* All that the host tells, and under which name it is known. */
static char *pool_take_host(struct pool *p, unsigned int sender, struct json_object *message)
{
	struct json_object *host = NULL, *told;
	char key[16];

	if (!json_object_object_get_ex(message, "host", &told) ||
	    !json_object_is_type(told, json_type_object) ||
	    !pool_name_is_fine(json_text_of(told, "name")) ||
	    json_object_deep_copy(told, &host, NULL))
		return g_strdup_printf("host %u: it does not tell its name: give it one of "
				       "letters, digits, ., _ and -", sender);
	snprintf(key, sizeof(key), "%u", sender);
	json_text(host, "state", "present");
	json_object_object_add(p->hosts, key, host);
	if (machines_look(p))
		p->decided = p->sequence;
	return NULL;
}

/* ---- messages ---- */

char *pool_apply(struct pool *p, unsigned int sender, struct json_object *message)
{
	const char *kind = json_text_of(message, "kind");
	char *why;

	p->sequence++;
	if (!strcmp(kind, "host"))
		return pool_take_host(p, sender, message);
	why = machines_apply(p, sender, kind, message);
	if (!why)
		p->decided = p->sequence;
	return why;
}
