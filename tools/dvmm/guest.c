// SPDX-License-Identifier: GPL-2.0
/* [guest] of a machine file, and the command line that comes of it. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint.h"
#include "export.h"
#include "guest.h"

const char *const guest_keys[GUEST_KEYS + 1] = {
	[GUEST_MACHINE] = "machine",
	[GUEST_CPU] = "cpu",
	[GUEST_SMP] = "smp",
	[GUEST_FIRMWARE] = "firmware",
	[GUEST_DISK] = "disk",
	[GUEST_DISK2] = "disk2",
	[GUEST_DISK3] = "disk3",
	[GUEST_DISK4] = "disk4",
	[GUEST_CDROM] = "cdrom",
	[GUEST_NET] = "net",
	[GUEST_MAC] = "mac",
	[GUEST_CONSOLE] = "console",
	[GUEST_KERNEL] = "kernel",
	[GUEST_INITRD] = "initrd",
	[GUEST_APPEND] = "append",
	[GUEST_SHARE] = "share",
	[GUEST_ARGS] = "args",
};

/* ---- what may be written there ---- */

static bool has_more(const char *value, const char *prefix)
{
	return g_str_has_prefix(value, prefix) && value[strlen(prefix)];
}

static bool are_words(const char *value)
{
	char **words = NULL;
	bool ok = g_shell_parse_argv(value, NULL, &words, NULL);

	g_strfreev(words);
	return ok;
}

/* Of one card: the first byte of an address that is meant for many is odd. */
static bool guest_is_mac(const char *value)
{
	return g_regex_match_simple("^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$", value,
				    G_REGEX_CASELESS, 0);
}

/* How vCPUs are arranged; how many there are is said by nodes or cells. */
static bool guest_is_topology(const char *value)
{
	return g_regex_match_simple("^((sockets|dies|modules|cores|threads)=[1-9][0-9]*"
				    "(,(?=.)|$))+$", value, 0, 0);
}

bool guest_is_path(const char *key)
{
	static const char *const paths[] = {
		"disk", "disk2", "disk3", "disk4", "cdrom", "kernel", "initrd", NULL
	};

	return g_strv_contains(paths, key);
}

const char *guest_wrong(enum guest_key key, const char *value)
{
	switch (key) {
	case GUEST_SMP:
		return guest_is_topology(value) ? NULL : "write sockets=N,cores=N,threads=N";
	case GUEST_FIRMWARE:
		return strcmp(value, "bios") && strcmp(value, "uefi") ? "write bios or uefi" : NULL;
	case GUEST_NET:
		return strcmp(value, "none") && strcmp(value, "user") &&
		       !has_more(value, "bridge:") && !has_more(value, "tap:") ?
		       "write none, user, bridge:NAME or tap:NAME" : NULL;
	case GUEST_MAC:
		return guest_is_mac(value) ? NULL : "write a MAC address of one card: 52:54:00:...";
	case GUEST_CONSOLE:
		return strcmp(value, "serial") && !has_more(value, "vnc:") ?
		       "write serial or vnc:ADDRESS:DISPLAY" : NULL;
	case GUEST_SHARE:
		return strpbrk(value, "/,") ? "write the name of a region: see dvmm share" : NULL;
	case GUEST_ARGS:
		return are_words(value) ? NULL : "close the quote; words are as in a shell";
	case GUEST_DISK ... GUEST_DISK4:
		return *value != '/' && !strstr(value, ":/") ?
		       "write a path that begins with /, or NODE:/PATH" : NULL;
	default:
		return guest_is_path(guest_keys[key]) && *value != '/' ?
		       "write a path that begins with /" : NULL;
	}
}

/* ---- the command line ---- */

G_GNUC_PRINTF(2, 3)
static void add(GPtrArray *argv, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	g_ptr_array_add(argv, g_strdup_vprintf(format, args));
	va_end(args);
}

/* with commas doubled, as QEMU wants them in a value; to be freed */
static char *escaped(const char *text)
{
	char **parts = g_strsplit(text, ",", -1), *s = g_strjoinv(",,", parts);

	g_strfreev(parts);
	return s;
}

static void option(GPtrArray *argv, const char *name, const char *before, const char *text,
		   const char *after)
{
	char *value = escaped(text);

	add(argv, "%s", name);
	add(argv, "%s%s%s", before, value, after);
	g_free(value);
}

static const char *said(const struct file *f, enum guest_key key, const char *otherwise)
{
	return f->guest[key] ? f->guest[key] : otherwise;
}

const char *guest_image_format(const char *path)
{
	return g_str_has_suffix(path, ".qcow2") ? "qcow2" : "raw";
}

/* On another host, which may begin later than this one */
static void add_exported(GPtrArray *argv, const struct file *f, enum guest_key disk, int node)
{
	char *before = g_strdup_printf("if=none,id=disk%u,driver=nbd,export=%s,server.type=inet,"
				       "server.port=%u,open-timeout=%u%s,server.host=",
				       disk - GUEST_DISK, guest_keys[disk], export_port(f, disk),
				       f->timeout,
				       strcmp(f->security, "none") ? ",tls-creds=disk-key" : "");

	option(argv, "-drive", before, file_node(f, node)->address, "");
	g_free(before);
}

static void add_drive(GPtrArray *argv, const struct file *f, enum guest_key disk)
{
	unsigned int i = disk - GUEST_DISK;
	char *before;
	const char *path;
	int node;

	path = file_disk(f, disk, &node);
	before = g_strdup_printf("if=none,id=disk%u,format=%s,file=", i, guest_image_format(path));
	if (node)
		add_exported(argv, f, disk, node);
	else
		option(argv, "-drive", before, path, "");
	add(argv, "-device");
	add(argv, "virtio-blk-pci,drive=disk%u,bootindex=%u", i, i + 1);
	g_free(before);
}

/* What disks of other hosts are asked for with */
static void add_disk_key(GPtrArray *argv, const struct file *f, const struct place *p)
{
	char *keys = export_any(f) ? export_keys(f, p) : NULL;

	if (keys)
		option(argv, "-object", "tls-creds-psk,id=disk-key,endpoint=client,username="
		       EXPORT_USER ",dir=", keys, "");
	g_free(keys);
}

static void add_storage(GPtrArray *argv, const struct file *f, const struct place *p)
{
	unsigned int i;

	if (!strcmp(said(f, GUEST_FIRMWARE, "bios"), "uefi")) {
		option(argv, "-drive", "if=pflash,unit=0,format=raw,readonly=on,file=",
		       GUEST_UEFI_CODE, "");
		option(argv, "-drive", "if=pflash,unit=1,format=raw,file=", p->vars, "");
	}
	add_disk_key(argv, f, p);
	for (i = GUEST_DISK; i <= GUEST_DISK4; i++)
		if (f->guest[i])
			add_drive(argv, f, i);
	if (!f->guest[GUEST_CDROM])
		return;
	option(argv, "-drive", "if=none,id=cdrom,format=raw,media=cdrom,readonly=on,file=",
	       f->guest[GUEST_CDROM], "");
	add(argv, "-device");
	add(argv, "ide-cd,drive=cdrom,bootindex=%u", GUEST_DISK4 - GUEST_DISK + 2);
}

static void add_net(GPtrArray *argv, const struct file *f)
{
	const char *net = said(f, GUEST_NET, "none"), *name = strchr(net, ':');
	const char *mac = f->guest[GUEST_MAC];

	if (!strcmp(net, "none"))
		return;
	if (!name)
		option(argv, "-netdev", "", "user", ",id=net");
	else if (*net == 'b')
		option(argv, "-netdev", "tap,id=net,vhost=on,helper=" GUEST_BRIDGE ",br=",
		       name + 1, "");
	else
		option(argv, "-netdev", "tap,id=net,vhost=on,script=no,downscript=no,ifname=",
		       name + 1, "");
	add(argv, "-device");
	add(argv, "virtio-net-pci,netdev=net%s%s", mac ? ",mac=" : "", mac ? mac : "");
}

/* Of the node that is on the same host as this one */
static void add_share(GPtrArray *argv, const struct file *f, const struct place *p)
{
	char *path = place_share(p, f->guest[GUEST_SHARE]);

	option(argv, "-chardev", "socket,id=share,path=", path, "");
	add(argv, "-device");
	add(argv, "ivshmem-doorbell,chardev=share,vectors=1");
	g_free(path);
}

static void add_boot(GPtrArray *argv, const struct file *f)
{
	static const struct {
		enum guest_key key;
		const char *option;
	} options[] = {
		{ GUEST_KERNEL, "-kernel" }, { GUEST_INITRD, "-initrd" },
		{ GUEST_APPEND, "-append" },
	};
	unsigned int i;

	for (i = 0; i < G_N_ELEMENTS(options); i++) {
		if (!f->guest[options[i].key])
			continue;
		add(argv, "%s", options[i].option);
		add(argv, "%s", f->guest[options[i].key]);
	}
}

static void add_console(GPtrArray *argv, const struct file *f, const struct place *p)
{
	const char *console = said(f, GUEST_CONSOLE, "serial");
	char *path = g_strdup_printf("%s/console", p->dir);

	option(argv, "-chardev", "socket,id=console,server=on,wait=off,path=", path, "");
	add(argv, "-serial");
	add(argv, "chardev:console");
	g_free(path);
	if (*console != 'v')
		return;
	option(argv, "-vnc", "", strchr(console, ':') + 1, "");
	add(argv, "-device");
	add(argv, "VGA");
}

/* All that the nodes have in common, and who of them it is: the file says what the guest is. */
static void add_machine(GPtrArray *argv, const struct file *f, const struct place *p)
{
	char *machine = escaped(p->machine);
	char *accel = g_strdup_printf("kvm,dvmm=on,dvmm-machine=%s,dvmm-node=", machine);

	option(argv, "-name", "", f->name, ",debug-threads=on");
	option(argv, "-accel", accel, file_node(f, p->node)->name, "");
	g_free(accel);
	g_free(machine);
	add(argv, "-nodefaults");
	add(argv, "-display");
	add(argv, "none");
}

/*
 * A number that is another one whenever QEMU has started, also with a state that was saved: the
 * guest then has its random numbers from new ones.  There can be one of them.
 */
static void add_genid(GPtrArray *argv, const struct file *f)
{
	if (strstr(said(f, GUEST_ARGS, ""), "vmgenid"))
		return;
	add(argv, "-device");
	add(argv, "vmgenid,guid=auto,id=genid");
}

/* What is read by the nodes' hosts has to be there before devices are, which look at it. */
static void add_state(GPtrArray *argv, const char *from, bool waits)
{
	if (!waits) {
		add(argv, "-global");
		add(argv, "migration.mapped-ram=on");
	}
	add(argv, "-incoming");
	if (waits)
		add(argv, "defer");
	else
		add(argv, "file:%s/%s", from, CHECKPOINT_STATE);
}

/* It has one caller at a time: dvmm's verbs come and go. */
static void add_monitor(GPtrArray *argv, const struct place *p)
{
	char *path = g_strdup_printf("%s/qmp", p->dir);

	option(argv, "-qmp", "unix:", path, ",server=on,wait=off");
	g_free(path);
}

char **guest_argv(const struct file *f, const struct place *p, const char *from, bool waits)
{
	GPtrArray *argv = g_ptr_array_new();
	char **more = NULL;
	int i, n = 0;

	add(argv, "%s", guest_program());
	add_machine(argv, f, p);
	add_monitor(argv, p);
	if (!p->node) {
		add_console(argv, f, p);
		add_storage(argv, f, p);
		add_net(argv, f);
		if (f->guest[GUEST_SHARE])
			add_share(argv, f, p);
		add_boot(argv, f);
		add_genid(argv, f);
		if (from)
			add_state(argv, from, waits);
	}
	if (f->guest[GUEST_ARGS])
		g_shell_parse_argv(f->guest[GUEST_ARGS], &n, &more, NULL);
	for (i = 0; i < n; i++)
		add(argv, "%s", more[i]);
	g_strfreev(more);
	g_ptr_array_add(argv, NULL);
	return (char **)g_ptr_array_free(argv, FALSE);
}

const char *guest_program(void)
{
	static const char packaged[] = "/usr/lib/dvmm/qemu-system-x86_64";
	const char *program = getenv("DVMM_QEMU");

	return program && *program ? program : !access(packaged, X_OK) ? packaged :
	       "qemu-system-x86_64";
}
