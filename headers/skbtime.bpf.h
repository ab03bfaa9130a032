/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * When a packet passed a place, kept until it passes the next: an array in which each packet has
 * one place, by the address of its sk_buff.
 *
 * A hash would cost 775 instructions a packet to insert and delete, this costs 18 twice
 * (docs/cost.md), and nothing is left behind by packets that never arrive. In exchange two
 * packets may have the same place: the later one takes it, and the other's time is lost, which the
 * caller counts. With N packets under way a time is lost with a probability of about N / entries.
 *
 * Every packet that passes the first place must be noted, those that are not measured with time 0:
 * then a time is never taken for that of an earlier packet at the same address. (If two processors
 * write one place at once, the time in it may be the other's, which was read in the same moment.)
 */
#pragma once

#include "slots.bpf.h"

#define SKBTIME_LOST 1ULL

struct skbtime {
	u64 skb;
	u64 time;
};

static __always_inline void skbtime_note(void *table, struct sk_buff *skb, u64 time)
{
	struct skbtime *entry = slot_place(table, (u64)skb);

	if (!entry)
		return;
	entry->skb = (u64)skb;
	entry->time = time;
}

/* When it was noted; 0: it was not to be measured; SKBTIME_LOST: that is not known. */
static __always_inline u64 skbtime_of(void *table, struct sk_buff *skb)
{
	struct skbtime *entry = slot_place(table, (u64)skb);

	return entry && entry->skb == (u64)skb ? entry->time : SKBTIME_LOST;
}
