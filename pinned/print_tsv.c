// SPDX-License-Identifier: GPL-2.0-only
/* TSV: a header line for each map, starting with '#'; a number that is not known is empty. */
#include "cell.h"
#include "dist.h"
#include "escape.h"
#include "print.h"

/* The numbers of a histogram that have a column. */
static bool has_stat(const struct column *c, enum stat stat)
{
	return c->format == FMT_MINIHIST || (stat != STAT_MIN && stat != STAT_STDDEV);
}

static void hist_header(struct out *o, const struct schema *s, const struct column *c)
{
	for (enum stat i = STAT_COUNT; i < N_STATS; i++)
		if (has_stat(c, i))
			out_printf(o, "\t%s%s%s%s", is_flat(s) ? "" : c->name,
				   is_flat(s) ? "" : ".", stat_names[i],
				   i == STAT_COUNT ? "" : unit_suffix(c->unit));
}

static void tsv_begin_map(struct print *p)
{
	const struct schema *s = p->schema;
	struct out *o = &p->out;

	out_str(o, "#probe\tmap");
	for (unsigned int i = 0; i < s->n_labels; i++)
		out_printf(o, "\t%s", s->labels[i].key);
	for (unsigned int i = 0; i < s->n_fields; i++) {
		const struct column *c = &s->fields[i];

		if (is_hist(c)) {
			hist_header(o, s, c);
			continue;
		}
		out_printf(o, "\t%s", c->key);
		if (s->seconds && !c->gauge)
			out_printf(o, "\t%s_per_s", c->key);
	}
	out_char(o, '\n');
}

static void hist_cells(struct out *o, const struct column *c, const struct row *row)
{
	static struct dist d;
	double real;
	u64 v;

	dist_read(&d, c, row);
	for (enum stat i = STAT_COUNT; i < N_STATS; i++) {
		if (!has_stat(c, i))
			continue;
		out_char(o, '\t');
		if (i == STAT_MEAN || i == STAT_STDDEV) {
			real = dist_stat(&d, i);
			if (real == real)
				out_real(o, real, c->unit == UNIT_COUNT ? 3 : 0);
		} else if (dist_integer(&d, i, &v)) {
			out_u64(o, v);
		}
	}
}

static void tsv_row(struct print *p, const struct row *row)
{
	const struct schema *s = p->schema;
	struct out *o = &p->out;

	out_str(o, s->probe);
	out_char(o, '\t');
	out_str(o, s->name);
	for (unsigned int i = 0; i < s->n_labels; i++) {
		out_char(o, '\t');
		print_label(o, &s->labels[i], row, escape_tsv);
	}
	for (unsigned int i = 0; i < s->n_fields; i++) {
		const struct column *c = &s->fields[i];

		if (is_hist(c)) {
			hist_cells(o, c, row);
			continue;
		}
		out_char(o, '\t');
		print_field(o, c, row);
		if (s->seconds && !c->gauge) {
			out_char(o, '\t');
			out_real(o, cell_number(c, row) / s->seconds, 3);
		}
	}
	out_char(o, '\n');
}

const struct printer tsv_printer = {
	.begin_map = tsv_begin_map,
	.row = tsv_row,
};
