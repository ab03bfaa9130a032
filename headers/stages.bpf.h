/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long packets were in each stage of their way, by interface and sort of packet. The probe says
 * first what its stages are (enum stage, with STAGES) and how it labels a row besides (STAGE_LABEL).
 */
#pragma once

#ifndef PACKET_BITS
#define PACKET_BITS 14 /* packets under way, all in all: 2^14 places for them */
#endif

#include "hist.bpf.h"
#include "loss.bpf.h"
#include "series.bpf.h"

enum family {
	FAMILY_OTHER,
	FAMILY_IPV4,
	FAMILY_IPV6,
};

enum protocol {
	PROTOCOL_OTHER,
	PROTOCOL_TCP,
	PROTOCOL_UDP,
};

/* What a series is of: two bits each, and what the probe adds above. */
static __always_inline u32 what_of(u32 family, u32 protocol)
{
	return protocol << 2 | family;
}

struct seen {
	u64 row;
} INTERNAL;

struct row {
	struct seen seen; /* 0: not used */
	netns_t netns;
	ifindex_t ifindex;
	char interface[16];
	enum family family;
	enum protocol protocol;
	STAGE_LABEL;
	enum stage stage;
	nsec_hist_t delay;
};

/* A row for each stage of each series. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SERIES *STAGES);
	__type(key, u32);
	__type(value, struct row);
} stages SEC(".maps") STAGED HELP("time in each stage, by interface and sort of packet");

/* The number of the first row of a packet's series. */
static __always_inline u32 rows_of(const struct net_device *dev, u32 what)
{
	u32 number = series_of(dev, what);

	if (number && (number + 1) * STAGES <= slots_size(&stages))
		return number * STAGES;
	LOSE(table_full);
	return 0;
}

/* The probe's own label. */
static void row_label(struct row *row, u32 what);

static __noinline int row_name(struct row *row, u32 rows, u32 stage)
{
	struct series *from = series_at(rows / STAGES);

	row->stage = stage;
	if (from) {
		row->netns = from->netns;
		row->ifindex = from->ifindex;
		row->family = from->what & 3;
		row->protocol = from->what >> 2 & 3;
		row_label(row, from->what);
		__builtin_memcpy(row->interface, from->interface, sizeof(row->interface));
	} else {
		__builtin_memcpy(row->interface, "rest", 5);
	}
	row->seen.row = 1;
	return 0;
}

/* False: it began after its end (two processors wrote one place), and is nothing but a loss. */
static __always_inline bool record(u32 rows, u32 stage, u64 since, u64 until)
{
	u32 at = rows + stage;
	struct row *row = bpf_map_lookup_elem(&stages, &at);

	if (!row)
		return true;
	if (until < since) {
		LOSE(backwards);
		return false;
	}
	if (!row->seen.row)
		row_name(row, rows, stage);
	hist_add(&row->delay, hist_slot(until - since), until - since);
	return true;
}

/*
 * A hash of an object's address, of which the upper bits are its place in a plain array: global data
 * is found without a lookup. The later object takes the place from the earlier.
 */
static __always_inline u32 place_hash(u64 object)
{
	return (slot_number(object) >> 6) * 0x9e3779b1;
}

static __always_inline u32 place_of(u64 object, u32 bits)
{
	return (u64)place_hash(object) >> (32 - bits);
}

/*
 * True once in `n` times (or always: 0, 1), by a sequence of numbers that each place has of its own, with
 * what is odd in its hash as increment (a linear congruential generator): no helper takes so little.
 */
static __always_inline bool one_in(u32 n, u32 *random, u32 hash)
{
	*random = *random * 1664525 + (hash | 1);
	return (u64)*random * n >> 32 == 0;
}
