/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A table of rows found by the address of a kernel object (a socket), in a plain array map.
 *
 * Why not a hash map, or socket storage: finding a row costs 38 instructions here, 53 (6.12) to 75
 * (6.1) in BPF_MAP_TYPE_SK_STORAGE, which 5.10 does not offer to tracing programs and which
 * no reader can walk, and 130 to 151 in a hash with an 8-byte key (docs/cost.md). A
 * probe that meets a row at each send, segment and read pays that three times a request.
 *
 * A row lives within SLOT_WINDOW places of its owner's home. Taking a place is decided by
 * inserting its index in a small hash, `claims`, which works on every kernel (5.10 has no
 * compare-and-exchange). Everything that touches one owner's row must be serialised by the
 * owner's own lock; rows of different owners need no order.
 *
 * A freed row keeps its numbers until its place is needed, so that what has just ended can
 * still be read; the caller folds it somewhere before it uses the place again.
 */
#pragma once

#include "pinscope.bpf.h"

#define SLOT_WINDOW 8
#define SLOT_FREED  1ULL /* `owner` of a row that has ended */

/* The first member of a row. */
struct slot {
	u64 owner; /* 0: never used */
	u32 index;
	u32 freed; /* when, in units of 65 us: comparable for three days */
} INTERNAL;

/* The claims of a table, with room for as many. */
#define CLAIMS(name, entries)                                                                      \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_HASH);                                                   \
		__uint(max_entries, entries);                                                      \
		__type(key, u32);                                                                  \
		__type(value, u64);                                                                \
	} name SEC(".maps") INTERNAL

/* Places that have a number each, and whose owners' rows are in other tables. */
#define PLACES(name, entries)                                                                      \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                  \
		__uint(max_entries, entries);                                                      \
		__type(key, u32);                                                                  \
		__type(value, struct slot);                                                        \
	} name SEC(".maps") INTERNAL

/* Owners whose row is being made, where nothing else serialises that. */
#define MAKING(name)                                                                               \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_HASH);                                                   \
		__uint(max_entries, 1024);                                                         \
		__type(key, u64);                                                                  \
		__type(value, u32);                                                                \
	} name SEC(".maps") INTERNAL

static __always_inline u32 slots_size(void *table)
{
	return ((struct bpf_map *)table)->max_entries;
}

/* The verifier forbids arithmetic on a pointer, but a 32-bit copy of it is a number. */
static __always_inline u32 slot_number(u64 pointer)
{
	u32 number;

	asm volatile("%0 = %1" : "=&w"(number) : "w"((u32)pointer));
	return number;
}

static __always_inline u32 slot_home(u64 owner, u32 size)
{
	u32 hash = slot_number(owner);

	hash = (hash >> 6) * 0x9e3779b1; /* multiplicative hashing, Knuth 6.4 */
	return (u64)hash * size >> 32;
}

static __always_inline u32 slot_after(u32 at, u32 steps, u32 size)
{
	at += steps;
	return at < size ? at : at - size;
}

static __always_inline u32 slot_next(u32 at, u32 size)
{
	return slot_after(at, 1, size);
}

/* A place that `owner` shares with whoever has the same: the later one takes it. */
static __always_inline void *slot_place(void *table, u64 owner)
{
	u32 at = slot_home(owner, slots_size(table));

	return bpf_map_lookup_elem(table, &at);
}

/* The other places of the window; out of line, because the first is nearly always right. */
static __noinline void *slot_search(void *table, u64 owner, u32 at, u32 size)
{
	for (int i = 1; i < SLOT_WINDOW; i++) {
		struct slot *slot;

		at = slot_next(at, size);
		slot = bpf_map_lookup_elem(table, &at);
		if (slot && slot->owner == owner)
			return slot;
	}
	return NULL;
}

/* The row of `owner`, or NULL. */
static __always_inline void *slot_find(void *table, u64 owner)
{
	u32 size = slots_size(table), at = slot_home(owner, size);
	struct slot *slot = bpf_map_lookup_elem(table, &at);

	if (slot && slot->owner == owner)
		return slot;
	return slot_search(table, owner, at, size);
}

/* Which of the window is to be tried first: one never used, else the one that was freed longest ago. */
static __noinline u32 slot_oldest(void *table, u32 at, u32 size)
{
	u32 now = bpf_ktime_get_ns() >> 16, oldest = 0, age = 0;

	for (u32 i = 0; i < SLOT_WINDOW; i++) {
		struct slot *slot = bpf_map_lookup_elem(table, &at);

		if (slot && !slot->owner)
			return i;
		if (slot && slot->owner == SLOT_FREED && now - slot->freed >= age) {
			age = now - slot->freed;
			oldest = i;
		}
		at = slot_next(at, size);
	}
	return oldest;
}

/*
 * A place for `owner`, or NULL if the window is full of rows in use. The caller initialises
 * the rest of the row and then sets slot->owner, which makes it found; a place that held a
 * row which has ended still holds it (slot->owner is SLOT_FREED).
 */
static __always_inline void *slot_claim(void *table, void *claims, u64 owner)
{
	u32 size = slots_size(table), home = slot_home(owner, size);
	u32 first = slot_oldest(table, home, size);

	/* The others follow, in case that one is taken meanwhile. */
	for (u32 i = 0; i < SLOT_WINDOW; i++) {
		u32 at = slot_after(home, (first + i) % SLOT_WINDOW, size);
		struct slot *slot = bpf_map_lookup_elem(table, &at);

		if (slot && slot->owner <= SLOT_FREED &&
		    !bpf_map_update_elem(claims, &at, &owner, BPF_NOEXIST)) {
			slot->index = at;
			return slot;
		}
	}
	return NULL;
}

/*
 * A place for `owner`, whose row lives as long as the table, where nothing serialises those who
 * make it. All look for it in the same order, so one of them gets it; NULL for the others, as if
 * the table were full: once it is made they find the row.
 */
static __always_inline void *slot_claim_shared(void *table, void *claims, u64 owner)
{
	u32 size = slots_size(table), at = slot_home(owner, size);

	for (int i = 0; i < SLOT_WINDOW; i++) {
		struct slot *slot = bpf_map_lookup_elem(table, &at);
		u64 *holder;

		if (slot && !bpf_map_update_elem(claims, &at, &owner, BPF_NOEXIST)) {
			slot->index = at;
			return slot;
		}
		holder = bpf_map_lookup_elem(claims, &at);
		if (holder && *holder == owner)
			break;
		at = slot_next(at, size);
	}
	return NULL;
}

static __always_inline void slot_leave(struct slot *slot, void *claims, u64 mark)
{
	u32 at = slot->index;

	slot->freed = bpf_ktime_get_ns() >> 16;
	slot->owner = mark;
	bpf_map_delete_elem(claims, &at);
}

static __always_inline void slot_free(struct slot *slot, void *claims)
{
	slot_leave(slot, claims, SLOT_FREED);
}

/* The same for a row whose numbers are not to be kept. */
static __always_inline void slot_drop(struct slot *slot, void *claims)
{
	slot_leave(slot, claims, 0);
}
