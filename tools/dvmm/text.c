// SPDX-License-Identifier: GPL-2.0
/* A machine file as text again, and what is the same on all its nodes. */
#include "file.h"

static void cell_text(GString *s, const struct file_cell *c)
{
	g_string_append_printf(s, "cpus = %u\n", c->cpus);
	g_string_append_printf(s, "memory = %" G_GUINT64_FORMAT "%s\n", c->memory >> 20,
			       c->memory ? "M" : "");
}

/* @own: its cell, if that has no section */
static void node_text(GString *s, const struct file_node *n, const struct file_cell *own,
		      unsigned int parts)
{
	g_string_append_printf(s, "\n[node %s]\n", n->name);
	if (n->address)
		g_string_append_printf(s, "address = %s\nport = %u\n", n->address, n->port);
	if (own)
		cell_text(s, own);
	g_string_append_printf(s, "joins = %s\n", n->later ? "later" : "start");
	if (n->cache && parts & FILE_LOCAL)
		g_string_append_printf(s, "cache = %" G_GUINT64_FORMAT "K\n", n->cache >> 10);
	if (n->ssh && parts & FILE_TOOL)
		g_string_append_printf(s, "ssh = %s\n", n->ssh);
}

static void guest_text(GString *s, const struct file *f, unsigned int parts)
{
	unsigned int i, n = parts & FILE_TOOL ? GUEST_KEYS : GUEST_SMP + 1;

	g_string_append(s, "\n[guest]\n");
	for (i = 0; i < n; i++)
		if (f->guest[i])
			g_string_append_printf(s, "%s = %s\n", guest_keys[i], f->guest[i]);
}

char *file_text(const struct file *f, unsigned int parts)
{
	GString *s = g_string_new("[machine]\n");
	unsigned int i;

	g_string_append_printf(s, "name = %s\nuuid = %s\ntransport = %s\nsecurity = %s\n",
			       f->name, f->uuid, f->transport, f->security);
	if (parts & FILE_LOCAL)
		g_string_append_printf(s, "key = %s\n", f->key);
	g_string_append_printf(s, "timeout = %u\ndistance = %u\nhold-us = %u\nstall = %u\n",
			       f->timeout, f->distance, f->hold_us, f->stall);
	g_string_append_printf(s, "prefetch = %s\nmigratory = %s\nstart = %s\n",
			       f->prefetch ? "on" : "off", f->migratory ? "on" : "off", f->start);
	if (f->has_guest)
		guest_text(s, f, parts);
	for (i = 0; i < f->nodes->len; i++)
		node_text(s, file_node(f, i), f->has_cells ? NULL : file_cell(f, i), parts);
	for (i = 0; f->has_cells && i < f->cells->len; i++) {
		g_string_append_printf(s, "\n[cell %s]\nnode = %s\n", file_cell(f, i)->name,
				       file_node(f, file_cell(f, i)->node)->name);
		cell_text(s, file_cell(f, i));
	}
	return g_string_free(s, FALSE);
}

char *file_digest(const struct file *f)
{
	char *text = file_text(f, FILE_TOOL);
	char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);

	g_free(text);
	return digest;
}
