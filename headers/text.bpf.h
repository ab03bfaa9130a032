/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tables as text, for `cat`: a program on iter/bpf_map_elem named MAP_text is pinned as a file
 * named MAP, and prints a line for each row of that map. It is a view for eyes; pipes take
 * the reader's output.
 */
#pragma once

#include "pinscope.bpf.h"
#include "conn.bpf.h"

struct bpf_iter_meta {
	struct seq_file *seq;
	u64 session_id;
	u64 seq_num;
} __attribute__((preserve_access_index));

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	void *value;
} __attribute__((preserve_access_index));

/*
 * Whoever names a process can put anything there: what is no plain character becomes '?'.
 * Without a branch, because the verifier would follow each of 2^15 paths.
 */
static __always_inline comm_t text_comm(const comm_t *comm)
{
	comm_t text = *comm;

	for (int i = 0; i < (int)sizeof(text.name); i++) {
		u32 c = (u8)text.name[i];
		u32 outside = ((c - '!') | ('~' - c)) >> 31; /* 1 if it is */
		u32 change = outside & ~((c - 1) >> 31);     /* but not the NUL */

		barrier_var(change);
		text.name[i] = c ^ ((c ^ '?') & -change);
	}
	text.name[sizeof(text.name) - 1] = 0;
	return text;
}

/* 192.0.2.1:443 or [2001:db8::1]:443, and a blank. */
static __always_inline void text_end(struct seq_file *seq, const ipaddr_t *addr, port_t port)
{
	ipaddr_t copy = *addr;

	if (is_v4(&copy))
		BPF_SEQ_PRINTF(seq, "%pI4:%u ", copy.addr + 12, port);
	else
		BPF_SEQ_PRINTF(seq, "[%pI6]:%u ", copy.addr, port);
}

/* The same without a port and the blank. */
static __always_inline void text_addr(struct seq_file *seq, const ipaddr_t *addr)
{
	ipaddr_t copy = *addr;

	if (is_v4(&copy))
		BPF_SEQ_PRINTF(seq, "%pI4", copy.addr + 12);
	else
		BPF_SEQ_PRINTF(seq, "%pI6", copy.addr);
}

/* count mean max */
static __always_inline void text_latency(struct seq_file *seq, const struct minihist *hist)
{
	u64 mean = hist->count ? hist->sum / hist->count : 0;

	BPF_SEQ_PRINTF(seq, " %llu %llu %llu", hist->count, mean, hist->max);
}
