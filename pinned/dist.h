/* SPDX-License-Identifier: GPL-2.0-only */
/* A histogram of either size, as the printers and filters want it. */
#pragma once

#include "model.h"

enum stat {
	STAT_VALUE, /* the cell itself */
	STAT_COUNT,
	STAT_SUM,
	STAT_MEAN,
	STAT_STDDEV,
	STAT_MIN,
	STAT_P50,
	STAT_P90,
	STAT_P99,
	STAT_P999,
	STAT_MAX,
	N_STATS,
};
extern const char *const stat_names[N_STATS];

struct bounds {
	u64 lo, hi;
};

struct dist {
	bool mini;
	u64 count, sum;
	double sumsq;		/* ns^2; negative: overflowed */
	struct bounds min, max; /* equal where the very value is known */
	unsigned int n;		/* slots in use, in ascending order */
	struct dist_slot {
		struct bounds in;
		u64 count;
	} slots[HIST_SLOTS];
};

void dist_read(struct dist *d, const struct column *c, const struct row *r);

/* These need d->count. */
struct bounds dist_percentile(const struct dist *d, unsigned int per_mille);
u64 bounds_middle(const struct dist *d, struct bounds b);
double dist_mean(const struct dist *d);

/* The standard deviation; NAN when it is not known. */
double dist_stddev(const struct dist *d);
/* All but mean and stddev are whole numbers; false when there is no such number. */
bool dist_integer(const struct dist *d, enum stat stat, u64 *v);
/* Any of them; NAN when there is no such number (no samples, overflowed, not kept). */
double dist_stat(const struct dist *d, enum stat stat);
