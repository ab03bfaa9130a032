/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Log-linear histograms, one definition for the kernel side and the reader.
 *
 * Each power of two is cut in 8 linear slots, over the whole range of a u64:
 * values 0..7 have a slot each, then slot 8(e-2)+m holds the values v with
 * 2^e <= v < 2^(e+1) whose three bits after the leading one are m. A slot is at
 * most 1/8 of its lower bound wide, so its middle is within 6.25 % of every value in
 * it. (The scheme is that of HDR histograms with 3 bits of mantissa.)
 */
#pragma once

#include "types.h"

#define HIST_SUB_BITS 3
#define HIST_SUB      (1 << HIST_SUB_BITS)
#define HIST_SLOTS    ((64 - HIST_SUB_BITS + 1) * HIST_SUB)

/*
 * Unit: that of the typedef under which a map uses it (nsec_hist_t: nanoseconds).
 * The number of values is the sum of the slots. max may lag when two programs race
 * for it on one CPU; readers bound it by the highest slot in use.
 */
struct hist {
	u64 sum;
	u64 max;
	u64 slots[HIST_SLOTS];
};
typedef struct hist nsec_hist_t;
typedef struct hist bytes_hist_t;
typedef struct hist count_hist_t;

/*
 * The small one, kept per row of a table: nanoseconds, one slot for each power of
 * two from 2^MINIHIST_MIN_EXP (1.024 us) on; the first slot also holds everything
 * below, the last (from 2^35 ns, 34 s) everything above. It has one writer at a
 * time (the probe says why), so its count, mean and deviation are exact.
 */
#define MINIHIST_MIN_EXP  10
#define MINIHIST_SLOTS	  26
#define MINIHIST_SQ_SHIFT 10

struct minihist {
	u64 count;
	u64 sum;   /* ns */
	u64 min;   /* ns; 0 while count is 0 */
	u64 max;   /* ns */
	u64 sumsq; /* sum of squares, each value rounded to 2^10 ns; U64_MAX: overflowed */
	u32 slots[MINIHIST_SLOTS];
	u32 pad;
};
typedef struct minihist nsec_minihist_t;

/* Position of the highest bit set; v must not be 0. BPF has no such instruction. */
static inline u32 log2_u64(u64 v)
{
	u32 n = 0;

	if (v >> 32) {
		v >>= 32;
		n += 32;
	}
	if (v >> 16) {
		v >>= 16;
		n += 16;
	}
	if (v >> 8) {
		v >>= 8;
		n += 8;
	}
	if (v >> 4) {
		v >>= 4;
		n += 4;
	}
	if (v >> 2) {
		v >>= 2;
		n += 2;
	}
	return n + (v >> 1);
}

#ifndef barrier_var
#define barrier_var(var) /* for BPF only */
#endif

/* One step of hist_slot: halves `v` so many times, if that leaves HIST_SUB_BITS and a bit. */
static inline u64 hist_halve(u64 v, u32 times, u32 *halved)
{
	if (v >> (times + HIST_SUB_BITS)) {
		v >>= times;
		*halved += times;
		/* Keeps this one branch: clang prefers two selects, which in BPF are two branches. */
		barrier_var(v);
	}
	return v;
}

/*
 * The slot of a value: 0..HIST_SLOTS-1. Halved until only HIST_SUB_BITS are left behind its
 * leading bit, a value is at once the slot within its power of two (with that bit: one HIST_SUB more).
 */
static inline u32 hist_slot(u64 v)
{
	u32 halved = 0;

	v = hist_halve(v, 32, &halved);
	v = hist_halve(v, 16, &halved);
	v = hist_halve(v, 8, &halved);
	v = hist_halve(v, 4, &halved);
	v = hist_halve(v, 2, &halved);
	v = hist_halve(v, 1, &halved);
	return halved * HIST_SUB + v;
}

/* The lowest value of a slot. */
static inline u64 hist_slot_min(u32 slot)
{
	u32 exp = slot / HIST_SUB + HIST_SUB_BITS - 1;

	if (slot < HIST_SUB)
		return slot;
	return (u64)(HIST_SUB + slot % HIST_SUB) << (exp - HIST_SUB_BITS);
}

/* The highest value of a slot: inclusive, as Prometheus wants `le`. */
static inline u64 hist_slot_max(u32 slot)
{
	return slot + 1 < HIST_SLOTS ? hist_slot_min(slot + 1) - 1 : ~0ULL;
}

/* The slot of the small histogram that holds what hist slot `slot` holds. */
static inline u32 minihist_slot(u32 slot)
{
	u32 exp = slot / HIST_SUB + HIST_SUB_BITS - 1;

	if (exp <= MINIHIST_MIN_EXP)
		return 0;
	if (exp >= MINIHIST_MIN_EXP + MINIHIST_SLOTS)
		return MINIHIST_SLOTS - 1;
	return exp - MINIHIST_MIN_EXP;
}

/* Bounds of a slot of the small histogram, both inclusive. */
static inline u64 minihist_slot_min(u32 slot)
{
	return slot ? 1ULL << (slot + MINIHIST_MIN_EXP) : 0;
}

static inline u64 minihist_slot_max(u32 slot)
{
	return slot + 1 < MINIHIST_SLOTS ? minihist_slot_min(slot + 1) - 1 : ~0ULL;
}
