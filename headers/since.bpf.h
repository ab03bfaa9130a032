/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * When an object of the kernel (a packet, an I/O request) passed a place, kept until it passes the
 * next: an array in which each has one place, by its address.
 *
 * A hash would cost 775 instructions an object to insert and delete, this costs 18 twice
 * (docs/cost.md), and nothing is left behind by objects that never arrive. In exchange two of
 * them may have the same place: the later one takes it, and the other's time is lost, which the
 * caller counts. With N under way a time is lost with a probability of about N / entries.
 *
 * Every object that passes the first place must be noted, those that are not measured with time 0:
 * then a time is never taken for that of an earlier object at the same address. (If two processors
 * write one place at once, the time in it may be the other's, which was read in the same moment.)
 */
#pragma once

#include "slots.bpf.h"

#define SINCE_LOST 1ULL

struct since {
	u64 object;
	u64 time;
};

#define SINCES(name, entries)                                                                      \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                  \
		__uint(max_entries, entries);                                                      \
		__type(key, u32);                                                                  \
		__type(value, struct since);                                                       \
	} name SEC(".maps") INTERNAL

static __always_inline void since_note(void *table, const void *object, u64 time)
{
	struct since *entry = slot_place(table, (u64)object);

	if (!entry)
		return;
	entry->object = (u64)object;
	entry->time = time;
}

/* When it was noted; 0: it was not to be measured; SINCE_LOST: that is not known. */
static __always_inline u64 since_of(void *table, const void *object)
{
	struct since *entry = slot_place(table, (u64)object);

	return entry && entry->object == (u64)object ? entry->time : SINCE_LOST;
}
