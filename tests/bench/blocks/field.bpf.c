// SPDX-License-Identifier: GPL-2.0-only
/* One member of the socket, read as one load that may fault. */
#include "block.bpf.h"

u32 family;

FENTRY
int BPF_PROG(block, struct sock *sk)
{
	family = sk->__sk_common.skc_family;
	return 0;
}
