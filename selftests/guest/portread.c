// SPDX-License-Identifier: GPL-2.0
/*
 * portread: how long a CPU waits for a byte of a device on the boot node (the
 * CMOS clock's data port).  Prints nanoseconds of the guest's time, the fastest
 * read and the mean.
 *
 * usage: portread CPU ROUNDS
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>

#include "pin.h"

#define CMOS_DATA 0x71

static int rounds;

static void *run(void *arg)
{
	int fd = open("/dev/port", O_RDONLY), i;
	double all = 0, best = 0, t;
	char byte;

	for (i = 0; i < rounds; i++) {
		t = seconds();
		if (pread(fd, &byte, 1, CMOS_DATA) != 1) {
			perror("/dev/port");
			exit(2);
		}
		t = seconds() - t;
		all += t;
		best = i && best < t ? best : t;
	}
	printf("portread: best %.1f mean %.1f\n", best * 1e9, all / rounds * 1e9);
	return arg;
}

int main(int argc, char **argv)
{
	rounds = argc == 3 ? atoi(argv[2]) : 0;
	if (rounds < 1) {
		fprintf(stderr, "usage: portread CPU ROUNDS\n");
		return 2;
	}
	pthread_join(start_on(atoi(argv[1]), run, NULL), NULL);
	return 0;
}
