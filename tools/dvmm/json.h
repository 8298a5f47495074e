/* SPDX-License-Identifier: GPL-2.0 */
/* Short words for what the verbs do with json-c. */
#ifndef DVMM_JSON_H
#define DVMM_JSON_H

#include <stdint.h>
#include <stdio.h>

#include <json-c/json.h>

static inline void json_text(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, json_object_new_string(value));
}

static inline void json_number(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_uint64(value));
}

static inline void json_real(struct json_object *o, const char *key, double value)
{
	json_object_object_add(o, key, json_object_new_double(value));
}

/** json_print - one line; @o is freed */
static inline void json_print(struct json_object *o)
{
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	fflush(stdout);
	json_object_put(o);
}

#endif
