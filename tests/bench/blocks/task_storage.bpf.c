// SPDX-License-Identifier: GPL-2.0-only
/* A hit in task storage. */
#include "block.bpf.h"

#define BPF_MAP_TYPE_TASK_STORAGE 29

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, u64);
} map SEC(".maps");

FENTRY
int BPF_PROG(block, struct sock *sk)
{
	u64 *value = bpf_task_storage_get(&map, bpf_get_current_task_btf(), 0,
					  BPF_SK_STORAGE_GET_F_CREATE);

	if (value)
		++*value;
	return 0;
}
