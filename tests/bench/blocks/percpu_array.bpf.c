// SPDX-License-Identifier: GPL-2.0-only
/* One element of a per-CPU array. */
#include "block.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} map SEC(".maps");

FENTRY
int BPF_PROG(block, struct sock *sk)
{
	u32 key = 0;
	u64 *value = bpf_map_lookup_elem(&map, &key);

	if (value)
		++*value;
	return 0;
}
