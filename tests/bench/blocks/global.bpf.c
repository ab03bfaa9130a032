// SPDX-License-Identifier: GPL-2.0-only
/* A read of global data, as of a setting. */
#include "block.bpf.h"

u64 setting;

FENTRY
int BPF_PROG(block, struct sock *sk)
{
	(void)*(volatile u64 *)&setting;
	return 0;
}
