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
#define SERIES_MOST 1024 /* however many the table was given room for */

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

/* `owner` of a series whose device has gone: its row stays. */
static __always_inline u64 series_gone(u64 owner)
{
	return ~owner;
}

/* A device that goes, or leaves its namespace: who has its number next may have another name. */
SEC("fentry/dev_shutdown")
PROTO("void (struct net_device *)")
int BPF_PROG(device_gone, struct net_device *dev)
{
	u32 netns = dev->nd_net.net->ns.inum, ifindex = dev->ifindex;

	for (int i = 0; i < SERIES_MOST; i++) {
		u32 place = i; /* not `i`: the verifier forgets what is in memory */
		struct series *at = bpf_map_lookup_elem(&series, &place);

		if (!at)
			break;
		if (at->netns == netns && at->ifindex == ifindex &&
		    at->slot.owner == series_owner(dev, at->what))
			at->slot.owner = series_gone(at->slot.owner);
	}
	return 0;
}

/* That of a device with the same numbers and name, which has gone. */
static __always_inline struct series *series_again(const struct net_device *dev, u64 owner)
{
	u32 size = slots_size(&series), place = slot_home(owner, size);
	u64 name[2] = {};

	bpf_probe_read_kernel(name, sizeof(name), dev->name);
	for (int i = 0; i < SLOT_WINDOW; i++) {
		struct series *at = bpf_map_lookup_elem(&series, &place);

		if (at && at->slot.owner == series_gone(owner) &&
		    ((u64 *)at->interface)[0] == name[0] && ((u64 *)at->interface)[1] == name[1]) {
			at->slot.owner = owner;
			return at;
		}
		place = slot_next(place, size);
	}
	return NULL;
}

static __noinline u32 series_make(const struct net_device *dev, u32 what, u64 owner)
{
	struct series *made = series_again(dev, owner);

	if (made)
		return made->slot.index + 1;
	made = slot_claim(&series, &claims, owner);
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
