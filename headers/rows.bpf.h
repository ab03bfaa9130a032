/* SPDX-License-Identifier: GPL-2.0-only */
/* Tables that are hash maps, whose rows are made when they are first needed. */
#pragma once

#include "pinscope.bpf.h"

/*
 * Made of zero, if it is not there. NULL: the table is full. (The compiler clears zero before it looks, so probes whose
 * rows are found at each event look first.)
 */
static __always_inline void *row_or_new(void *table, const void *key, const void *zero)
{
	void *row = bpf_map_lookup_elem(table, key);

	if (row)
		return row;
	bpf_map_update_elem(table, key, zero, BPF_NOEXIST);
	return bpf_map_lookup_elem(table, key);
}
