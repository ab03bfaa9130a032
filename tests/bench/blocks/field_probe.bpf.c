// SPDX-License-Identifier: GPL-2.0-only
/* One member of the socket, read with bpf_probe_read_kernel. */
#include "block.bpf.h"

u32 family;

FENTRY
int BPF_PROG(block, struct sock *sk)
{
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	return 0;
}
