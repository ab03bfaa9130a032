/* SPDX-License-Identifier: GPL-2.0-only */
/* Recording into the histograms of hist.h. */
#pragma once

#include "pinscope.bpf.h"

/*
 * Into a histogram of this CPU. Atomic all the same: a program can be preempted by another
 * on its CPU (since 5.11), and a count must not be lost to that.
 */
static __always_inline void hist_add(struct hist *hist, u32 slot, u64 value)
{
	barrier_var(slot); /* clang knows the bound, the verifier has to see it checked */
	if (slot >= HIST_SLOTS)
		return;
	__sync_fetch_and_add(&hist->slots[slot], 1);
	__sync_fetch_and_add(&hist->sum, value);
	if (value > hist->max)
		hist->max = value;
}

/* The square of a value as minihist.sumsq counts it. */
static __always_inline u64 minihist_square(u64 value)
{
	u64 rounded = (value + (1 << (MINIHIST_SQ_SHIFT - 1))) >> MINIHIST_SQ_SHIFT;

	return rounded * rounded;
}

/* Into a row that has one writer at a time. */
static __always_inline void minihist_add(struct minihist *hist, u32 slot, u64 value)
{
	u64 sumsq = hist->sumsq + minihist_square(value);

	slot = minihist_slot(slot);
	barrier_var(slot);
	if (slot >= MINIHIST_SLOTS)
		return;
	hist->slots[slot]++;
	hist->sumsq = sumsq >= hist->sumsq ? sumsq : ~0ULL;
	hist->sum += value;
	if (value > hist->max)
		hist->max = value;
	if (value < hist->min || !hist->count)
		hist->min = value;
	hist->count++;
}

/* Into a row that several processors may be writing. (min and max may lag when two race.) */
static __always_inline void minihist_add_shared(struct minihist *hist, u32 slot, u64 value)
{
	u64 square = minihist_square(value);

	slot = minihist_slot(slot);
	barrier_var(slot);
	if (slot >= MINIHIST_SLOTS)
		return;
	__sync_fetch_and_add(&hist->slots[slot], 1);
	__sync_fetch_and_add(&hist->sum, value);
	if (hist->sumsq + square < square)
		hist->sumsq = ~0ULL;
	else if (hist->sumsq != ~0ULL)
		__sync_fetch_and_add(&hist->sumsq, square);
	if (value > hist->max)
		hist->max = value;
	if (value < hist->min || !hist->count)
		hist->min = value;
	__sync_fetch_and_add(&hist->count, 1);
}

/*
 * Adds a row's small histogram to one of this CPU, which several programs may be adding to.
 * (min and max may lag when two race; count, sum and slots cannot.)
 */
static __always_inline void minihist_fold(struct minihist *into, const struct minihist *from)
{
	if (!from->count)
		return;
	if (!into->count || from->min < into->min)
		into->min = from->min;
	if (from->max > into->max)
		into->max = from->max;
	__sync_fetch_and_add(&into->count, from->count);
	__sync_fetch_and_add(&into->sum, from->sum);
	__sync_fetch_and_add(&into->sumsq, from->sumsq);
	for (int i = 0; i < MINIHIST_SLOTS; i++)
		if (from->slots[i])
			__sync_fetch_and_add(&into->slots[i], from->slots[i]);
}
