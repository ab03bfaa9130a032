// SPDX-License-Identifier: GPL-2.0-only
/* Who is current: its pid and its name. */
#include "block.bpf.h"

comm_t comm;
u32 pid;

FENTRY
int BPF_PROG(block, struct sock *sk)
{
	pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(&comm, sizeof(comm));
	return 0;
}
