/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a packet belongs to, as a small number: its interface, and what else a probe tells apart.
 * Found once a packet, it says in which rows of a flat per-CPU array its stages are recorded.
 */
#pragma once

#include "slots.bpf.h"

#ifndef SERIES
#define SERIES 64 /* with the rest, which is number 0 */
#endif

struct series {
	struct slot slot;
	netns_t netns;
	ifindex_t ifindex;
	char interface[16];
	u32 what; /* the probe's own */
	u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SERIES - 1);
	__type(key, u32);
	__type(value, struct series);
} series SEC(".maps") INTERNAL;

CLAIMS(claims, SERIES);

/* Different for all that differ (what < 2^8, interface numbers < 2^24), and well spread. */
static __always_inline u64 series_owner(const struct net_device *dev, u32 what)
{
	u64 owner = (u64)dev->nd_net.net->ns.inum << 32 | (u32)dev->ifindex << 8 | what;

	owner ^= owner >> 32;
	return owner * 0x9e3779b97f4a7c15ULL;
}

static __noinline u32 series_make(const struct net_device *dev, u32 what, u64 owner)
{
	struct series *made = slot_claim(&series, &claims, owner);

	if (!made)
		return 0;
	made->netns = dev->nd_net.net->ns.inum;
	made->ifindex = dev->ifindex;
	made->what = what;
	bpf_probe_read_kernel(made->interface, sizeof(made->interface), dev->name);
	made->slot.owner = owner;
	return made->slot.index + 1;
}

/* 0: there is no room for another. */
static __always_inline u32 series_of(const struct net_device *dev, u32 what)
{
	u64 owner = series_owner(dev, what);
	struct series *found = slot_find(&series, owner);

	return found ? found->slot.index + 1 : series_make(dev, what, owner);
}

/* NULL: the rest. */
static __always_inline struct series *series_at(u32 number)
{
	u32 at = number - 1;

	return number ? bpf_map_lookup_elem(&series, &at) : NULL;
}
