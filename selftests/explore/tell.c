// SPDX-License-Identifier: GPL-2.0
/* Telling what happens, in the words of scenario files. */
#include "world.h"

static void tell_flags(FILE *f, const struct dvmm_msg *m)
{
	fprintf(f, "%s%s%s", m->flags & DVMM_MSGF_ZERO ? " ZERO" : "",
		m->flags & DVMM_MSGF_EXCL ? " EXCL" : "",
		m->flags & DVMM_MSGF_SHARED ? " SHARED" : "");
	if (m->acks)
		fprintf(f, " acks=%u", m->acks);
}

static void tell_set(struct world *w, const struct dvmm_action *a)
{
	unsigned int nodes = w_told(w, a);
	int dst;

	fputs("\tset", w->log);
	for (dst = dvmm_set_next(a->set, nodes, -1); dst >= 0;
	     dst = dvmm_set_next(a->set, nodes, dst))
		if (dst != a->msg.src && dst != a->skip)
			fprintf(w->log, " %d", dst);
	fprintf(w->log, " %s\n", dvmm_event_name(a->msg.type));
}

void w_tell(struct world *w, const struct dvmm_action *a)
{
	static const char * const perms[] = { "NONE", "READ", "WRITE" };
	static const char * const plain[] = { [DVMM_ACT_WAKE] = "wake", "defer", "timer" };

	switch (a->type) {
	case DVMM_ACT_SEND:
	case DVMM_ACT_SEND_PAGE:
		fprintf(w->log, "\t%s %u %s", a->type == DVMM_ACT_SEND ? "send" : "page",
			a->dst, dvmm_event_name(a->msg.type));
		tell_flags(w->log, &a->msg);
		fputc('\n', w->log);
		break;
	case DVMM_ACT_SEND_SET:
		tell_set(w, a);
		break;
	case DVMM_ACT_SET_PERM:
		fprintf(w->log, "\tperm %s\n", perms[a->perm]);
		break;
	case DVMM_ACT_FILL:
		fprintf(w->log, "\tfill%s\n", a->zero ? " zero" : "");
		break;
	case DVMM_ACT_WAKE:
	case DVMM_ACT_DEFER:
	case DVMM_ACT_TIMER:
		fprintf(w->log, "\t%s\n", plain[a->type]);
		break;
	default:
		fprintf(w->log, "\t%s %s\n", a->type == DVMM_ACT_FENCE ? "fence" : "fail", a->why);
	}
}

void w_print_move(const struct world *w, const struct w_move *m, FILE *f)
{
	static const char * const kinds[] = {
		"LOAD", "STORE", "WRITE", "EVICT", "TOUCH", "COPY", "TIMER",
		[W_CUT] = "CUT", "REHOME", "GIVE", "BEGIN", "MAKE", "FETCH", "LOOK",
	};

	if (m->kind == W_CUT || m->kind == W_REHOME)
		fprintf(f, "%u %s %u", m->node, kinds[m->kind], m->src);
	else if (m->kind == W_DELIVER)
		fprintf(f, "%u>%u %s", m->src, m->node,
			dvmm_event_name(w->q[m->src][m->node][m->lane].e[0].ev.type));
	else
		fprintf(f, "%u %s", m->node, kinds[m->kind]);
	if (w->cfg->pages > 1 && (m->kind < W_DELIVER || m->kind >= W_FETCH))
		fprintf(f, " page %u", m->page);
	fprintf(f, "%s%s\n", m->late ? " late" : "", m->unable ? " unable" : "");
}
