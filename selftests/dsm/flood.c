// SPDX-License-Identifier: GPL-2.0
/*
 * Peers whose every message is in order and who try to fill the memory: they do not
 * read the answers, repeat themselves, or leave open what they began.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "peer.h"
#include "tap.h"

#define FLOOD_MIB	128
#define FRAMES		(FLOOD_MIB * 256)	/* of a page each */
#define SETTLE_US	500000	/* what arrived last is to be worked through */

static long before;

static long available_kib(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	char line[100];
	long kib = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %ld", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

/* What is sent is given up after 5 s without room for it. */
static bool begin(struct peer *p, const char *what)
{
	struct timeval bound = { .tv_sec = 5 };
	int lane;

	if (peer_open(p) || peer_join(p)) {
		peer_close(p);
		return tap_ok(false, "%s: no link", what);
	}
	for (lane = 0; lane < DVMM_LANES; lane++)
		setsockopt(p->sock[lane], SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof(bound));
	before = available_kib();
	return true;
}

static void judge(const char *what, long mib)
{
	long fell;

	if (tap_patience() > 1)		/* KASAN: 125 MiB where another kernel has 31 */
		mib *= 3;
	usleep(SETTLE_US);
	fell = (before - available_kib()) / 1024;
	tap_ok(fell < mib, "%s: memory fell by %ld MiB, less than %ld", what, fell, mib);
}

/* Which reason, if any; the machine may as well go on. */
static void ended(struct peer *p, const char *what, const char *text)
{
	struct dvmm_event_record ev = {};
	int ret = event_want(p->machine, DVMM_EVENT_STOPPED, &ev, 15000 * tap_patience());

	tap_ok(ret == 1 && strstr(ev.reason, text), "%s: stopped, \"%s\" (%s)", what, text,
	       ret == 1 ? ev.reason : "goes on");
}

/* ---- the lane of links and channels ---- */

static void send_many(struct dvmm_wire_hdr h, const char *what)
{
	static uint8_t junk[DVMM_WIRE_PAYLOAD_MAX];
	struct peer p;
	int i;

	if (!begin(&p, what))
		return;
	for (i = 0; i < FRAMES; i++)
		if (peer_send(&p, DVMM_LANE_CTL, &h, junk, sizeof(junk)))
			break;
	judge(what, FLOOD_MIB / 2);
	peer_close(&p);
}

static void unread_channels(void)
{
	static const char what[] = "datagrams for channels that are open and not read";
	struct dvmm_wire_hdr h = peer_hdr(DVMM_WIRE_CHANNEL, 0, DVMM_WIRE_PAYLOAD_MAX);
	static uint8_t junk[DVMM_WIRE_PAYLOAD_MAX];
	int channel[8], i;
	struct peer p;

	if (!begin(&p, what))
		return;
	for (i = 0; i < 8; i++)
		channel[i] = channel_create(p.machine, DVMM_CHANNEL_USER + i);
	for (i = 0; i < FRAMES; i++) {
		h.index = cpu_to_le16(DVMM_CHANNEL_USER + i % 8);
		if (peer_send(&p, DVMM_LANE_CTL, &h, junk, sizeof(junk)))
			break;
	}
	judge(what, FLOOD_MIB / 2);
	ended(&p, what, "does not read its channels");
	close_all(channel, 8);
	peer_close(&p);
}

#define QUESTIONS	10000
#define CLOCK_ASK	1
#define SMALL_BUFFER	4608

/* So that answers pile up in the lane, not in the sockets. */
static void keep_small(struct peer *p, int lane)
{
	const int size = SMALL_BUFFER;

	setsockopt(p->kept[lane], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(p->sock[lane], SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

/* An answer for which there is no room is not sent, and what comes after it is read. */
static void many_questions(void)
{
	static const char what[] = "questions about the clock whose answers nobody reads";
	struct dvmm_wire_hdr bye = peer_hdr(DVMM_WIRE_LINK, DVMM_WIRE_BYE, 6);
	struct dvmm_wire_hdr h = peer_hdr(DVMM_WIRE_CHANNEL, CLOCK_ASK, 0);
	struct peer p;
	int i;

	if (!begin(&p, what))
		return;
	keep_small(&p, DVMM_LANE_CTL);
	h.index = cpu_to_le16(DVMM_CHANNEL_CLOCK);
	for (i = 0; i < QUESTIONS; i++)
		if (peer_send(&p, DVMM_LANE_CTL, &h, NULL, 0))
			break;
	tap_ok(i == QUESTIONS, "%s: %d of %d are taken", what, i, QUESTIONS);
	judge(what, FLOOD_MIB / 2);
	peer_send(&p, DVMM_LANE_CTL, &bye, "enough", 6);
	ended(&p, what, "enough");
	peer_close(&p);
}

/* ---- a node that floods its own lane ---- */

static void write_always(int channel)
{
	static char junk[DVMM_CHANNEL_DATA_MAX];

	while (!channel_send(channel, PEER_SELF, 1, 0, junk, sizeof(junk)))
		;
	_exit(0);
}

static long queued(const struct peer *p)
{
	char buf[4096] = "", *at;

	if (node_debugfs(p->uuid, 0, "lanes", buf, sizeof(buf)))
		tap_bail("debugfs: %s", strerror(errno));
	at = strstr(buf, "lane: 3");
	at = at ? strstr(at, "queued: ") : NULL;
	return at ? atol(at + strlen("queued: ")) : -1;
}

/* What userspace sends stands in front of interrupts; it is kept short. */
static void own_datagrams(void)
{
	static const char what[] = "datagrams that a peer is slow to read";
	struct peer p;
	int channel;
	pid_t child;
	long n;

	if (!begin(&p, what))
		return;
	channel = channel_create(p.machine, DVMM_CHANNEL_USER);
	child = fork();
	if (!child)
		write_always(channel);
	usleep(2000000);	/* until the sockets are full */
	n = queued(&p);
	tap_ok(n > 0 && n <= 64, "%s: %ld of them stand in front of an interrupt", what, n);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close_all(&channel, 1);
	peer_close(&p);
}

#define LANE_MAX	1024	/* frames, then who sends waits */
#define PINGS		(2 * LANE_MAX)

/* 0, or the errno of who has not sent; -1: it still waits after @ms. */
static int sender_ends(pid_t child, int ms)
{
	int status, left;

	for (left = ms * tap_patience(); left > 0; left -= 10) {
		if (waitpid(child, &status, WNOHANG) == child)
			return WEXITSTATUS(status);
		usleep(10000);
	}
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	return -1;
}

/* As an interrupt's sender may, whose end is waited for before that of the link. */
static void waits_for_room(void)
{
	static const char what[] = "a datagram for a full lane";
	struct dvmm_wire_hdr h = peer_hdr(DVMM_WIRE_LINK, DVMM_WIRE_PING, DVMM_WIRE_PAYLOAD_MAX);
	static uint8_t junk[DVMM_WIRE_PAYLOAD_MAX];
	int channel, i, ret;
	struct peer p;
	pid_t child;

	if (!begin(&p, what))
		return;
	keep_small(&p, DVMM_LANE_CTL);
	for (i = 0; i < PINGS; i++)
		peer_send(&p, DVMM_LANE_CTL, &h, junk, sizeof(junk));
	usleep(SETTLE_US);
	tap_ok(queued(&p) > LANE_MAX, "%s: %ld frames are in it", what, queued(&p));
	channel = channel_create(p.machine, DVMM_CHANNEL_USER);
	child = fork();
	if (!child)
		_exit(channel_send(channel, PEER_SELF, 1, 0, junk, 1) ? errno : 0);
	usleep(SETTLE_US);
	ret = waitpid(child, NULL, WNOHANG);
	machine_stop(p.machine, "enough");
	tap_ok(!ret && sender_ends(child, 5000) == ENOTCONN,
	       "%s: who waits hears that the machine has stopped", what);
	close(channel);
	peer_close(&p);
}

/* ---- the lane of requests ---- */

static struct dvmm_wire_hdr request(const struct peer *p, int type, uint64_t page, uint64_t id)
{
	struct dvmm_wire_hdr h = peer_hdr(DVMM_WIRE_COHERENCE, type, 0);

	h.src = cpu_to_le16(p->self);
	h.requester = cpu_to_le16(p->self);
	h.page = cpu_to_le64(page);
	h.id = cpu_to_le64(id);
	return h;
}

static char *map(int region)
{
	char *m = mmap(NULL, PEER_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, region, 0);

	if (m == MAP_FAILED)
		tap_bail("mmap: %s", strerror(errno));
	return m;
}

/* Each copy is dropped at once, so that it can be asked for again. */
static void unread_answers(void)
{
	static const char what[] = "pages that are asked for and not read";
	struct dvmm_wire_hdr get, put;
	struct peer p;
	char *m;
	int i;

	if (!begin(&p, what))
		return;
	m = map(p.region[0]);
	for (i = 0; i < PEER_PAGES; i++)
		m[i * PAGE] = 1;
	for (i = 0; i < FRAMES; i++) {
		get = request(&p, DVMM_MSG_GET_S, i % PEER_PAGES, i + 1);
		put = request(&p, DVMM_MSG_PUT_S, i % PEER_PAGES, i + 1);
		if (peer_send(&p, DVMM_LANE_REQ, &get, NULL, 0) ||
		    peer_send(&p, DVMM_LANE_REQ, &put, NULL, 0))
			break;
	}
	judge(what, FLOOD_MIB / 2);
	peer_close(&p);
	munmap(m, PEER_PAGES * PAGE);
}

#define UNREAD_MAX	65536
#define TIMEOUT		"/sys/module/dvmm_tcp/parameters/timeout"

/* Links wait for a silent peer as long as they can, or, after that, as before. */
static void be_patient(bool patient)
{
	static char before[16];
	FILE *f = fopen(TIMEOUT, "r");

	if (!f || (patient && !fgets(before, sizeof(before), f)))
		tap_bail("%s: %s", TIMEOUT, strerror(errno));
	fclose(f);
	if (!cgroup_put(TIMEOUT, patient ? "60" : before))
		tap_bail("%s: %s", TIMEOUT, strerror(errno));
}

/* Of a region that is homed with the peer, which says what a home says. */
static void unread_acks(const char *what, int type, int answered_on)
{
	struct dvmm_wire_hdr h;
	struct peer p;
	int i;

	be_patient(true);	/* or the silent lane is found first */
	if (!begin(&p, what))
		return;
	keep_small(&p, answered_on);
	h = request(&p, type, 0, 1);
	h.index = cpu_to_le16(1);
	if (type == DVMM_MSG_PREP)
		h.requester = 0;
	for (i = 0; i < 2 * UNREAD_MAX; i++)
		if (peer_send(&p, DVMM_LANE_FWD, &h, NULL, 0))
			break;
	tap_diag("%d of %s", i, what);
	judge(what, FLOOD_MIB / 2);
	/* A slow kernel sends less than that in this time. */
	ended(&p, what, tap_patience() > 1 ? "does not" : "does not read");
	be_patient(false);
	peer_close(&p);
}

/* The page cannot leave, so what comes for it has to wait. */
static void pinned_page(void)
{
	static const char what[] = "messages for a page that is pinned";
	static uint8_t junk[DVMM_WIRE_PAYLOAD_MAX];
	struct dvmm_wire_hdr h;
	struct peer p;
	struct iovec v;
	int fifo[2], i;
	char *m;

	if (!begin(&p, what))
		return;
	m = map(p.region[0]);
	m[0] = 1;
	v = (struct iovec){ .iov_base = m, .iov_len = PAGE };
	if (pipe(fifo) || vmsplice(fifo[1], &v, 1, 0) != (ssize_t)PAGE)
		tap_bail("vmsplice: %s", strerror(errno));
	h = request(&p, DVMM_MSG_GET_M, 0, 1);
	peer_send(&p, DVMM_LANE_REQ, &h, NULL, 0);
	h = request(&p, DVMM_MSG_PUT_M, 0, 2);
	h.flags = DVMM_MSGF_PAGE;
	h.length = cpu_to_le32(sizeof(junk));
	for (i = 0; i < FRAMES; i++)
		if (peer_send(&p, DVMM_LANE_REQ, &h, junk, sizeof(junk)))
			break;
	judge(what, FLOOD_MIB / 2);
	ended(&p, what, "too many messages for one page");
	peer_close(&p);
	close_all(fifo, 2);
	munmap(m, PEER_PAGES * PAGE);
}

/* ---- two peers: one owns, the other asks, and nothing ever comes of it ---- */

#define OPEN_PAGES	40000
#define OPEN_BYTES	600	/* each takes more */
#define AT_ONCE		500

static void skip_answers(struct peer *p, int n)
{
	struct peer_frame f;

	while (n-- && peer_recv(p, DVMM_LANE_FWD, &f, 2000) == 1)
		;
}

static int ask_for_all(struct peer *p, bool answered)
{
	struct dvmm_wire_hdr h;
	int i;

	for (i = 0; i < OPEN_PAGES; i++) {
		h = request(p, DVMM_MSG_GET_M, i, i + 1);
		if (peer_send(p, DVMM_LANE_REQ, &h, NULL, 0))
			break;
		if (answered && i % AT_ONCE == AT_ONCE - 1)
			skip_answers(p, AT_ONCE);
	}
	return i;
}

static bool join(struct peer *p, int self, int machine, const struct machine_params *mp)
{
	memset(p, -1, sizeof(*p));
	p->self = self;
	p->nodes = mp->nodes;
	p->joins = false;
	p->machine = machine;
	memcpy(p->uuid, mp->uuid, sizeof(p->uuid));
	return !peer_connect(p) && !peer_join(p);
}

/* What the owner is told, so that its lane does not stand still. */
static pid_t read_all(int sock)
{
	static char buf[65536];
	pid_t pid = fork();

	if (pid)
		return pid;
	while (recv(sock, buf, sizeof(buf), 0) > 0)
		;
	_exit(0);
}

/* Of the only machine that there is, and a line more. */
static long count_flights(void)
{
	FILE *f = popen("cat /sys/kernel/debug/dvmm/*.0/flights | wc -l", "r");
	long n = 0;

	if (!f || fscanf(f, "%ld", &n) != 1)
		tap_bail("debugfs shows no flights");
	pclose(f);
	return n;
}

static void open_transactions(void)
{
	static const char what[] = "transactions that are left open";
	struct machine_params mp = { .nodes = 3 };
	bool grouped = cgroup_make() && cgroup_enter();
	struct peer one, two;
	long long charge = 0;
	pid_t reader;
	int region;
	long n;

	random_uuid(mp.uuid);
	one.machine = machine_create(&mp);
	region = region_create(one.machine, 0, 0, OPEN_PAGES * PAGE, 0);
	if (region < 0 || !join(&one, 1, one.machine, &mp) ||
	    !join(&two, 2, one.machine, &mp))
		tap_bail("two peers: %s", strerror(errno));
	tap_ok(ask_for_all(&one, true) == OPEN_PAGES, "a peer owns %d pages", OPEN_PAGES);
	reader = read_all(one.sock[DVMM_LANE_FWD]);
	before = available_kib();
	charge -= grouped ? cgroup_bytes() : 0;
	ask_for_all(&two, false);
	judge(what, 30);
	charge += grouped ? cgroup_bytes() : 0;
	n = count_flights();
	if (grouped)
		tap_ok(n > 1000 && charge >= n * OPEN_BYTES,
		       "%s: %ld are charged to the machine's owner: %lld KiB", what, n,
		       charge / 1024);
	else
		tap_skip("charged to the machine's owner", "no cgroups");
	ended(&two, what, "too many transactions open");
	kill(reader, SIGKILL);
	waitpid(reader, NULL, 0);
	peer_hang_up(&one);
	peer_hang_up(&two);
	close(one.link);
	close(two.link);
	close(region);
	close(one.machine);
	if (grouped && cgroup_leave())
		cgroup_remove();
}

/* ---- a home that lends everything and then reads nothing ---- */

#define COPIES		6000
#define OWNED		2000
#define WRITERS		8
#define AGAIN_MAX	4
#define AGAIN_EACH	256
#define QUEUED_MIN	1000
#define QUEUED_MAX	(1024 + 64)	/* where they wait, and what is on its way to that */

static pid_t read_copies(int region)
{
	pid_t pid = fork();
	volatile char *m;
	int i;

	if (pid)
		return pid;
	m = mmap(NULL, COPIES * PAGE, PROT_READ, MAP_SHARED, region, 0);
	for (i = 0; m != MAP_FAILED && i < COPIES; i++)
		if (m[i * PAGE])
			break;
	_exit(i != COPIES);
}

/* So many pages, full of zeroes, to who asks in that way */
static int lend(struct peer *p, int type, int count)
{
	struct peer_frame f;
	struct dvmm_wire_hdr h;
	int n = 0;

	while (n < count && peer_recv(p, DVMM_LANE_REQ, &f, 5000) == 1) {
		if (f.hdr.type != type)
			continue;
		h = request(p, DVMM_MSG_DATA, le64_to_cpu(f.hdr.page), le64_to_cpu(f.hdr.id));
		h.requester = 0;
		h.flags = DVMM_MSGF_ZERO | (type == DVMM_MSG_GET_M ? DVMM_MSGF_EXCL : 0);
		if (peer_send(p, DVMM_LANE_FWD, &h, NULL, 0))
			break;
		n++;
	}
	return n;
}

/* Frames that wait on the way to the only peer */
static long count_queued(void)
{
	FILE *f = popen("sed -n 's/.*queued: //p' /sys/kernel/debug/dvmm/*.0/lanes", "r");
	long n, sum = 0;

	while (f && fscanf(f, "%ld%*[^\n]", &n) == 1)
		sum += n;
	if (f)
		pclose(f);
	return sum;
}

static void drop_copies(void)
{
	cgroup_put("/proc/sys/vm/drop_caches", "2");
}

/*
 * As many as come in front of it, and some time for more.  Copies for which there was no room are
 * asked for again: until the sockets are full, it is soon there.
 */
static long count_standing(void)
{
	unsigned int left;

	for (left = 100 * tap_patience(); left && count_queued() < QUEUED_MIN; left--) {
		drop_copies();
		usleep(100000);
	}
	usleep(SETTLE_US * tap_patience());
	return count_queued();
}

/* Those that it had no room for are asked for again, each time that there is some. */
static int take_back(struct peer *p)
{
	struct peer_frame f;
	int n = 0, again = 0;

	while (n < COPIES && again < AGAIN_MAX) {
		if (peer_recv(p, DVMM_LANE_REQ, &f, 5000) != 1)
			again++;
		else if (f.hdr.type != DVMM_MSG_PUT_S || ++n % AGAIN_EACH)
			continue;
		drop_copies();
	}
	return n;
}

static void set_zeros(const char *most)
{
	if (!cgroup_put("/sys/module/dvmm/parameters/zeros", most))
		tap_bail("zeros: %s", strerror(errno));
}

static void unread_copies(void)
{
	struct machine_params mp = { .nodes = 2 };
	int region, status = -1, lent, back;
	struct peer p;
	long queued;
	pid_t pid;

	set_zeros("0");
	be_patient(true);
	random_uuid(mp.uuid);
	p.machine = machine_create(&mp);
	region = region_create(p.machine, 0, 1, COPIES * PAGE, 0);
	if (region < 0 || !join(&p, 1, p.machine, &mp))
		tap_bail("a home: %s", strerror(errno));
	pid = read_copies(region);
	lent = lend(&p, DVMM_MSG_GET_S, COPIES);
	if (lent != COPIES)
		kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	tap_ok(lent == COPIES && !status, "%d of %d pages are lent and read", lent, COPIES);
	keep_small(&p, DVMM_LANE_REQ);
	queued = count_standing();
	tap_ok(queued >= QUEUED_MIN && queued < QUEUED_MAX,
	       "copies are given back to who does not read: %ld wait in front of it", queued);
	back = take_back(&p);
	tap_ok(back == COPIES, "and all of them when it reads: %d", back);
	be_patient(false);
	set_zeros("64");
	peer_hang_up(&p);
	close(p.link);
	close(region);
	close(p.machine);
}

/* All of the region, by several processes of one group */
static pid_t write_pages(int region)
{
	pid_t group = 0, pid;
	int i, writer;
	char *m;

	for (writer = 0; writer < WRITERS; writer++) {
		pid = fork();
		if (pid) {
			setpgid(pid, group);
			group = group ? group : pid;
			continue;
		}
		m = mmap(NULL, COPIES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, region, 0);
		for (i = writer; m != MAP_FAILED && i < COPIES; i += WRITERS)
			m[i * PAGE] = 1;
		_exit(0);
	}
	return group;
}

/* They have room for no more, and what they give back is not read. */
static void unread_pages(void)
{
	struct machine_params mp = { .nodes = 2 };
	struct peer p;
	pid_t writers;
	long queued;
	int region;

	be_patient(true);
	random_uuid(mp.uuid);
	p.machine = machine_create(&mp);
	region = region_create(p.machine, 0, 1, COPIES * PAGE, OWNED * PAGE);
	if (region < 0 || !join(&p, 1, p.machine, &mp))
		tap_bail("a home: %s", strerror(errno));
	writers = write_pages(region);
	tap_ok(lend(&p, DVMM_MSG_GET_M, OWNED) == OWNED, "%d pages are lent and written", OWNED);
	keep_small(&p, DVMM_LANE_REQ);
	queued = count_standing();
	tap_ok(queued >= QUEUED_MIN && queued < QUEUED_MAX,
	       "who needs room gives back to who does not read: %ld wait in front of it", queued);
	kill(-writers, SIGKILL);
	while (waitpid(-writers, NULL, 0) > 0)
		;
	be_patient(false);
	peer_hang_up(&p);
	close(p.link);
	close(region);
	close(p.machine);
}

int main(void)
{
	struct dvmm_wire_hdr h = peer_hdr(DVMM_WIRE_LINK, DVMM_WIRE_PING, DVMM_WIRE_PAYLOAD_MAX);

	tap_start(240);
	klog_open();
	close(dev_open());
	send_many(h, "PINGs whose answers nobody reads");
	h = peer_hdr(DVMM_WIRE_CHANNEL, 0, DVMM_WIRE_PAYLOAD_MAX);
	h.index = cpu_to_le16(DVMM_CHANNEL_USER);
	send_many(h, "datagrams for a channel that nobody opened");
	unread_channels();
	many_questions();
	own_datagrams();
	waits_for_room();
	unread_answers();
	unread_acks("INVs whose acknowledgements nobody reads", DVMM_MSG_INV, DVMM_LANE_RSP);
	unread_acks("PREPs that are refused to nobody", DVMM_MSG_PREP, DVMM_LANE_REQ);
	pinned_page();
	open_transactions();
	unread_copies();
	unread_pages();
	tap_ok(klog_clean(), "the kernel did not complain");
	return tap_end();
}
