// SPDX-License-Identifier: GPL-2.0-only
#include <math.h>

#include "cell.h"
#include "dist.h"
#include "escape.h"
#include "terminal.h"
#include "text.h"
#include "units.h"

#define BAR 40

void text_number(struct out *o, const struct column *c, const struct row *row)
{
	if (c->format == FMT_RATIO && isnan(cell_ratio(c, row)))
		out_char(o, '-');
	else if (c->format == FMT_RATIO)
		out_printf(o, "%.1f%%", 100 * cell_ratio(c, row));
	else if (c->unit != UNIT_COUNT)
		print_human(o, cell_number(c, row), c->unit);
	else if (c->format == FMT_SIGNED)
		out_s64(o, cell_number(c, row));
	else
		print_grouped(o, cell_number(c, row));
}

static void summary(struct out *o, const struct dist *d, enum unit unit, double seconds)
{
	double v;

	out_str(o, "  count ");
	print_grouped(o, d->count);
	if (seconds)
		out_printf(o, " (%.1f/s)", d->count / seconds);
	for (enum stat i = STAT_MEAN; d->count && i < N_STATS; i++) {
		v = dist_stat(d, i);
		if (isnan(v))
			continue;
		out_printf(o, "  %s ", i == STAT_P999 ? "p99.9" : stat_names[i]);
		if (i == STAT_MAX && d->max.lo != d->max.hi)
			out_str(o, "<= ");
		print_human(o, v, unit);
	}
	out_char(o, '\n');
}

/* One line for each power of two: its number, 0 being the value 0. */
static unsigned int line_of(const struct dist *d, u64 lo)
{
	if (lo)
		return log2_u64(lo) + 1;
	return d->mini ? MINIHIST_MIN_EXP + 1 : 0;
}

static struct bounds line_bounds(const struct dist *d, unsigned int line)
{
	struct bounds b = {line ? 1ULL << (line - 1) : 0, ~0ULL};

	if (d->mini && line == MINIHIST_MIN_EXP + 1)
		b.lo = 0;
	if (line < 64)
		b.hi = (1ULL << line) - 1;
	return b;
}

static void draw_line(struct out *o, struct bounds b, enum unit unit, u64 count, u64 most, u64 all)
{
	struct out lo, hi, n;

	out_open(&lo, -1);
	out_open(&hi, -1);
	out_open(&n, -1);
	print_human(&lo, b.lo, unit);
	/* For counts the last value that belongs here; else where the next line starts. */
	print_human(&hi, unit == UNIT_COUNT ? b.hi : b.hi + 1.0, unit);
	print_grouped(&n, count);
	out_printf(o, "  %10.*s .. %-10.*s %12.*s %5.1f%%  ", (int)lo.len, lo.buf, (int)hi.len,
		   hi.buf, (int)n.len, n.buf, 100.0 * count / all);
	print_bar(o, (double)count / most, BAR);
	out_char(o, '\n');
	out_close(&lo);
	out_close(&hi);
	out_close(&n);
}

static void draw(struct out *o, const struct dist *d, enum unit unit)
{
	unsigned int first = line_of(d, d->slots[0].in.lo);
	unsigned int last = line_of(d, d->slots[d->n - 1].in.lo);
	u64 counts[65] = {}, most = 0, all = 0;

	for (unsigned int i = 0; i < d->n; i++) {
		counts[line_of(d, d->slots[i].in.lo)] += d->slots[i].count;
		all += d->slots[i].count;
	}
	for (unsigned int i = first; i <= last; i++)
		most = counts[i] > most ? counts[i] : most;
	for (unsigned int i = first; i <= last; i++)
		draw_line(o, line_bounds(d, i), unit, counts[i], most, all);
}

static void block_labels(struct out *o, const struct schema *s, const struct row *row)
{
	if (!s->n_labels)
		return;
	out_char(o, ' ');
	paint(o, STYLE_HEADING);
	for (unsigned int i = 0; i < s->n_labels; i++) {
		out_printf(o, " %s ", s->labels[i].name);
		print_label(o, &s->labels[i], row, escape_terminal);
	}
	paint(o, STYLE_PLAIN);
	out_char(o, '\n');
}

static void block_hist(struct out *o, const struct schema *s, const struct column *c,
		       const struct row *row)
{
	static struct dist d;

	dist_read(&d, c, row);
	if (!is_flat(s))
		out_printf(o, "  %s:\n", c->name);
	summary(o, &d, c->unit, s->seconds);
	if (d.count)
		draw(o, &d, c->unit);
}

void text_block(struct print *p, const struct row *row)
{
	const struct schema *s = p->schema;
	struct out *o = &p->out;

	if (p->rows > 1)
		out_char(o, '\n');
	block_labels(o, s, row);
	for (unsigned int i = 0; i < s->n_fields; i++) {
		const struct column *c = &s->fields[i];

		if (is_hist(c)) {
			block_hist(o, s, c, row);
			continue;
		}
		out_printf(o, "  %s ", c->name);
		text_number(o, c, row);
		if (s->seconds && !c->gauge)
			out_printf(o, " (%.1f/s)", cell_number(c, row) / s->seconds);
		out_char(o, '\n');
	}
}
