// SPDX-License-Identifier: GPL-2.0
/* dvmm doctor: whether this host can run a node, check by check. */
#include <cpuid.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "guest.h"
#include "json.h"
#include "remote.h"

enum grade { PASS, WARN, FAIL, GRADES };

static const char *const grades[] = { "PASS", "WARN", "FAIL" };

struct doctor {
	struct json_object *checks;
};

/* One check: what was found, and what to do about it unless it passed. */
G_GNUC_PRINTF(5, 6)
static struct json_object *verdict(struct doctor *d, const char *check, enum grade grade,
				   const char *remedy, const char *format, ...)
{
	struct json_object *o = json_object_new_object();
	va_list args;
	char *found;

	va_start(args, format);
	found = g_strdup_vprintf(format, args);
	va_end(args);
	json_text(o, "check", check);
	json_text(o, "result", grades[grade]);
	json_text(o, "found", found);
	if (grade != PASS)
		json_text(o, "remedy", remedy);
	json_object_array_add(d->checks, o);
	g_free(found);
	return o;
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

/* the words behind a line of /proc/cpuinfo; to be freed */
static char *cpu_line(const char *key)
{
	char *s = content("/proc/cpuinfo"), *at = strstr(s, key), *value = NULL;

	if (at)
		at = strchr(at, ':');
	if (at)
		value = g_strndup(at + 1, strcspn(at, "\n") - 1);
	g_free(s);
	return g_strstrip(value ? value : g_strdup("unknown"));
}

/* What hosts are compared by goes along. */
static void check_sameness(struct doctor *d)
{
	char *model = cpu_line("model name"), *flags = cpu_line("flags");
	struct json_object *o = verdict(d, "cpu", PASS, "", "%s", model);

	json_text(o, "features", flags);
	verdict(d, "version", PASS, "", "dvmm %s", DVMM_RELEASE);
	g_free(model);
	g_free(flags);
}

/* The QEMU that dvmm run would use: whether there is one, and whether it knows dvmm. */
static void check_qemu(struct doctor *d)
{
	const char *program = guest_program();
	char *argv[] = { (char *)program, "-object", "memory-backend-dvmm,help", NULL };
	int status = 1;
	bool there = g_spawn_sync(NULL, argv, NULL,
				  G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL |
				  G_SPAWN_STDERR_TO_DEV_NULL,
				  NULL, NULL, NULL, NULL, &status, NULL);

	verdict(d, "qemu", there && !status ? PASS : FAIL,
		"install qemu-system-dvmm, or set DVMM_QEMU", "%s%s", program,
		!there ? " is not there" : status ? " does not know dvmm" : "");
}

static void check_cpu(struct doctor *d)
{
	unsigned int a, b, c, x = 0;
	bool invariant = __get_cpuid(0x80000007, &a, &b, &c, &x) && x & (1u << 8);

	verdict(d, "tsc", invariant ? PASS : FAIL, "use a CPU whose clock does not change its rate",
		invariant ? "the TSC is invariant" : "the TSC is not invariant");
}

/* As dkms.conf has it. */
static bool made_for(const char *release)
{
	return g_str_has_prefix(release, "6.1.") || g_str_has_prefix(release, "6.12.") ||
	       g_str_has_prefix(release, "7.3.");
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
		verdict(d, "kernel", made_for(u.release) ? PASS : FAIL,
			"boot Linux 6.1, 6.12 or 7.3", "Linux %s", u.release);
	g_free(rt);
}

static bool is_on(const char *parameter)
{
	char *text = content(parameter);
	bool on = is_true(text);

	g_free(text);
	return on;
}

/* From 7 on no module may forbid KVM anything. */
static bool kvm_obeys(void)
{
	struct utsname u;

	uname(&u);
	return atoi(u.release) < 7;
}

/* What the CPU would deliver past dvmm; true if there is something to say. */
static bool check_apicv(struct doctor *d)
{
	if (is_on("/sys/module/kvm_amd/parameters/avic") && !kvm_obeys())
		verdict(d, "kvm", FAIL, "load kvm_amd with avic=0",
			"AMD's AVIC would deliver interrupts past dvmm");
	else if (!is_on("/sys/module/kvm_intel/parameters/enable_ipiv"))
		return false;
	else if (kvm_obeys())
		verdict(d, "kvm", WARN, "load kvm_intel with enable_ipiv=0",
			"guests do without APICv, as IPI virtualisation would deliver past dvmm");
	else
		verdict(d, "kvm", FAIL, "load kvm_intel with enable_ipiv=0",
			"Intel's IPI virtualisation would deliver interrupts past dvmm");
	return true;
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
	else if (!check_apicv(d))
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

static struct json_object *examine(void)
{
	struct doctor d = { .checks = json_object_new_array() };

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
	check_qemu(&d);
	check_sameness(&d);
	return d.checks;
}

/* ---- other hosts ---- */

/* What "dvmm doctor" says there; a host that cannot be asked has failed the first check. */
static struct json_object *ask(const struct options *o, const char *host)
{
	static const char *const words[] = { "doctor", "--json", NULL };
	struct doctor d = { .checks = NULL };
	char *text = NULL;

	if (place_host_is_this(host))
		return examine();
	remote_run(host, remote_host(o, host, words), NULL, &text);
	d.checks = text ? json_tokener_parse(text) : NULL;
	if (!json_object_is_type(d.checks, json_type_array)) {
		json_object_put(d.checks);
		d.checks = json_object_new_array();
		verdict(&d, "reach", FAIL, "let ssh get there, and install dvmm",
			"no answer from dvmm doctor there");
	}
	g_free(text);
	return d.checks;
}

/* "" if there is none */
static const char *fact(struct json_object *checks, const char *check, const char *key)
{
	struct json_object *name, *value;
	size_t i;

	for (i = 0; i < json_object_array_length(checks); i++) {
		struct json_object *o = json_object_array_get_idx(checks, i);

		if (json_object_object_get_ex(o, "check", &name) &&
		    !strcmp(json_object_get_string(name), check) &&
		    json_object_object_get_ex(o, key, &value))
			return json_object_get_string(value);
	}
	return "";
}

/* words of @a that @b has not; to be freed */
static char *only(const char *a, const char *b)
{
	char **all = g_strsplit(a, " ", -1), **others = g_strsplit(b, " ", -1);
	GString *s = g_string_new(NULL);
	unsigned int i;

	for (i = 0; all[i]; i++)
		if (*all[i] && !g_strv_contains((const char *const *)others, all[i]))
			g_string_append_printf(s, "%s%s", s->len ? " " : "", all[i]);
	g_strfreev(all);
	g_strfreev(others);
	return g_string_free(s, FALSE);
}

/* A vCPU must not see another CPU where it runs next to one of the first host. */
static void compare(struct json_object *first, struct json_object *checks, const char *name)
{
	const char *a = fact(first, "cpu", "features"), *b = fact(checks, "cpu", "features");
	const char *va = fact(first, "version", "found"), *vb = fact(checks, "version", "found");
	char *more = only(a, b), *less = only(b, a);
	struct doctor d = { .checks = checks };

	if (!*a || !*b)
		goto out;
	if (*more || *less)
		verdict(&d, "same cpu", FAIL, "[guest] cpu = a model that all hosts have",
			"only %s: %s; only here: %s", name, *more ? more : "-", *less ? less : "-");
	else
		verdict(&d, "same cpu", PASS, "", "the features of %s", name);
	verdict(&d, "same dvmm", strcmp(va, vb) ? FAIL : PASS, "install the same on all hosts",
		"%s, and %s on %s", vb, va, name);
out:
	g_free(more);
	g_free(less);
}

/* ---- what is shown ---- */

static void print_check(struct json_object *o, const char *host, unsigned int *count)
{
	static const char *const keys[] = { "check", "result", "found", "remedy" };
	const char *text[G_N_ELEMENTS(keys)];
	struct json_object *value = NULL;
	unsigned int i;

	for (i = 0; i < G_N_ELEMENTS(keys); i++)
		text[i] = json_object_object_get_ex(o, keys[i], &value) ?
			  json_object_get_string(value) : "";
	for (i = 0; i < GRADES; i++)
		count[i] += !strcmp(text[1], grades[i]);
	if (host)
		printf("%-10s ", host);
	printf("%-9s %-4s %s%s%s\n", text[0], text[1], text[2], *text[3] ? ": " : "", text[3]);
}

static void print_checks(struct json_object *checks, const char *host, unsigned int *count)
{
	size_t i;

	for (i = 0; i < json_object_array_length(checks); i++)
		print_check(json_object_array_get_idx(checks, i), host, count);
}

static unsigned int failures(struct json_object *checks)
{
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < json_object_array_length(checks); i++) {
		struct json_object *o = json_object_array_get_idx(checks, i), *result;

		json_object_object_get_ex(o, "result", &result);
		n += !strcmp(json_object_get_string(result), grades[FAIL]);
	}
	return n;
}

/* One host: its list; several: an object with a list for each. */
int verb_doctor(const struct options *o, int argc, char **argv)
{
	struct json_object *all = json_object_new_object(), *checks, *first = NULL;
	unsigned int count[GRADES] = {}, failed = 0;
	int i;

	for (i = 1; i == 1 || i < argc; i++) {
		const char *host = i < argc ? argv[i] : NULL;

		checks = host ? ask(o, host) : examine();
		if (first)
			compare(first, checks, argv[1]);
		else
			first = json_object_get(checks);	/* a host may be named twice */
		failed += failures(checks);
		if (!o->json)
			print_checks(checks, host, count);
		json_object_object_add(all, host ? host : "", checks);
	}
	if (o->json)
		puts(json_object_to_json_string_ext(argc > 1 ? all : first,
						    JSON_C_TO_STRING_PLAIN));
	else
		printf("%u passed, %u warnings, %u failed\n", count[PASS], count[WARN],
		       count[FAIL]);
	json_object_put(first);
	json_object_put(all);
	return failed ? EXIT_FAILED : 0;
}
