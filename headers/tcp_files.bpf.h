/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TCP sockets that are older than a probe, found by the files that processes have open (iter/task_file),
 * and those processes.
 */
#pragma once

#include "pinscope.bpf.h"
#include "config.bpf.h"

/*
 * The socket behind an open file, if it is in one of these states (bits by their numbers), or NULL. Only the
 * verifier does not know what it is.
 */
static __always_inline struct tcp_sock *file_tcp(struct file *file, u32 states)
{
	struct socket *socket = file->private_data;
	struct sock *sk;
	u16 family;

	if (file->f_inode->i_sb->s_magic != SOCKFS_MAGIC)
		return NULL;
	if (BPF_CORE_READ(socket, type) != SOCK_STREAM)
		return NULL;
	sk = BPF_CORE_READ(socket, sk);
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if ((family != AF_INET && family != AF_INET6) ||
	    BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return NULL;
	return 1 << (BPF_CORE_READ(sk, __sk_common.skc_state) & 15) & states ? (struct tcp_sock *)sk
									     : NULL;
}

/* Whether the process that has it open is one to keep. */
static __always_inline bool filter_opener(const struct filter *filter, struct task_struct *task)
{
	if (filter->active & FILTER_PID && filter->pid != (tgid_t)task->tgid)
		return false;
	return !(filter->active & FILTER_CGROUP) ||
	       filter->cgroup == task->cgroups->dfl_cgrp->kn->id;
}
