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

/** json_text_of - a member that is text; "" if there is none */
static inline const char *json_text_of(struct json_object *o, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(o, key, &value) && value ?
	       json_object_get_string(value) : "";
}

/** json_number_of - a member that is a number; 0 if there is none */
static inline uint64_t json_number_of(struct json_object *o, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(o, key, &value) ? json_object_get_uint64(value) : 0;
}

/** json_real_of - a member that is a number; 0 if there is none */
static inline double json_real_of(struct json_object *o, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(o, key, &value) ? json_object_get_double(value) : 0;
}

/** json_list_of - a member that is an array, of which @o keeps hold; NULL if there is none */
static inline struct json_object *json_list_of(struct json_object *o, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(o, key, &value) &&
	       json_object_is_type(value, json_type_array) ? value : NULL;
}

/** json_print - one line; @o is freed */
static inline void json_print(struct json_object *o)
{
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	fflush(stdout);
	json_object_put(o);
}

#endif
