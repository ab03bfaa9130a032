// SPDX-License-Identifier: GPL-2.0-only
/* A value to its slot of a log-linear histogram (headers/hist.h). */
#include "block.bpf.h"

u64 value = 30000;
u32 slot;

FENTRY
int BPF_PROG(block, struct sock *sk)
{
	slot = hist_slot(*(volatile u64 *)&value);
	return 0;
}
