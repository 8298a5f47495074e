// SPDX-License-Identifier: GPL-2.0
/*
 * A program that is in the group of the dvmmds without being one.
 *
 * stray TEXT...: joins, says that and leaves; with "big" for 600 KB of the letter x
 * stray --again TEXT: says it to all who come, until it is killed
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <corosync/cpg.h>

static void on_deliver(cpg_handle_t handle, const struct cpg_name *group, uint32_t node,
		       uint32_t pid, void *data, size_t len)
{
	unsigned int *heard;

	(void)group;
	(void)node;
	(void)data;
	(void)len;
	cpg_context_get(handle, (void **)&heard);
	*heard += pid == (uint32_t)getpid();
}

static void say(cpg_handle_t handle, const char *text)
{
	static char big[600000];
	struct iovec io = { (void *)text, strlen(text) };

	if (!strcmp(text, "big")) {
		memset(big, 'x', sizeof(big));
		io = (struct iovec){ big, sizeof(big) };
	}
	while (cpg_mcast_joined(handle, CPG_TYPE_AGREED, &io, 1) == CS_ERR_TRY_AGAIN)
		usleep(1000);
}

static const char *again;

static void on_members(cpg_handle_t handle, const struct cpg_name *group,
		       const struct cpg_address *members, size_t n, const struct cpg_address *left,
		       size_t n_left, const struct cpg_address *joined, size_t n_joined)
{
	(void)group;
	(void)members;
	(void)n;
	(void)left;
	(void)n_left;
	(void)joined;
	if (again && n_joined)
		say(handle, again);
}

int main(int argc, char **argv)
{
	struct cpg_name group = { .length = 4, .value = "dvmm" };
	cpg_model_v1_data_t model = { .model = CPG_MODEL_V1, .cpg_deliver_fn = on_deliver,
				      .cpg_confchg_fn = on_members };
	unsigned int heard = 0;
	cpg_handle_t handle;
	cs_error_t error;
	int i;

	error = cpg_model_initialize(&handle, CPG_MODEL_V1, (cpg_model_data_t *)&model, &heard);
	while (error == CS_OK && (error = cpg_join(handle, &group)) == CS_ERR_TRY_AGAIN)
		error = usleep(1000) ? CS_ERR_INTERRUPT : CS_OK;
	if (error != CS_OK) {
		fprintf(stderr, "stray: not in the group: %d\n", error);
		return 1;
	}
	if (argc == 3 && !strcmp(argv[1], "--again")) {
		again = argv[2];
		return cpg_dispatch(handle, CS_DISPATCH_BLOCKING) != CS_OK;
	}
	for (i = 1; i < argc; i++)
		say(handle, argv[i]);
	while (heard < (unsigned int)argc - 1)
		if (cpg_dispatch(handle, CS_DISPATCH_ONE) != CS_OK) {
			fprintf(stderr, "stray: %u heard\n", heard);
			return 1;
		}
	cpg_leave(handle, &group);
	cpg_finalize(handle);
	return 0;
}
