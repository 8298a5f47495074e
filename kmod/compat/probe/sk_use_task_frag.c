// SPDX-License-Identifier: GPL-2.0
/* a socket can be told to leave the task's page fragment alone (since 6.2) */
#include <net/sock.h>

void probe(struct sock *sk);
void probe(struct sock *sk)
{
	sk->sk_use_task_frag = false;
}
