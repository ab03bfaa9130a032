// SPDX-License-Identifier: GPL-2.0-only
/* A record of 64 bytes into a ring buffer that nobody reads. */
#include "block.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 24);
} map SEC(".maps");

FENTRY
int BPF_PROG(block, struct sock *sk)
{
	u64 *record = bpf_ringbuf_reserve(&map, 64, 0);

	if (!record)
		return 0;
	*record = (u64)sk;
	bpf_ringbuf_submit(record, 0);
	return 0;
}
