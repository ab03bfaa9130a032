// SPDX-License-Identifier: GPL-2.0-only
/* Two empty programs at the entry of one function. */
#include "block.bpf.h"

FENTRY
int BPF_PROG(first, struct sock *sk)
{
	return 0;
}

FENTRY
int BPF_PROG(second, struct sock *sk)
{
	return 0;
}
