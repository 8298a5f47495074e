// SPDX-License-Identifier: GPL-2.0
/*
 * Keeps the tables in Documentation/ equal to those of the code.
 *
 * tables		test: is every table in the committed text current?
 * tables --write	rewrite them; "make docs"
 *
 * A table stands between "..  table: NAME" and "..  end of table".
 */
#include <stdlib.h>
#include <string.h>
#include "engine.h"
#include "table.h"
#include "tap.h"
#include "wire.h"

static const char * const perms[] = { "none", "READ", "WRITE" };
static const char * const lanes[] = { "REQ", "FWD", "RSP", "CTL" };

#define RULE(f, n, m) fprintf(f, "%.*s  %.*s\n", n, rule, m, rule)
static const char rule[] =
	"================================================================================";

static void states(FILE *f, unsigned int from, unsigned int to)
{
	static const char * const meaning[] = {
#define X(name, perm, frame, stable, why) why,
		DVMM_CACHE_STATES(X)
		DVMM_HOME_STATES(X)
#undef X
	};
	unsigned int s;

	fprintf(f, "======  ==========  =====  ======  %.60s\n", rule);
	fprintf(f, "state   permission  frame  stable  meaning\n");
	fprintf(f, "======  ==========  =====  ======  %.60s\n", rule);
	for (s = from; s < to; s++)
		fprintf(f, "%-6s  %-10s  %-5s  %-6s  %s\n", dvmm_state_name((u8)s),
			perms[dvmm_state_perm((u8)s)], dvmm_state_has_frame((u8)s) ? "yes" : "no",
			dvmm_state_stable((u8)s) ? "yes" : "no", meaning[s]);
	fprintf(f, "======  ==========  =====  ======  %.60s\n", rule);
}

static void cache_states(FILE *f)
{
	states(f, 0, DVMM_ST_HOME_FIRST);
}

static void home_states(FILE *f)
{
	states(f, DVMM_ST_HOME_FIRST, DVMM_ST_COUNT);
}

static void messages(FILE *f)
{
	static const char * const meaning[] = {
#define X(name, lane, page, why) [DVMM_MSG_##name] = why,
		DVMM_MESSAGES(X)
#undef X
	};
	u8 m;

	fprintf(f, "====  =========  ====  ====  %.70s\n", rule);
	fprintf(f, "type  message    lane  page  meaning\n");
	fprintf(f, "====  =========  ====  ====  %.70s\n", rule);
	for (m = 1; m < DVMM_MSG_COUNT; m++)
		fprintf(f, "%-4u  %-9s  %-4s  %-4s  %s\n", m, dvmm_event_name(m),
			lanes[dvmm_msg_lane(m)], dvmm_msg_may_carry_page(m) ? "may" : "no",
			meaning[m]);
	fprintf(f, "====  =========  ====  ====  %.70s\n", rule);
}

static void rehome_messages(FILE *f)
{
	static const char * const meaning[] = {
#define X(name, lane, page, why) [DVMM_MSG_##name] = why,
		DVMM_REHOME_MESSAGES(X)
#undef X
	};
	u8 m;

	fprintf(f, "====  ========  ====  ====  %.50s\n", rule);
	fprintf(f, "type  message   lane  page  meaning\n");
	fprintf(f, "====  ========  ====  ====  %.50s\n", rule);
	for (m = DVMM_MSG_REHOME + 1; m < DVMM_MSG_REHOME_END; m++)
		fprintf(f, "%-4u  %-8s  %-4s  %-4s  %s\n", m, dvmm_event_name(m),
			lanes[dvmm_msg_lane(m)], dvmm_msg_may_carry_page(m) ? "may" : "no",
			meaning[m]);
	fprintf(f, "====  ========  ====  ====  %.50s\n", rule);
}

static void handlers(FILE *f)
{
	static const char * const what[] = {
#define X(name, why) why,
		DVMM_HANDLERS(X)
#undef X
	};
	int h;

	RULE(f, 14, 70);
	fprintf(f, "handler         what it does\n");
	RULE(f, 14, 70);
	for (h = 0; h < DVMM_DO_COUNT; h++)
		fprintf(f, "%-14s  %s\n", dvmm_handler_name(h), what[h]);
	RULE(f, 14, 70);
}

/* One list a state: impossible events are left out, and TIMER is alike everywhere. */
static void rows(FILE *f, u8 from, u8 to)
{
	u8 s, ev;

	for (s = from; s < to; s++) {
		const char *sep = "";

		fprintf(f, "%s\n   ", dvmm_state_name(s));
		for (ev = 1; ev < DVMM_EV_COUNT; ev++) {
			enum dvmm_handler h = dvmm_table_cell(s, ev);

			if (h == DVMM_DO_impossible || ev == DVMM_EV_TIMER)
				continue;
			fprintf(f, "%s%s: *%s*", sep, dvmm_event_name(ev), dvmm_handler_name(h));
			sep = ",\n   ";
		}
		fprintf(f, "\n");
	}
}

static void cache_rows(FILE *f)
{
	rows(f, 0, DVMM_ST_HOME_FIRST);
}

static void home_rows(FILE *f)
{
	rows(f, DVMM_ST_HOME_FIRST, DVMM_ST_COUNT);
}

static void member_messages(FILE *f)
{
	static const struct {
		const char *name, *lane, *why;
	} all[] = {
#define X(name, lane, why) { #name, #lane, why },
		DVMM_MEMBER_MESSAGES(X)
#undef X
	};
	size_t i;

	fprintf(f, "====  ========  ====  %.70s\n", rule);
	fprintf(f, "type  message   lane  meaning\n");
	fprintf(f, "====  ========  ====  %.70s\n", rule);
	for (i = 0; i < sizeof(all) / sizeof(*all); i++)
		fprintf(f, "%4zu  %-8s  %-4s  %s\n", i + 1, all[i].name, all[i].lane, all[i].why);
	fprintf(f, "====  ========  ====  %.70s\n", rule);
}

static void fields(FILE *f)
{
#define FIELD(member, what) fprintf(f, "%6zu  %4zu  %-9s  %s\n",			\
		offsetof(struct dvmm_wire_hdr, member),				\
		sizeof(((struct dvmm_wire_hdr *)0)->member), #member, what)
	fprintf(f, "======  ====  =========  %.70s\n", rule);
	fprintf(f, "offset  size  field      meaning\n");
	fprintf(f, "======  ====  =========  %.70s\n", rule);
	FIELD(magic, "0xd5");
	FIELD(kind, "1 coherence, 2 channel, 3 link, 4 batch, 5 member");
	FIELD(type, "coherence: the message's type; link: 1 HELLO, 2 PING, 3 PONG, 4 BYE");
	FIELD(flags, "1 PAGE, 2 ZERO, 4 EXCL, 8 SHARED; a channel's own");
	FIELD(src, "sender; must be the node at the other end of the link");
	FIELD(index, "region, or channel; of a batch, and of GONE, its lane");
	FIELD(requester, "node on whose behalf the message travels");
	FIELD(acks, "DATA: INV_ACKs that the requester must collect");
	FIELD(length, "bytes of payload that follow, at most 4096");
	FIELD(page, "page number within the region");
	FIELD(epoch, "of the machine; frames of another epoch are discarded and counted");
	FIELD(number, "of the frame on its lane in this direction, from 0; it wraps");
	FIELD(id, "the requester's transaction");
	fprintf(f, "======  ====  =========  %.70s\n", rule);
#undef FIELD
}

static const struct {
	const char *name;
	void (*print)(FILE *f);
} tables[] = {
	{ "cache states", cache_states }, { "home states", home_states },
	{ "messages", messages }, { "rehome messages", rehome_messages },
	{ "handlers", handlers },
	{ "cache rows", cache_rows }, { "home rows", home_rows }, { "header", fields },
	{ "member messages", member_messages },
};

static void print_table(const char *name, FILE *out, bool *known)
{
	unsigned int i;

	*known = false;
	for (i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		if (!strcmp(tables[i].name, name)) {
			fputc('\n', out);
			tables[i].print(out);
			fputc('\n', out);
			*known = true;
		}
}

/* The text of @path with its tables as they should be; NULL if it has faults. */
static char *renew(const char *path, char **was)
{
	static const char begin[] = "..  table: ", end[] = "..  end of table";
	char *now = NULL, line[512];
	size_t now_size, was_size;
	FILE *in = fopen(path, "r"), *out, *old;
	bool skip = false, fine = true, known;

	if (!in)
		return NULL;
	out = open_memstream(&now, &now_size);
	old = open_memstream(was, &was_size);
	while (fgets(line, sizeof(line), in)) {
		fputs(line, old);
		if (!strncmp(line, end, strlen(end)))
			skip = false;
		if (!skip)
			fputs(line, out);
		if (strncmp(line, begin, strlen(begin)))
			continue;
		line[strcspn(line, "\n")] = 0;
		print_table(line + strlen(begin), out, &known);
		fine = fine && known;
		skip = true;
	}
	fclose(in);
	fclose(out);
	fclose(old);
	if (fine && !skip)
		return now;
	free(now);
	return NULL;
}

static bool current(const char *path, bool write)
{
	char *was = NULL, *now = renew(path, &was);
	bool same = now && !strcmp(was, now);
	FILE *f;

	if (now && write && !same) {
		f = fopen(path, "w");
		if (f && fputs(now, f) >= 0 && !fclose(f))
			same = true;
	}
	free(was);
	free(now);
	return same;
}

int main(int argc, char **argv)
{
	static const char * const files[] = {
		"../../Documentation/protocol.rst", "../../Documentation/wire.rst",
	};
	bool write = argc > 1 && !strcmp(argv[1], "--write");
	unsigned int i;

	for (i = 0; i < 2; i++)
		tap(current(files[i], write), "tables in %s are those of the code", files[i] + 6);
	return tap_done();
}
