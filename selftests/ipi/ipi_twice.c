// SPDX-License-Identifier: GPL-2.0
/* Two machines want one VM: what the first has forbidden to it stays so until it has gone. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "checks.h"
#include "node.h"
#include "tap.h"

#define FORBIDS	"kvm_set_or_clear_apicv_inhibit"

static const struct place places[] = { { 0, 0 }, { 1, 1 } };

/* How often KVM was told to forbid APICv to a VM, or to allow it again */
static unsigned int told(void)
{
	FILE *f = fopen("/sys/kernel/tracing/trace", "r");
	unsigned int n = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		n += line[0] != '#' && strstr(line, FORBIDS);
	if (f)
		fclose(f);
	return n;
}

static void second(struct guest *g)
{
	struct machine_params p = { .nodes = g->nodes };
	struct guest other = *g;
	int ret, error;

	random_uuid(p.uuid);
	other.machine[0] = machine_create(&p);
	ret = guest_attach(&other, 0, g->vm[0]);
	error = errno;
	tap_ok(ret < 0 && error == EBUSY, "a VM that is attached is not another machine's (%s)",
	       strerror(error));
	close(other.machine[0]);
}

int main(void)
{
	struct guest *g;

	tap_start(60);
	klog_open();
	close_all((int[]){ dev_open(), kvm_open() }, 2);
	if (!trace_put("set_ftrace_filter", FORBIDS "\n") ||
	    !trace_put("current_tracer", "function"))
		tap_skip_all("no function tracer");
	g = guest_create(places, 2, 2);
	guest_join(g);
	trace_put("trace", "\n");
	if (guest_attach(g, 0, g->vm[0]))
		tap_bail("attach: %s", strerror(errno));
	if (!told())
		tap_skip_all("nothing is forbidden to a VM by this kernel or for this CPU");
	tap_ok(told() == 1, "APICv is forbidden to a VM that is attached");
	second(g);
	tap_ok(told() == 1, "and stays so");
	guest_leave(g, 0);
	tap_ok(told() == 2, "until the machine has gone");
	trace_put("current_tracer", "nop");
	trace_put("set_ftrace_filter", "\n");
	guest_destroy(g);
	tap_ok(klog_clean(), "the kernel has not complained");
	return tap_end();
}
