// SPDX-License-Identifier: GPL-2.0-only
/* A hit in an LRU hash with a key of 8 bytes. */
#include "block.bpf.h"

#define BPF_MAP_TYPE_LRU_HASH 9

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, u64);
	__type(value, u64);
} map SEC(".maps");

FENTRY
int BPF_PROG(block, struct sock *sk)
{
	u64 key = (u64)sk;
	u64 *value = bpf_map_lookup_elem(&map, &key);

	if (value)
		++*value;
	else
		bpf_map_update_elem(&map, &key, &(u64){1}, BPF_NOEXIST);
	return 0;
}
