// SPDX-License-Identifier: GPL-2.0-only
/* A reading of the monotonic clock. */
#include "block.bpf.h"

u64 last;

FENTRY
int BPF_PROG(block, struct sock *sk)
{
	last = bpf_ktime_get_ns();
	return 0;
}
