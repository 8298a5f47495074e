// SPDX-License-Identifier: GPL-2.0
/*
 * stranger: somebody on the network who is no node and would like to be one.
 *
 * stranger record PORT FILE		writes what is sent over lo to and from a port (into
 *					FILE), and what the first caller sends (FILE.first)
 * stranger silent PORT NUMBER		so many connections that say nothing, for ten minutes
 * stranger say PORT FILE BYTES		sends so many bytes of a file (0: all) and prints the
 *					answer, up to two seconds of silence, in hexadecimal
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SILENT_SECONDS	600
#define ANSWER_MS	2000

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static int call(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)))
		die("connect");
	return fd;
}

static int create(const char *name, const char *more)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s%s", name, more);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		die(path);
	return fd;
}

static int listen_in(void)
{
	struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP) };
	int fd = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP));

	a.sll_ifindex = if_nametoindex("lo");
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)))
		die("packet socket");
	return fd;
}

/* Loopback loses nothing and repeats nothing. */
static void record_packet(const unsigned char *p, size_t n, int port, int all, int one)
{
	static int first;
	const struct iphdr *ip = (const void *)p;
	const struct tcphdr *tcp = (const void *)(p + ip->ihl * 4);
	size_t head = ip->ihl * 4 + tcp->doff * 4, length = ntohs(ip->tot_len);

	if (n < sizeof(*ip) || ip->protocol != IPPROTO_TCP || length > n || head >= length)
		return;
	if (ntohs(tcp->dest) != port && ntohs(tcp->source) != port)
		return;
	if (write(all, p + head, length - head) < 0)
		die("write");
	if (ntohs(tcp->dest) != port)
		return;
	first = first ?: tcp->source;
	if (tcp->source == first && write(one, p + head, length - head) < 0)
		die("write");
}

static void record(int port, const char *file)
{
	int all = create(file, ""), one = create(file, ".first"), fd = listen_in();
	static unsigned char p[1 << 17];
	struct sockaddr_ll from;
	socklen_t room;
	ssize_t n;

	puts("listening");
	fflush(stdout);
	for (;;) {
		room = sizeof(from);
		n = recvfrom(fd, p, sizeof(p), 0, (struct sockaddr *)&from, &room);
		if (n < 0)
			die("recv");
		if (from.sll_pkttype != PACKET_OUTGOING)
			record_packet(p, n, port, all, one);
	}
}

static int silent(int port, int number)
{
	while (number-- > 0)
		call(port);
	puts("connected");
	fflush(stdout);
	sleep(SILENT_SECONDS);
	return 0;
}

static void print_answer(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	unsigned char buf[4096];
	ssize_t i, n;

	while (poll(&p, 1, ANSWER_MS) > 0) {
		n = recv(fd, buf, sizeof(buf), 0);
		if (n <= 0)
			break;
		for (i = 0; i < n; i++)
			printf("%02x", buf[i]);
	}
	puts("");
}

static int say(int port, const char *file, size_t bytes)
{
	static unsigned char buf[1 << 20];
	int in = open(file, O_RDONLY), fd;
	ssize_t n;

	if (in < 0)
		die(file);
	n = read(in, buf, bytes ? bytes : sizeof(buf));
	if (n <= 0)
		die(file);
	fd = call(port);
	if (send(fd, buf, n, MSG_NOSIGNAL) != n)
		die("send");
	print_answer(fd);
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 3 ? argv[1] : "";

	if (!strcmp(verb, "record"))
		record(atoi(argv[2]), argv[3]);
	if (!strcmp(verb, "silent"))
		return silent(atoi(argv[2]), atoi(argv[3]));
	if (!strcmp(verb, "say") && argc == 5)
		return say(atoi(argv[2]), argv[3], atoi(argv[4]));
	fprintf(stderr, "usage: stranger record|silent|say PORT ...\n");
	return 2;
}
