// SPDX-License-Identifier: GPL-2.0-only
/* A value into a log-linear histogram in a per-CPU array (headers/hist.bpf.h). */
#include "block.bpf.h"
#include "hist.bpf.h"

u64 value = 30000;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct hist);
} map SEC(".maps");

FENTRY
int BPF_PROG(block, struct sock *sk)
{
	u64 ns = *(volatile u64 *)&value;
	u32 key = 0;
	struct hist *hist = bpf_map_lookup_elem(&map, &key);

	if (hist)
		hist_add(hist, hist_slot(ns), ns);
	return 0;
}
