// SPDX-License-Identifier: GPL-2.0
/* The one place where dvmm.ko's tracepoints are made. */
#define CREATE_TRACE_POINTS
#include "trace.h"
