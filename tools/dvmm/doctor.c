// SPDX-License-Identifier: GPL-2.0
/* dvmm doctor: whether this host can run a node, check by check. */
#include <cpuid.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <glib.h>
#include <json-c/json.h>

#include "verbs.h"

enum grade { PASS, WARN, FAIL, GRADES };

static const char *const grades[] = { "PASS", "WARN", "FAIL" };

struct doctor {
	struct json_object *checks;	/* NULL: text */
	unsigned int count[GRADES];
};

/* One check: what was found, and what to do about it unless it passed. */
G_GNUC_PRINTF(5, 6)
static void verdict(struct doctor *d, const char *check, enum grade grade, const char *remedy,
		    const char *format, ...)
{
	struct json_object *o;
	va_list args;
	char *found;

	va_start(args, format);
	found = g_strdup_vprintf(format, args);
	va_end(args);
	d->count[grade]++;
	if (d->checks) {
		o = json_object_new_object();
		json_object_object_add(o, "check", json_object_new_string(check));
		json_object_object_add(o, "result", json_object_new_string(grades[grade]));
		json_object_object_add(o, "found", json_object_new_string(found));
		if (grade != PASS)
			json_object_object_add(o, "remedy", json_object_new_string(remedy));
		json_object_array_add(d->checks, o);
	} else {
		printf("%-8s %-4s %s%s%s\n", check, grades[grade], found,
		       grade == PASS ? "" : ": ", grade == PASS ? "" : remedy);
	}
	g_free(found);
}

/* the content of a small file without its end of line; "" if there is none */
static char *content(const char *path)
{
	char *s = NULL;

	return g_file_get_contents(path, &s, NULL, NULL) ? g_strchomp(s) : g_strdup("");
}

static bool on_amd(void)
{
	return !access("/sys/module/kvm_amd", F_OK);
}

static bool is_true(const char *s)
{
	return *s == 'Y' || *s == '1';
}

static void check_cpu(struct doctor *d)
{
	unsigned int a, b, c, x = 0;
	bool invariant = __get_cpuid(0x80000007, &a, &b, &c, &x) && x & (1u << 8);

	verdict(d, "tsc", invariant ? PASS : FAIL, "use a CPU whose clock does not change its rate",
		invariant ? "the TSC is invariant" : "the TSC is not invariant");
}

static void check_kernel(struct doctor *d)
{
	struct utsname u;
	char *rt = content("/sys/kernel/realtime");

	uname(&u);
	if (is_true(rt))
		verdict(d, "kernel", FAIL, "boot the kernel without rt", "%s is PREEMPT_RT",
			u.release);
	else
		verdict(d, "kernel", strncmp(u.release, "6.12.", 5) ? FAIL : PASS,
			"boot Linux 6.12", "Linux %s", u.release);
	g_free(rt);
}

static void check_kvm(struct doctor *d)
{
	bool amd = on_amd(), there = amd || !access("/sys/module/kvm_intel", F_OK);
	char *nested = content(amd ? "/sys/module/kvm_amd/parameters/npt" :
			       "/sys/module/kvm_intel/parameters/ept");
	char *tdp = content("/sys/module/kvm/parameters/tdp_mmu");

	if (!there)
		verdict(d, "kvm", FAIL,
			"switch it on in the firmware, then modprobe kvm_amd or kvm_intel",
			"KVM is not loaded");
	else if (!is_true(nested) || !is_true(tdp))
		verdict(d, "kvm", FAIL, "load kvm with tdp_mmu=1, kvm_amd npt=1, kvm_intel ept=1",
			"there is no nested paging by the TDP MMU");
	else
		verdict(d, "kvm", PASS, "", "kvm_%s, nested paging", amd ? "amd" : "intel");
	g_free(nested);
	g_free(tdp);
}

/* The CPU that walks a guest's page tables must not write there. */
static void check_walk(struct doctor *d)
{
	char *eptad = content("/sys/module/kvm_intel/parameters/eptad");
	unsigned int a, b, c, x = 0;
	bool amd = on_amd(), right;

	if (amd)
		right = __get_cpuid(0x8000000a, &a, &b, &c, &x) && x & (1u << 21);
	else
		right = *eptad && !is_true(eptad);
	verdict(d, "walk", right ? PASS : WARN,
		amd ? "nodes will contend for page tables; newer CPUs have it" :
		"options kvm_intel eptad=0 in /etc/modprobe.d, then load it again",
		right ? "guest page tables are only read" :
		amd ? "the CPU has no read-only guest page tables (8000_000A EDX bit 21)" :
		"kvm_intel eptad is not 0");
	g_free(eptad);
}

static void check_module(struct doctor *d)
{
	bool loaded = !access("/sys/module/dvmm", F_OK);

	verdict(d, "module", loaded ? PASS : FAIL, "modprobe dvmm",
		loaded ? "dvmm is loaded" : "dvmm is not loaded");
}

static void check_device(struct doctor *d, const char *path)
{
	bool usable = !access(path, R_OK | W_OK);
	int error = errno;

	verdict(d, "access", usable ? PASS : FAIL,
		error == EACCES ? "join the group kvm, or run as root" : "load the module",
		"%s%s%s", path, usable ? "" : ": ", usable ? "" : g_strerror(error));
}

static void check_memory(struct doctor *d)
{
	char *s = content("/proc/meminfo"), *at = strstr(s, "MemAvailable:");
	guint64 mib = at ? g_ascii_strtoull(at + strlen("MemAvailable:"), NULL, 10) / 1024 : 0;

	verdict(d, "memory", mib >= 1024 ? PASS : WARN, "free some, or give the node less",
		"%" G_GUINT64_FORMAT " MiB are available", mib);
	g_free(s);
}

static void check_numa(struct doctor *d)
{
	char *s = content("/proc/sys/kernel/numa_balancing");

	verdict(d, "numa", *s == '1' ? WARN : PASS, "sysctl kernel.numa_balancing=0",
		"kernel.numa_balancing = %s", *s ? s : "not there");
	g_free(s);
}

static void check_thp(struct doctor *d)
{
	char *s = content("/sys/kernel/mm/transparent_hugepage/enabled");

	verdict(d, "thp", PASS, "", "transparent huge pages %s: guest memory does not use them",
		*s ? s : "not there");
	g_free(s);
}

int verb_doctor(const struct options *o, int argc, char **argv)
{
	struct doctor d = { .checks = o->json ? json_object_new_array() : NULL };

	(void)argc;
	(void)argv;
	check_kernel(&d);
	check_module(&d);
	check_kvm(&d);
	check_walk(&d);
	check_cpu(&d);
	check_memory(&d);
	check_numa(&d);
	check_thp(&d);
	check_device(&d, "/dev/kvm");
	check_device(&d, "/dev/dvmm");
	if (d.checks) {
		puts(json_object_to_json_string_ext(d.checks, JSON_C_TO_STRING_PLAIN));
		json_object_put(d.checks);
	} else {
		printf("%u passed, %u warnings, %u failed\n", d.count[PASS], d.count[WARN],
		       d.count[FAIL]);
	}
	return d.count[FAIL] ? EXIT_FAILED : 0;
}
