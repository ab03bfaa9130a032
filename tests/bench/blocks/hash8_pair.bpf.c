// SPDX-License-Identifier: GPL-2.0-only
/* An insertion and a deletion in a hash with a key of 8 bytes. */
#include "block.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, u64);
	__type(value, u64);
} map SEC(".maps");

FENTRY
int BPF_PROG(block, struct sock *sk)
{
	u64 key = (u64)sk;

	bpf_map_update_elem(&map, &key, &key, BPF_ANY);
	bpf_map_delete_elem(&map, &key);
	return 0;
}
