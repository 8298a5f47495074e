// SPDX-License-Identifier: GPL-2.0
/*
 * Conformance tests of transports: /dev/dvmm-xport-test plays the core at one or
 * both ends of a link and does what the suite in userspace asks for.
 */
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/ktime.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "end.h"
#include "faulty.h"
#include "senders.h"

/**
 * struct test - an open file
 * @lock: one request at a time, but for SEND
 * @ops: transport of the link; NULL: there is no link
 * @end: the ends
 */
struct test {
	struct mutex lock; /* ops, life of end */
	const struct dvmm_transport_ops *ops;
	struct xt_end end[2];
};

static const u8 machine[16] = "xport-test";

static long ms(const struct xt_request *q)
{
	return msecs_to_jiffies(q->ms ?: 30000);
}

/* ---- open and close ---- */

static void put_sockets(struct dvmm_xport_params *params)
{
	unsigned int i;

	for (i = 0; i < DVMM_XPORT_LANES; i++)
		if (params->sock[i])
			sockfd_put(params->sock[i]);
}

static int get_sockets(struct dvmm_xport_params *params, const s32 *fd)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < DVMM_XPORT_LANES && !err; i++) {
		if (fd[i] < 0)
			continue;
		params->sock[i] = sockfd_lookup(fd[i], &err);
	}
	if (err)
		put_sockets(params);
	return err;
}

static int open_end(struct test *t, struct xt_request *q, unsigned int side)
{
	struct dvmm_xport_params params = {
		.machine = machine,
		.self = side,
		.peer = !side,
		.address = q->address,
	};
	struct xt_end *e = &t->end[side];
	int err;

	xt_end_init(e, t->ops);
	err = get_sockets(&params, q->fd + side * XT_LANES);
	if (err)
		return err;
	/* before link_up may come */
	e->open = true;
	err = t->ops->listen && !side ? t->ops->listen(&e->link, &params) :
	      t->ops->connect(&e->link, &params);
	if (err) {
		e->open = false;
		put_sockets(&params);
		if (e->link.priv || atomic_read(&e->ups) || atomic_read(&e->downs))
			strscpy(q->text, "connect() left something behind", XT_TEXT);
	}
	return err;
}

static void close_ends(struct test *t)
{
	if (!t->ops)
		return;
	xt_end_close(&t->end[0]);
	xt_end_close(&t->end[1]);
	dvmm_transport_put(t->ops);
	t->ops = NULL;
}

static int wait_up(struct test *t, struct xt_request *q)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		struct xt_end *e = &t->end[i];

		wait_event_timeout(e->changed, atomic_read(&e->ups) || atomic_read(&e->downs),
				   ms(q));
		if (atomic_read(&e->ups) == 1 && !atomic_read(&e->downs))
			continue;
		snprintf(q->text, XT_TEXT, "end %u: %d up, %d down: %s", i,
			 atomic_read(&e->ups), atomic_read(&e->downs), e->why);
		return -ENOTCONN;
	}
	return 0;
}

static int do_open(struct test *t, struct xt_request *q)
{
	int err;

	if (t->ops)
		return -EBUSY;
	q->transport[sizeof(q->transport) - 1] = '\0';
	q->address[sizeof(q->address) - 1] = '\0';
	t->ops = dvmm_transport_get(q->transport);
	if (!t->ops)
		return -EPROTONOSUPPORT;
	t->end[0].open = false;
	t->end[1].open = false;
	if (q->flags & XT_ONE_END)
		err = open_end(t, q, !!(q->flags & XT_SECOND));
	else
		err = open_end(t, q, 0) ?: open_end(t, q, 1) ?: wait_up(t, q);
	if (err)
		close_ends(t);
	return err;
}

static int do_close(struct test *t, struct xt_request *q)
{
	unsigned int i;

	if (!t->ops)
		return -ENOTCONN;
	close_ends(t);
	for (i = 0; i < 2; i++) {
		struct xt_end *e = &t->end[i];

		if (atomic_read(&e->late))
			snprintf(q->text, XT_TEXT, "end %u: %d upcalls after disconnect()", i,
				 atomic_read(&e->late));
		if (atomic64_read(&e->accepted) != atomic64_read(&e->done))
			snprintf(q->text, XT_TEXT, "end %u: %lld frames taken, %lld done", i,
				 (s64)atomic64_read(&e->accepted), (s64)atomic64_read(&e->done));
	}
	return q->text[0] ? -EBADE : 0;
}

/* ---- requests ---- */

static int check_errors(struct test *t, struct xt_request *q)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		if (!atomic_read(&t->end[i].errors))
			continue;
		snprintf(q->text, XT_TEXT, "end %u: %d wrong frames; %s", i,
			 atomic_read(&t->end[i].errors), t->end[i].error);
		return -EBADMSG;
	}
	return 0;
}

static int wait_received(struct xt_end *e, u64 count, struct xt_request *q)
{
	wait_event_killable_timeout(e->changed, atomic64_read(&e->received) >= count ||
				    atomic_read(&e->errors) || atomic_read(&e->downs), ms(q));
	if (atomic64_read(&e->received) == count)
		return 0;
	snprintf(q->text, XT_TEXT, "%lld of %llu frames arrived %.35s%.35s",
		 (s64)atomic64_read(&e->received), count, e->error, e->why);
	return -ETIME;
}

static int do_traffic(struct test *t, struct xt_request *q)
{
	u64 want[2] = { atomic64_read(&t->end[0].received), atomic64_read(&t->end[1].received) };
	struct xt_senders *g = kvzalloc(2 * sizeof(*g), GFP_KERNEL);
	ktime_t start = ktime_get();
	int err, err2;

	if (!g)
		return -ENOMEM;
	if (!q->frames)
		q->frames = 1;
	err = xt_senders_add(&g[0], &t->end[0], q);
	if (!err && q->flags & XT_BOTH_WAYS)
		err = xt_senders_add(&g[1], &t->end[1], q);
	want[1] += xt_senders_wait(&g[0], ms(q), &err2);
	err = err ?: err2;
	want[0] += xt_senders_wait(&g[1], ms(q), &err2);
	err = err ?: err2;
	if (!err)
		err = wait_received(&t->end[1], want[1], q);
	if (!err && q->flags & XT_BOTH_WAYS)
		err = wait_received(&t->end[0], want[0], q);
	q->out[0] = ktime_to_ns(ktime_sub(ktime_get(), start));
	kvfree(g);
	return check_errors(t, q) ?: err;
}

static int do_stall(struct test *t, struct xt_request *q)
{
	struct xt_end *e = &t->end[1];

	WRITE_ONCE(e->held, q->flags & XT_HOLD ? q->lanes : 0);
	wake_up_all(&e->changed);
	return 0;
}

/* From the caller's own thread, which may be killed. */
static int do_send(struct test *t, struct xt_request *q)
{
	struct xt_spec s = {
		.lane = q->lanes ? __ffs(q->lanes) : 0,
		.refuse = q->flags & XT_BAD_RX,
		.length = min_t(u32, q->bytes, PAGE_SIZE),
	};
	int err = 0;

	if (s.lane >= DVMM_XPORT_LANES)
		return -EINVAL;
	for (q->out[0] = 0; !err && q->out[0] < q->frames; q->out[0]++) {
		s.seed = q->seed + q->out[0];
		err = q->flags & XT_BURST ? 0 : xt_end_await_room(&t->end[0], s.lane);
		err = err ?: xt_end_send(&t->end[0], &s);
	}
	if (err)
		q->out[0]--;
	return err;
}

static int do_arrived(struct test *t, struct xt_request *q)
{
	return wait_received(&t->end[1], q->out[0], q) ?: check_errors(t, q);
}

static int check_down(struct test *t, struct xt_request *q)
{
	struct xt_end *e = &t->end[1];

	wait_event_timeout(e->changed, atomic_read(&e->downs), ms(q));
	/* a second link_down would be a moment later */
	msleep(20);
	if (atomic_read(&e->downs) != 1 || atomic_read(&t->end[0].downs)) {
		snprintf(q->text, XT_TEXT, "link_down: %d at the other end, %d at the closed one",
			 atomic_read(&e->downs), atomic_read(&t->end[0].downs));
		return -EBADE;
	}
	strscpy(q->text, e->why, XT_TEXT);
	return 0;
}

static int check_refused(struct test *t, struct xt_request *q)
{
	struct xt_spec s = {};
	unsigned int i;
	int err;

	for (i = 0; i < 2; i++) {
		err = xt_end_send(&t->end[i], &s);
		if (err == -ENOTCONN)
			continue;
		snprintf(q->text, XT_TEXT, "send() at end %u of a link that is down: %d", i, err);
		return -EBADE;
	}
	return 0;
}

static int do_tear(struct test *t, struct xt_request *q)
{
	struct xt_senders *g = kvzalloc(2 * sizeof(*g), GFP_KERNEL);
	ktime_t start;
	int err, err2;

	if (!g)
		return -ENOMEM;
	q->frames = 0;
	err = xt_senders_add(&g[0], &t->end[0], q);
	err = err ?: xt_senders_add(&g[1], &t->end[1], q);
	usleep_range(q->seed % 20000, q->seed % 20000 + 50);
	start = ktime_get();
	xt_end_close(&t->end[0]);
	q->out[0] = ktime_to_ns(ktime_sub(ktime_get(), start));
	q->out[1] = xt_senders_wait(&g[0], ms(q), &err2);
	err = err ?: (err2 == -ENOTCONN ? 0 : err2);
	q->out[1] += xt_senders_wait(&g[1], ms(q), &err2);
	err = err ?: (err2 == -ENOTCONN ? 0 : err2);
	if (err)
		snprintf(q->text, XT_TEXT, "senders ended with %d", err);
	kvfree(g);
	return err ?: check_errors(t, q) ?: check_down(t, q) ?: check_refused(t, q);
}

static int do_wait_down(struct test *t, struct xt_request *q)
{
	struct xt_end *e = &t->end[!!q->bytes];
	int err = 0;

	if (wait_event_killable_timeout(e->changed, atomic_read(&e->downs), ms(q)) <= 0)
		err = -ETIME;
	else
		msleep(20);
	q->out[0] = atomic_read(&e->ups);
	q->out[1] = atomic_read(&e->downs);
	strscpy(q->text, e->why, XT_TEXT);
	return err;
}

static int do_last_words(struct test *t, struct xt_request *q)
{
	struct xt_spec last = { .lane = 3, .kind = XT_KIND_LAST };
	struct xt_senders *g = kvzalloc(sizeof(*g), GFP_KERNEL);
	int err, err2;

	if (!g)
		return -ENOMEM;
	q->frames = 0;
	q->lanes &= 7;
	err = xt_senders_add(g, &t->end[0], q);
	usleep_range(1000, 2000);
	err = err ?: xt_end_send(&t->end[0], &last);
	xt_end_close(&t->end[0]);
	xt_senders_wait(g, ms(q), &err2);
	kvfree(g);
	err = err ?: check_down(t, q);
	if (err || t->end[1].last)
		return err;
	strscpy(q->text, "link_down came before the last frame on CTL", XT_TEXT);
	return -EBADE;
}

static int ping(struct xt_end *e, const struct xt_request *q, u64 *ns)
{
	struct xt_spec s = { .kind = XT_KIND_PING, .bytes = q->bytes, .seed = q->seed };
	ktime_t start = ktime_get();
	int err;

	reinit_completion(&e->pong);
	err = xt_end_send(e, &s);
	if (err)
		return err;
	if (!wait_for_completion_timeout(&e->pong, ms(q)))
		return -ETIME;
	*ns = ktime_to_ns(ktime_sub(ktime_get(), start));
	return 0;
}

/* out: shortest, mean, longest */
static int do_ping(struct test *t, struct xt_request *q)
{
	u64 ns, sum = 0;
	u32 i;
	int err;

	q->out[0] = U64_MAX;
	q->out[2] = 0;
	for (i = 0; i < q->frames; i++) {
		err = ping(&t->end[0], q, &ns);
		if (err)
			return err;
		q->out[0] = min(q->out[0], ns);
		q->out[2] = max(q->out[2], ns);
		sum += ns;
	}
	q->out[1] = q->frames ? div_u64(sum, q->frames) : 0;
	return 0;
}

static int do_counts(struct test *t, struct xt_request *q)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		q->out[2 * i] = atomic64_read(&t->end[i].accepted);
		q->out[2 * i + 1] = atomic64_read(&t->end[i].done);
		q->out[4 + i] = atomic64_read(&t->end[i].received);
	}
	q->out[6] = atomic64_read(&t->end[0].shared);
	return 0;
}

static int try_register(const struct dvmm_transport_ops *ops, int wanted, struct xt_request *q,
			const char *what)
{
	int err = dvmm_transport_register(ops);

	if (!err)
		dvmm_transport_unregister(ops);
	if (err == wanted)
		return 0;
	snprintf(q->text, XT_TEXT, "registering %s: %d instead of %d", what, err, wanted);
	return -EBADE;
}

static int do_registry(struct test *t, struct xt_request *q)
{
	const struct dvmm_transport_ops *loop = dvmm_transport_get("loop");
	struct dvmm_transport_ops ops;
	int err;

	if (!loop)
		return -ENOENT;
	ops = *loop;
	err = try_register(&ops, -EEXIST, q, "a name that is taken");
	ops.name = "xport-test";
	ops.owner = THIS_MODULE;
	err = err ?: try_register(&ops, 0, q, "a new name");
	ops.version++;
	err = err ?: try_register(&ops, -EINVAL, q, "another version");
	ops.version--;
	ops.size--;
	err = err ?: try_register(&ops, -EINVAL, q, "another size");
	ops.size++;
	ops.send = NULL;
	err = err ?: try_register(&ops, -EINVAL, q, "a table without send()");
	dvmm_transport_put(loop);
	if (dvmm_transport_get("none")) {
		strscpy(q->text, "a transport that does not exist was found", XT_TEXT);
		err = -EBADE;
	}
	return err;
}

static int do_refusals(struct test *t, struct xt_request *q)
{
	struct dvmm_xport_link *link = &t->end[0].link;
	struct dvmm_xmit x = { .lane = DVMM_XPORT_LANES };
	int err[2];

	err[0] = link->ops->send(link, &x);
	x.lane = 0;
	x.length = DVMM_XPORT_PAYLOAD_MAX + 1;
	err[1] = link->ops->send(link, &x);
	if (err[0] == -EINVAL && err[1] == -EINVAL)
		return 0;
	snprintf(q->text, XT_TEXT, "lane 4: %d, 4097 bytes: %d", err[0], err[1]);
	return -EBADE;
}

/* ---- the device ---- */

static int need_link(struct test *t)
{
	return t->ops ? 0 : -ENOTCONN;
}

static int dispatch(struct test *t, unsigned int cmd, struct xt_request *q)
{
	switch (cmd) {
	case XT_OPEN:
		return do_open(t, q);
	case XT_REGISTRY:
		return do_registry(t, q);
	}
	if (need_link(t))
		return -ENOTCONN;
	switch (cmd) {
	case XT_CLOSE:
		return do_close(t, q);
	case XT_TRAFFIC:
		return do_traffic(t, q);
	case XT_STALL:
		return do_stall(t, q);
	case XT_ARRIVED:
		return do_arrived(t, q);
	case XT_TEAR:
		return do_tear(t, q);
	case XT_WAIT_DOWN:
		return do_wait_down(t, q);
	case XT_LAST_WORDS:
		return do_last_words(t, q);
	case XT_PING:
		return do_ping(t, q);
	case XT_COUNTS:
		return do_counts(t, q);
	case XT_REFUSALS:
		return do_refusals(t, q);
	}
	return -ENOTTY;
}

static long test_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct test *t = file->private_data;
	struct xt_request *q;
	long err;

	q = memdup_user((void __user *)arg, sizeof(*q));
	if (IS_ERR(q))
		return PTR_ERR(q);
	memset(q->text, 0, sizeof(q->text));
	if (cmd == XT_SEND) {
		/* may block, while other requests are to let it go on */
		err = need_link(t) ?: do_send(t, q);
	} else {
		mutex_lock(&t->lock);
		err = dispatch(t, cmd, q);
		mutex_unlock(&t->lock);
	}
	if (copy_to_user((void __user *)arg, q, sizeof(*q)))
		err = -EFAULT;
	kfree(q);
	return err;
}

static int test_open(struct inode *inode, struct file *file)
{
	struct test *t = kvzalloc(sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	mutex_init(&t->lock);
	file->private_data = t;
	return 0;
}

static int test_release(struct inode *inode, struct file *file)
{
	struct test *t = file->private_data;

	close_ends(t);
	kvfree(t);
	return 0;
}

static const struct file_operations test_fops = {
	.owner		= THIS_MODULE,
	.open		= test_open,
	.release	= test_release,
	.unlocked_ioctl	= test_ioctl,
};

static struct miscdevice test_device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "dvmm-xport-test",
	.fops	= &test_fops,
};

static int __init start_module(void)
{
	int err = xt_faulty_register();

	if (err)
		return err;
	err = misc_register(&test_device);
	if (err)
		xt_faulty_unregister();
	return err;
}

static void __exit end_module(void)
{
	misc_deregister(&test_device);
	xt_faulty_unregister();
}

module_init(start_module);
module_exit(end_module);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("dvmm: conformance tests of transports");
MODULE_IMPORT_NS(DVMM);
