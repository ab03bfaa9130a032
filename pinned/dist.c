// SPDX-License-Identifier: GPL-2.0-only
#include <math.h>

#include "dist.h"

const char *const stat_names[N_STATS] = {
	[STAT_VALUE] = "value",	  [STAT_COUNT] = "count", [STAT_SUM] = "sum", [STAT_MEAN] = "mean",
	[STAT_STDDEV] = "stddev", [STAT_MIN] = "min",	  [STAT_P50] = "p50", [STAT_P90] = "p90",
	[STAT_P99] = "p99",	  [STAT_P999] = "p999",	  [STAT_MAX] = "max",
};

static void add_slot(struct dist *d, u64 lo, u64 hi, u64 count)
{
	if (count)
		d->slots[d->n++] = (struct dist_slot){{lo, hi}, count};
}

static u64 clamp_to(struct bounds b, u64 v)
{
	return v < b.lo ? b.lo : v > b.hi ? b.hi : v;
}

static void read_hist(struct dist *d, const struct hist *h)
{
	d->sum = h->sum;
	for (u32 i = 0; i < HIST_SLOTS; i++) {
		add_slot(d, hist_slot_min(i), hist_slot_max(i), h->slots[i]);
		d->count += h->slots[i];
	}
}

static void read_minihist(struct dist *d, const struct minihist *h)
{
	d->sum = h->sum;
	d->count = h->count;
	d->sumsq = h->sumsq == ~0ULL ? -1 : ldexp(h->sumsq, 2 * MINIHIST_SQ_SHIFT);
	for (u32 i = 0; i < MINIHIST_SLOTS; i++)
		add_slot(d, minihist_slot_min(i), minihist_slot_max(i), h->slots[i]);
}

/* The slots say where the extremes are; what the probe kept says it better. */
static void read_extremes(struct dist *d, u64 min, u64 max)
{
	struct bounds low = d->slots[0].in, high = d->slots[d->n - 1].in;

	d->min = low;
	d->max = high;
	if (max)
		d->max.lo = d->max.hi = clamp_to(high, max);
	if (min != ~0ULL && d->mini)
		d->min.lo = d->min.hi = clamp_to(low, min);
}

void dist_read(struct dist *d, const struct column *c, const struct row *r)
{
	const struct minihist *mini = (const struct minihist *)cell(c, r);
	const struct hist *hist = (const struct hist *)mini;

	d->mini = c->format == FMT_MINIHIST;
	d->count = d->n = 0;
	d->sumsq = -1;
	d->min = d->max = (struct bounds){};
	if (d->mini)
		read_minihist(d, mini);
	else
		read_hist(d, hist);
	/* A value caught between its count and its slot has no distribution yet. */
	if (!d->n)
		d->count = 0;
	if (d->count)
		read_extremes(d, d->mini ? mini->min : 0, d->mini ? mini->max : hist->max);
}

struct bounds dist_percentile(const struct dist *d, unsigned int per_mille)
{
	u64 total = 0, seen = 0, rank;
	unsigned int i;

	for (i = 0; i < d->n; i++)
		total += d->slots[i].count;
	/* The smallest value that at least this share of all values does not exceed. */
	rank = ceill((long double)total * per_mille / 1000);
	for (i = 0; i + 1 < d->n; i++) {
		seen += d->slots[i].count;
		if (seen >= rank)
			break;
	}
	return d->slots[i].in;
}

u64 bounds_middle(const struct dist *d, struct bounds b)
{
	u64 middle = b.lo + (b.hi - b.lo) / 2;

	return clamp_to((struct bounds){d->min.lo, d->max.hi}, middle);
}

double dist_mean(const struct dist *d)
{
	return (double)d->sum / d->count;
}

double dist_stddev(const struct dist *d)
{
	long double mean, variance, most;

	if (!d->count || d->sumsq < 0)
		return NAN;
	mean = (long double)d->sum / d->count;
	/* Sheppard: rounding to multiples of h adds h^2/12 to the variance. */
	variance = d->sumsq / d->count - mean * mean - ldexpl(1, 2 * MINIHIST_SQ_SHIFT) / 12;
	/* What was rounded weighs when there are few values: no deviation is above half the range. */
	most = (d->max.hi - d->min.lo) / 2.0L;
	return variance <= 0 ? 0 : sqrtl(variance) > most ? most : sqrtl(variance);
}

bool dist_integer(const struct dist *d, enum stat stat, u64 *v)
{
	static const unsigned int per_mille[N_STATS] = {
		[STAT_P50] = 500, [STAT_P90] = 900, [STAT_P99] = 990, [STAT_P999] = 999};

	if (stat == STAT_COUNT || stat == STAT_SUM) {
		*v = stat == STAT_COUNT ? d->count : d->sum;
		return true;
	}
	if (!d->count)
		return false;
	if (per_mille[stat])
		*v = bounds_middle(d, dist_percentile(d, per_mille[stat]));
	else
		*v = stat == STAT_MIN ? d->min.hi : d->max.hi;
	return stat != STAT_MIN || d->min.lo == d->min.hi;
}

double dist_stat(const struct dist *d, enum stat stat)
{
	u64 v;

	if (stat == STAT_STDDEV)
		return dist_stddev(d);
	if (stat == STAT_MEAN)
		return d->count ? dist_mean(d) : NAN;
	return dist_integer(d, stat, &v) ? v : NAN;
}
