// SPDX-License-Identifier: GPL-2.0
/* dvmm load: a machine that waits for its state gets it; what dvmm up runs on the boot host. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint.h"
#include "json.h"
#include "manifest.h"
#include "parts.h"
#include "qmp.h"

#define ANSWER_SECONDS	60
#define LOOK_US		100000
#define WHY_LOOKS	50

/* 0: it is there; -1: not yet */
static int load_look(const struct place *p)
{
	struct json_object *answer;
	int ret = qmp_call(p, "query-status", NULL, &answer, ANSWER_SECONDS);

	if (!ret && !strcmp(json_text_of(answer, "status"), "inmigrate"))
		ret = -1;
	json_object_put(answer);
	return ret;
}

/* QEMU ends where its state cannot be loaded; what it said then is known when it has. */
static int load_why(const struct place *p)
{
	char *ended = NULL;
	int i;

	for (i = 0; i < WHY_LOOKS && !ended; i++) {
		usleep(LOOK_US);
		ended = place_read(p, "ended");
	}
	verb_fail(0, "the state was not loaded", ended ?: "see the log of the boot node");
	g_free(ended);
	return EXIT_FAILED;
}

static int load_state(const struct place *p, const char *dir)
{
	struct json_object *arguments = json_object_new_object(), *answer;
	char *uri = g_strdup_printf("file:%s/%s", dir, CHECKPOINT_STATE);
	int ret = qmp_set_capability(p, QMP_WITHOUT_REGIONS, true);

	json_text(arguments, "uri", uri);
	if (!ret) {
		ret = qmp_call(p, "migrate-incoming", arguments, &answer, ANSWER_SECONDS);
		json_object_put(answer);
	}
	json_object_put(arguments);
	g_free(uri);
	while (!ret && (ret = load_look(p)) == -1) {
		usleep(LOOK_US);
		ret = 0;
	}
	return ret ? load_why(p) : 0;
}

int verb_load(const struct options *o, int argc, char **argv)
{
	struct file *f = machine_file(o, argv[1]);
	char *dir = g_canonicalize_filename(argv[2], NULL);
	struct place p;
	int ret = 0;

	(void)argc;
	if (!f)
		return EXIT_FILE;
	place_make(&p, o, f, 0);
	if (manifest_in_parts(dir))
		ret = parts_load(o, f, dir) ? load_state(&p, dir) : EXIT_FAILED;
	place_free(&p);
	g_free(dir);
	file_free(f);
	return ret;
}
