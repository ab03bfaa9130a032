// SPDX-License-Identifier: GPL-2.0-only
/* Without an argument: checks headers/hist.h. With one: prints "value slot" of every bound. */
#include <stdio.h>
#include <stdlib.h>

#include "../fixture/bounds.h"

static void check(int ok, const char *what, u64 v)
{
	if (ok)
		return;
	printf("%s is wrong at %llu\n", what, (unsigned long long)v);
	exit(1);
}

/* What the header says in words, by division instead of shifts. */
static u32 slot_by_search(u64 v)
{
	u64 low = HIST_SUB;
	u32 slot = HIST_SUB;

	if (v < HIST_SUB)
		return v;
	while (v / low >= 2) {
		low *= 2;
		slot += HIST_SUB;
	}
	return slot + (v - low) / (low / HIST_SUB);
}

static void check_value(u64 v)
{
	u32 slot = hist_slot(v);

	check(slot < HIST_SLOTS, "range", v);
	check(slot == slot_by_search(v), "hist_slot", v);
	check(hist_slot_min(slot) <= v && v <= hist_slot_max(slot), "bounds", v);
	/* A value's slot in the small one is where its power of two belongs. */
	check(minihist_slot_max(minihist_slot(slot)) >= v, "minihist_slot_max", v);
	check(minihist_slot_min(minihist_slot(slot)) <= v, "minihist_slot_min", v);
}

int main(int argc, char **argv)
{
	(void)argv;
	for (u32 slot = 0; slot < HIST_SLOTS; slot++) {
		u64 lo = hist_slot_min(slot), hi = hist_slot_max(slot);

		check(hist_slot(lo) == slot && hist_slot(hi) == slot, "own slot", lo);
		check(slot + 1 == HIST_SLOTS || hi + 1 == hist_slot_min(slot + 1), "gap", hi);
		check(slot < HIST_SUB || (hi - lo) <= lo / HIST_SUB, "width", lo);
	}
	for (u32 i = 0; i < N_BOUNDS; i++) {
		check_value(bound_value(i));
		if (argc > 1)
			printf("%llu %u\n", (unsigned long long)bound_value(i),
			       hist_slot(bound_value(i)));
	}
	return 0;
}
