/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long packets were in each stage of their way, by interface and sort of packet. The probe says
 * first what its stages are (enum stage, with STAGES) and how it labels a row besides (STAGE_LABEL).
 */
#pragma once

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

/* Not static: the verifier looks at it once, and not for each of its callers. */
__noinline int record(u32 rows, u32 stage, u64 since, u64 until)
{
	u32 at = rows + stage;
	struct row *row = bpf_map_lookup_elem(&stages, &at);

	if (!row)
		return 0;
	if (until < since) {
		LOSE(backwards);
		return 0;
	}
	if (!row->seen.row)
		row_name(row, rows, stage);
	hist_add(&row->delay, hist_slot(until - since), until - since);
	return 0;
}
