// SPDX-License-Identifier: GPL-2.0-only
/* An empty program at the exit of a function. */
#include "block.bpf.h"

SEC("fexit/tcp_rcv_space_adjust")
int BPF_PROG(block, struct sock *sk)
{
	return 0;
}
