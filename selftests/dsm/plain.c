// SPDX-License-Identifier: GPL-2.0
/* Round trips and streams over a TCP connection. */
#include <sys/socket.h>

#include "plain.h"
#include "tap.h"

static char buf[16 * PAGE];

static bool give(int fd, size_t n)
{
	size_t done = 0;
	ssize_t k;

	for (; done < n; done += k) {
		k = send(fd, buf, n - done, MSG_NOSIGNAL);
		if (k <= 0)
			return false;
	}
	return true;
}

static bool take(int fd, size_t n)
{
	return recv(fd, buf, n, MSG_WAITALL) == (ssize_t)n;
}

static double answer_pings(int fd, size_t ask, size_t answer, int rounds)
{
	int i;

	for (i = 0; i < rounds; i++)
		if (!take(fd, ask) || !give(fd, answer))
			return -1;
	return 0;
}

double plain_ping(struct actor *a, size_t ask, size_t answer, int rounds)
{
	int fd = a->plain[!a->self], i;
	uint64_t start;

	if (!a->self)
		return answer_pings(fd, ask, answer, rounds);
	start = now_ns();
	for (i = 0; i < rounds; i++)
		if (!give(fd, ask) || !take(fd, answer))
			return -1;
	return (double)(now_ns() - start) / rounds;
}

double plain_stream(struct actor *a, size_t pages)
{
	int fd = a->plain[!a->self];
	size_t left = pages * PAGE;
	uint64_t start = now_ns();
	ssize_t k;

	for (; left; left -= k) {
		k = left < sizeof(buf) ? left : sizeof(buf);
		k = a->self ? recv(fd, buf, k, 0) : send(fd, buf, k, MSG_NOSIGNAL);
		if (k <= 0)
			return -1;
	}
	return (double)(now_ns() - start) / pages;
}
