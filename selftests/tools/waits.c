// SPDX-License-Identifier: GPL-2.0
/* Waits uninterruptibly, as a vCPU does for a page: for a child that shares its memory. */
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(void)
{
	if (!vfork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(0);
	}
	return 0;
}
