// SPDX-License-Identifier: GPL-2.0
/*
 * An ivshmem server that tells its one client who it is and gives it memory, and then does what
 * lines of its input say:
 *
 * ring: the client has a doorbell of its own, if it has none yet, and a ring of that
 * swap N: the peer N comes if it is not there; if it is, it goes, how often the client rang it is
 *	printed, and another one comes by its number
 *
 * usage: ivshmem_late SOCKET ID
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MEMORY	(2 << 20)

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int listen_at(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(a.sun_path, path, sizeof(a.sun_path) - 1);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 1))
		die(path);
	return fd;
}

static int make_memory(void)
{
	int fd = memfd_create("late", 0);

	if (fd < 0 || ftruncate(fd, MEMORY))
		die("memory");
	return fd;
}

/* One number, and what goes with it, -1: nothing */
static void tell(int client, int64_t number, int fd)
{
	char control[CMSG_SPACE(sizeof(fd))] = { 0 };
	struct iovec v = { &number, sizeof(number) };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	struct cmsghdr *c = (struct cmsghdr *)control;

	if (fd >= 0) {
		*c = (struct cmsghdr){ CMSG_LEN(sizeof(fd)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
		m.msg_control = control;
		m.msg_controllen = sizeof(control);
	}
	if (sendmsg(client, &m, 0) != sizeof(number))
		die("send");
}

static int come(int client, int number)
{
	int bell = eventfd(0, EFD_NONBLOCK);

	tell(client, number, bell);
	return bell;
}

static void go(int client, int number, int bell)
{
	eventfd_t rung = 0;

	tell(client, number, -1);
	eventfd_read(bell, &rung);
	printf("peer %d was rung %ju times\n", number, (uintmax_t)rung);
	close(bell);
}

int main(int argc, char **argv)
{
	int client, bell = -1, other = -1, number;
	char line[16];

	setlinebuf(stdout);

	if (argc != 3) {
		fprintf(stderr, "usage: ivshmem_late SOCKET ID\n");
		return 2;
	}
	client = accept(listen_at(argv[1]), NULL, NULL);
	tell(client, 0, -1);
	tell(client, atoi(argv[2]), -1);
	tell(client, -1, make_memory());
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "swap %d", &number) == 1) {
			if (other >= 0)
				go(client, number, other);
			other = come(client, number);
			continue;
		}
		if (bell < 0)
			bell = come(client, atoi(argv[2]));
		eventfd_write(bell, 1);
	}
	return 0;
}
