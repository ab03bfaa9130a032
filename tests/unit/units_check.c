// SPDX-License-Identifier: GPL-2.0-only
/* What people write and what they get back. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../pinned/dist.h"
#include "../../pinned/units.h"

static int failed;

static void expect(const char *what, const char *got, const char *wanted)
{
	if (!strcmp(got, wanted))
		return;
	printf("%s: got '%s', wanted '%s'\n", what, got, wanted);
	failed = 1;
}

static const char *text_of(struct out *o)
{
	*out_room(o, 1) = 0;
	return o->buf;
}

static void whole(const char *text, enum unit unit, const char *wanted)
{
	struct out o;
	u64 v;

	out_open(&o, -1);
	if (parse_whole(text, unit, &v))
		out_str(&o, "refused");
	else
		out_u64(&o, v);
	expect(text, text_of(&o), wanted);
	out_close(&o);
}

static void exact(u64 v, enum unit unit, const char *wanted)
{
	struct out o;
	u64 back;

	out_open(&o, -1);
	print_exact(&o, v, unit);
	expect("print_exact", text_of(&o), wanted);
	if (parse_whole(text_of(&o), unit, &back) || back != v)
		expect("parsed back", "something else", wanted);
	out_close(&o);
}

static void human(double v, enum unit unit, const char *wanted)
{
	struct out o;

	out_open(&o, -1);
	print_human(&o, v, unit);
	expect("print_human", text_of(&o), wanted);
	out_close(&o);
}

static void prefix(const char *text, const char *wanted)
{
	u8 addr[16] = {};
	struct out o;
	u32 bits;

	out_open(&o, -1);
	if (parse_prefix(text, addr, &bits))
		print_prefix(&o, addr, bits);
	else
		out_str(&o, "refused");
	expect(text, text_of(&o), wanted);
	out_close(&o);
}

static void check_numbers(void)
{
	whole("10ms", UNIT_NSEC, "10000000");
	whole("1h", UNIT_NSEC, "3600000000000");
	whole("0", UNIT_NSEC, "0");
	whole("10", UNIT_NSEC, "refused");
	whole("10 ms", UNIT_NSEC, "refused");
	whole("-1ms", UNIT_NSEC, "refused");
	whole("10sec", UNIT_NSEC, "refused");
	whole("5124096h", UNIT_NSEC, "refused");
	whole("5124095h", UNIT_NSEC, "18446742000000000000");
	whole("64k", UNIT_BYTES, "65536");
	whole("64K", UNIT_BYTES, "refused");
	whole("18446744073709551615", UNIT_COUNT, "18446744073709551615");
	whole("18446744073709551616", UNIT_COUNT, "refused");
	whole("", UNIT_COUNT, "refused");
	whole("0x10", UNIT_COUNT, "refused");
	whole("1e3", UNIT_COUNT, "refused");
	exact(0, UNIT_NSEC, "0");
	exact(1500000, UNIT_NSEC, "1500us");
	exact(60000000000, UNIT_NSEC, "1m");
	exact(~0ULL, UNIT_NSEC, "18446744073709551615ns");
	exact(65536, UNIT_BYTES, "64k");
	exact(1000, UNIT_COUNT, "1000");
	human(999, UNIT_NSEC, "999 ns");
	human(1234, UNIT_NSEC, "1.23 us");
	human(999600, UNIT_NSEC, "1.00 ms");
	human(12345678, UNIT_NSEC, "12.3 ms");
	human(5e12, UNIT_NSEC, "5000 s");
	human(1536, UNIT_BYTES, "1.50 KiB");
	human(2.5, UNIT_COUNT, "2.50");
	human(0, UNIT_NSEC, "0 ns");
}

static void check_prefixes(void)
{
	prefix("10.0.0.0/8", "10.0.0.0/8");
	prefix("10.1.2.3/8", "10.0.0.0/8");
	prefix("10.1.2.3", "10.1.2.3/32");
	prefix("0.0.0.0/0", "0.0.0.0/0");
	prefix("2001:db8::/32", "2001:db8::/32");
	prefix("2001:db8:ffff::1/33", "2001:db8:8000::/33");
	prefix("::/0", "any");
	prefix("::1", "::1/128");
	prefix("1:0:0:2:0:0:0:3", "1:0:0:2::3/128");
	prefix("1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7/128");
	prefix("fe80::1:0:0:1", "fe80::1:0:0:1/128");
	prefix("1::", "1::/128");
	prefix("10.0.0.0/33", "refused");
	prefix("2001:db8::/129", "refused");
	prefix("10.0.0.0/", "refused");
	prefix("10.0.0.0/ 8", "refused");
	prefix("10.0.0/8", "refused");
	prefix("10.0.0.0/8x", "refused");
	prefix("10.0.0.0/00000000008", "refused");
	prefix("", "refused");
}

static void near(const char *what, double got, double wanted, double share)
{
	if (fabs(got - wanted) <= fabs(wanted) * share)
		return;
	printf("%s: got %g, wanted %g\n", what, got, wanted);
	failed = 1;
}

/* The same value twice has no deviation, whatever was rounded. */
static void check_alike(const struct column *c)
{
	struct minihist m = {.count = 2, .sum = 8000400, .min = 4000200, .max = 4000200};
	struct row row = {.part = {NULL, (const u8 *)&m}};
	static struct dist d;

	m.slots[minihist_slot(hist_slot(4000200))] = 2;
	m.sumsq = 2 * 3907ULL * 3907;
	dist_read(&d, c, &row);
	near("stddev of equal values", dist_stat(&d, STAT_STDDEV), 0, 0);
}

/* A million values spread evenly over 1..1,000,000: every number is known. */
static void check_distributions(void)
{
	static struct hist h;
	static struct dist d;
	struct minihist m = {};
	struct column c = {.format = FMT_HIST, .unit = UNIT_NSEC, .part = PART_VALUE};
	struct row row = {.part = {NULL, (const u8 *)&h}};

	for (u64 v = 1; v <= 1000000; v++) {
		u64 rounded = (v + 512) >> MINIHIST_SQ_SHIFT;

		h.slots[hist_slot(v)]++;
		h.sum += v;
		m.slots[minihist_slot(hist_slot(v))]++;
		m.sum += v;
		m.sumsq += rounded * rounded;
	}
	h.max = m.max = m.count = 1000000;
	m.min = 1;
	dist_read(&d, &c, &row);
	near("p50", dist_stat(&d, STAT_P50), 500000, 0.0625);
	near("p90", dist_stat(&d, STAT_P90), 900000, 0.0625);
	near("p99", dist_stat(&d, STAT_P99), 990000, 0.0625);
	near("p999", dist_stat(&d, STAT_P999), 999000, 0.0625);
	near("mean", dist_stat(&d, STAT_MEAN), 500000.5, 1e-12);
	near("max", dist_stat(&d, STAT_MAX), 1000000, 0);
	c.format = FMT_MINIHIST;
	row.part[PART_VALUE] = (const u8 *)&m;
	dist_read(&d, &c, &row);
	near("stddev", dist_stat(&d, STAT_STDDEV), 288675.1, 1e-3);
	near("min", dist_stat(&d, STAT_MIN), 1, 0);
	check_alike(&c);
	m.sumsq = ~0ULL;
	dist_read(&d, &c, &row);
	if (!isnan(dist_stat(&d, STAT_STDDEV)))
		expect("stddev after overflow", "a number", "none");
}

int main(void)
{
	check_numbers();
	check_prefixes();
	check_distributions();
	return failed;
}
