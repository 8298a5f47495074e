// SPDX-License-Identifier: GPL-2.0
/*
 * terminal COMMAND...: runs it on a terminal of its own and says in which mode
 * it has left that: "cooked" as it was, or "raw". What is written there goes to
 * standard output. The status is the command's.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static int run(int slave, char **argv)
{
	setsid();
	ioctl(slave, TIOCSCTTY, 0);
	dup2(slave, 0);
	dup2(slave, 1);
	dup2(slave, 2);
	execvp(argv[0], argv);
	return 127;
}

static void copy(int from)
{
	char buf[512];
	ssize_t n;

	while ((n = read(from, buf, sizeof(buf))) > 0)
		if (write(1, buf, n) != n)
			return;
}

int main(int argc, char **argv)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave, status;
	struct termios t;
	pid_t pid;

	if (argc < 2 || master < 0 || grantpt(master) || unlockpt(master))
		return 2;
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	if (slave < 0)
		return 2;
	pid = fork();
	if (!pid)
		_exit(run(slave, argv + 1));
	waitpid(pid, &status, 0);
	if (tcgetattr(slave, &t))
		return 2;
	fcntl(master, F_SETFL, O_NONBLOCK);
	copy(master);
	printf("\n%s\n", (t.c_lflag & (ICANON | ECHO)) == (ICANON | ECHO) ? "cooked" : "raw");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
