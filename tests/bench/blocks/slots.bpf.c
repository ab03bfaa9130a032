// SPDX-License-Identifier: GPL-2.0-only
/* A hit, at its home, in the flat table of headers/slots.bpf.h. */
#include "block.bpf.h"
#include "slots.bpf.h"

struct row {
	struct slot slot;
	u64 count;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, struct row);
} map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, u64);
} claims SEC(".maps");

FENTRY
int BPF_PROG(block, struct sock *sk)
{
	struct row *row = slot_find(&map, (u64)sk);

	if (!row)
		row = slot_claim(&map, &claims, (u64)sk);
	if (!row)
		return 0;
	row->slot.owner = (u64)sk;
	row->count++;
	return 0;
}
