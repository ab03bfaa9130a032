// SPDX-License-Identifier: GPL-2.0-only
/* An empty program on a kprobe. */
#include "block.bpf.h"

SEC("kprobe/tcp_rcv_space_adjust")
int block(struct pt_regs *ctx)
{
	return 0;
}
