// SPDX-License-Identifier: GPL-2.0
/* debugfs files: a line "v: 1", then "key: value" lines, or rows of such pairs. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define LINE_MAX_LEN	512

static FILE *open_part(const char *dir, const char *name, const char *part)
{
	char path[4096], line[LINE_MAX_LEN];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s/%s", dir, name, part);
	f = fopen(path, "r");
	if (!f) {
		fprintf(stderr, "dvmm: %s: %s\n", path, strerror(errno));
		return NULL;
	}
	if (fgets(line, sizeof(line), f) && !strcmp(line, "v: 1\n"))
		return f;
	fprintf(stderr, "dvmm: %s: unknown format: install the same dvmm for kernel and tools\n",
		path);
	fclose(f);
	return NULL;
}

/* ---- text ---- */

static void text_part(FILE *f, const char *part)
{
	char line[LINE_MAX_LEN];

	printf("  %s\n", part);
	while (fgets(line, sizeof(line), f))
		printf("    %s", line);
}

/* ---- JSON ---- */

static void json_string(const char *s, size_t n)
{
	putchar('"');
	for (; n; n--, s++) {
		if (*s == '"' || *s == '\\')
			putchar('\\');
		if ((unsigned char)*s < ' ')
			printf("\\u%04x", *s);
		else
			putchar(*s);
	}
	putchar('"');
}

static void json_value(const char *s, size_t n)
{
	size_t digits = 0;

	while (digits < n && isdigit((unsigned char)s[digits]))
		digits++;
	/* 007 is no number in JSON, and 2^53 the last one that every reader has. */
	if (n && digits == n && n <= 15 && (*s != '0' || n == 1))
		printf("%.*s", (int)n, s);
	else
		json_string(s, n);
}

/* "key: rest of the line" */
static void json_pair(char *line, bool first)
{
	char *colon = strchr(line, ':');
	char *value = colon + 1 + strspn(colon + 1, " ");

	if (!first)
		putchar(',');
	json_string(line, colon - line);
	putchar(':');
	json_value(value, strcspn(value, "\n"));
}

static void json_pairs(FILE *f)
{
	char line[LINE_MAX_LEN];
	bool first = true;

	putchar('{');
	while (fgets(line, sizeof(line), f)) {
		if (!strchr(line, ':'))
			continue;
		json_pair(line, first);
		first = false;
	}
	putchar('}');
}

static const char separators[] = { ' ', '\n', 0 };

/* "key: value key: value ..." */
static void json_row(char *line)
{
	char *save = NULL, *word = strtok_r(line, separators, &save);
	bool key = true, first = true;

	putchar('{');
	for (; word; word = strtok_r(NULL, separators, &save), key = !key) {
		size_t n = strlen(word);

		if (key) {
			printf("%s", first ? "" : ",");
			json_string(word, n && word[n - 1] == ':' ? n - 1 : n);
			putchar(':');
			first = false;
		} else {
			json_value(word, n);
		}
	}
	if (!key)
		printf("null");
	putchar('}');
}

static void json_rows(FILE *f)
{
	char line[LINE_MAX_LEN];
	bool first = true;

	putchar('[');
	while (fgets(line, sizeof(line), f)) {
		printf("%s", first ? "" : ",");
		json_row(line);
		first = false;
	}
	putchar(']');
}

/* ---- a machine ---- */

static const struct {
	const char *name;
	bool rows;
} parts[] = {
	{ "machine", false },
	{ "links", true },
	{ "lanes", true },
	{ "regions", true },
	{ "stats", false },
};

static void print_part(FILE *f, int i, bool json)
{
	if (!json) {
		text_part(f, parts[i].name);
		return;
	}
	printf("%s\"%s\":", i ? "," : "", parts[i].name);
	if (parts[i].rows)
		json_rows(f);
	else
		json_pairs(f);
}

int report_machine(const char *dir, const char *name, bool json, int index)
{
	size_t i;
	FILE *f;

	if (json)
		printf("%s{", index ? "," : "");
	else
		printf("%s\n", name);
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		f = open_part(dir, name, parts[i].name);
		if (!f)
			break;
		print_part(f, i, json);
		fclose(f);
	}
	if (json)
		putchar('}');
	return i < sizeof(parts) / sizeof(parts[0]);
}

void report_begin(bool json)
{
	if (json)
		printf("{\"v\":1,\"machines\":[");
}

void report_end(bool json, int count)
{
	if (json)
		printf("]}\n");
	else if (!count)
		printf("no machine on this host\n");
}
