// SPDX-License-Identifier: GPL-2.0
/* What is wrong, and what to do about it. */
#include <stdio.h>

#include "verbs.h"

int verb_fail(int status, const char *what, const char *remedy)
{
	fprintf(stderr, "dvmm: %s: %s\n", what, remedy);
	return status;
}
