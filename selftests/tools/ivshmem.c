// SPDX-License-Identifier: GPL-2.0
/*
 * A client of an ivshmem server, as QEMU's device is one.  It prints what it is told, a line each:
 *	id ID, memory BYTES, peer ID, gone ID, rung COUNT (in all), closed
 * and does what its input says, answering with "did LINE":
 *	write OFFSET WORD, read OFFSET (WORD is printed), ring ID TIMES
 *
 * usage: ivshmem SOCKET
 */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PEERS	65536

static int event[PEERS];
static char *memory;
static int64_t id = -1;
static int own = -1;
static uint64_t rung;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int call(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(a.sun_path, path, sizeof(a.sun_path) - 1);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
		die(path);
	return fd;
}

/* One number, and what comes with it, -1: nothing; false at the end */
static int receive(int server, int64_t *number, int *fd)
{
	char control[CMSG_SPACE(sizeof(*fd))];
	struct iovec v = { number, sizeof(*number) };
	struct msghdr m = {
		.msg_iov = &v, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	ssize_t len = recvmsg(server, &m, MSG_WAITALL);
	struct cmsghdr *c = len > 0 ? CMSG_FIRSTHDR(&m) : NULL;

	*fd = -1;
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	return len == sizeof(*number);
}

static void map(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		die("fstat");
	memory = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		die("mmap");
	printf("memory %lld\n", (long long)st.st_size);
}

/* Until its own event comes, which is the last thing that it is told at first */
static void greet(int server)
{
	int64_t number;
	int fd;

	if (!receive(server, &number, &fd) || number || fd >= 0 ||
	    !receive(server, &id, &fd) || fd >= 0)
		die("no version 0, or no id");
	printf("id %lld\n", (long long)id);
	while (own < 0 && receive(server, &number, &fd)) {
		if (number == -1) {
			map(fd);
		} else if (number == id) {
			own = fd;
		} else {
			event[number] = fd;
			printf("peer %lld\n", (long long)number);
		}
	}
}

static void hear(int server)
{
	int64_t number;
	int fd;

	if (!receive(server, &number, &fd)) {
		puts("closed");
		exit(0);
	}
	printf("%s %lld\n", fd < 0 ? "gone" : "peer", (long long)number);
	event[number] = fd;
}

static void count(void)
{
	uint64_t n;

	if (read(own, &n, sizeof(n)) == sizeof(n))
		printf("rung %llu\n", (unsigned long long)(rung += n));
}

static void ring(unsigned int peer, int times)
{
	uint64_t one = 1;

	while (times-- > 0)
		if (write(event[peer % PEERS], &one, sizeof(one)) < 0)
			die("ring");
}

static void obey(void)
{
	char line[128], word[64];
	unsigned int n, times;

	if (!fgets(line, sizeof(line), stdin))
		exit(0);
	if (sscanf(line, "write %u %63s", &n, word) == 2)
		strcpy(memory + n, word);
	else if (sscanf(line, "read %u", &n) == 1)
		printf("%.63s\n", memory + n);
	else if (sscanf(line, "ring %u %u", &n, &times) == 2)
		ring(n, times);
	printf("did %s", line);
}

int main(int argc, char **argv)
{
	struct pollfd p[3];

	if (argc != 2) {
		fprintf(stderr, "usage: ivshmem SOCKET\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	setvbuf(stdin, NULL, _IONBF, 0);
	p[0] = (struct pollfd){ call(argv[1]), POLLIN, 0 };
	greet(p[0].fd);
	p[1] = (struct pollfd){ own, POLLIN, 0 };
	p[2] = (struct pollfd){ 0, POLLIN, 0 };
	while (poll(p, 3, -1) > 0) {
		if (p[2].revents)
			obey();
		if (p[1].revents)
			count();
		if (p[0].revents)
			hear(p[0].fd);
	}
	return 1;
}
