// SPDX-License-Identifier: GPL-2.0
/* Checkpoints that have what has changed, and share the rest. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "image.h"
#include "increment.h"
#include "manifest.h"
#include "verbs.h"

char *increment_name(const char *name, unsigned int layer)
{
	return g_strdup_printf("%s.%u", name, layer);
}

unsigned int increment_layers(struct json_object *manifest, const char *name)
{
	unsigned int n = 0;
	bool there = true;
	char *layer;

	while (there) {
		layer = increment_name(name, n);
		there = manifest_file(manifest, layer);
		n += there;
		g_free(layer);
	}
	return n;
}

/* @layer: of those before; what was whole becomes the lowest one */
static bool increment_link(const char *part, const char *name, const char *since, bool whole,
			   unsigned int layer)
{
	char *there = whole ? g_strdup(name) : increment_name(name, layer);
	char *here = increment_name(name, layer);
	char *from = g_build_filename(since, there, NULL), *to = g_build_filename(part, here, NULL);
	bool ok = !link(from, to) ||
		  verb_fail(0, to, errno == EXDEV ?
			    "it is on another file system than the one before: put it beside that" :
			    strerror(errno));

	g_free(to);
	g_free(from);
	g_free(here);
	g_free(there);
	return ok;
}

static bool increment_split(const char *part, const char *name, unsigned int layer)
{
	char *before = increment_name(name, layer - 1), *top = increment_name(name, layer);
	char *whole = g_build_filename(part, name, NULL), *to = g_build_filename(part, top, NULL);
	bool ok = image_difference(whole, before, layer > 1 ? "qcow2" : "raw", to);

	unlink(whole);
	g_free(to);
	g_free(whole);
	g_free(top);
	g_free(before);
	return ok;
}

bool increment_make(const char *part, const char *name, struct json_object *of, const char *since,
		    GPtrArray *names)
{
	unsigned int layers = increment_layers(of, name), i;
	bool whole = !layers, ok = true;

	if (whole && !manifest_file(of, name))
		return verb_fail(0, name, "the one before has none: leave out --since");
	layers += whole;
	for (i = 0; ok && i < layers; i++) {
		ok = increment_link(part, name, since, whole, i);
		g_ptr_array_add(names, increment_name(name, i));
	}
	g_ptr_array_add(names, increment_name(name, layers));
	return ok && increment_split(part, name, layers);
}
