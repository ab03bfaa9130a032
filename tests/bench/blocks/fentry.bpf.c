// SPDX-License-Identifier: GPL-2.0-only
/* An empty program at the entry of a function. */
#include "block.bpf.h"

FENTRY
int BPF_PROG(block, struct sock *sk)
{
	return 0;
}
