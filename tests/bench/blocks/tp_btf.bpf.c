// SPDX-License-Identifier: GPL-2.0-only
/* An empty program on a tracepoint, with types. */
#include "block.bpf.h"

SEC("tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(block, struct sock *sk)
{
	return 0;
}
