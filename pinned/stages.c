// SPDX-License-Identifier: GPL-2.0-only
/* A way through stages as one table: which stage takes how much of the time. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cell.h"
#include "dist.h"
#include "escape.h"
#include "terminal.h"
#include "text.h"
#include "units.h"
#include "util.h"

#define BAR   30
#define WHOLE "total" /* the stage that is the whole way */

static const enum stat shown[] = {STAT_COUNT, STAT_MEAN, STAT_P50, STAT_P90, STAT_P99};
#define N_SHOWN (sizeof(shown) / sizeof(*shown))

struct stage {
	char *name;
	double stats[N_SHOWN];
	u64 sum;
	bool whole;
};

struct stages {
	const struct schema *schema;
	const struct column *field; /* the histogram */
	char *way;		    /* the other labels, of the rows kept */
	unsigned int ways, n;
	struct stage *stages;
};

struct stages *stages_open(const struct schema *s)
{
	struct stages *t = xcalloc(1, sizeof(*t));

	t->schema = s;
	for (unsigned int i = 0; i < s->n_fields; i++)
		if (is_hist(&s->fields[i]))
			t->field = &s->fields[i];
	return t;
}

static bool is_stage(const struct column *c)
{
	return !strcmp(c->name, "stage");
}

static char *way_of(const struct schema *s, const struct row *row)
{
	struct out o;
	char *way;

	out_open(&o, -1);
	for (unsigned int i = 0; i < s->n_labels; i++) {
		if (is_stage(&s->labels[i]))
			continue;
		out_printf(&o, " %s ", s->labels[i].name);
		print_label(&o, &s->labels[i], row, escape_terminal);
	}
	way = xasprintf("%.*s", (int)o.len, o.buf);
	out_close(&o);
	return way;
}

static char *name_of(const struct schema *s, const struct row *row)
{
	struct out o;
	char *name;

	out_open(&o, -1);
	for (unsigned int i = 0; i < s->n_labels; i++)
		if (is_stage(&s->labels[i]))
			print_label(&o, &s->labels[i], row, escape_terminal);
	name = xasprintf("%.*s", (int)o.len, o.buf);
	out_close(&o);
	return name;
}

static void print_stat(struct out *o, enum stat stat, double value, enum unit unit)
{
	struct out text;

	out_open(&text, -1);
	if (isnan(value))
		out_char(&text, '-');
	else if (stat == STAT_COUNT)
		print_grouped(&text, value);
	else
		print_human(&text, value, unit);
	out_char(&text, 0);
	out_str(o, "  ");
	print_padded(o, text.buf, stat == STAT_COUNT ? 13 : 8, true);
	out_close(&text);
}

static void print_headings(struct out *o)
{
	paint(o, STYLE_HEADING);
	out_printf(o, "  %-10s  %13s  %8s  %8s  %8s  %8s   SHARE\n", "STAGE", "COUNT", "MEAN",
		   "P50", "P90", "P99");
	paint(o, STYLE_PLAIN);
}

static void print_stage(struct out *o, const struct stages *t, const struct stage *stage, u64 sum)
{
	double share = sum ? (double)stage->sum / sum : 0;

	out_str(o, "  ");
	print_padded(o, stage->name, 10, false);
	for (unsigned int i = 0; i < N_SHOWN; i++)
		print_stat(o, shown[i], stage->stats[i], t->field->unit);
	if (!stage->whole) {
		out_printf(o, "  %5.1f%%  ", 100 * share);
		print_bar(o, share, BAR);
	}
	out_char(o, '\n');
}

static void print_way(struct stages *t, struct out *o)
{
	u64 sum = 0;

	if (t->ways++)
		out_char(o, '\n');
	if (*t->way) {
		paint(o, STYLE_HEADING);
		out_printf(o, " %s\n", t->way);
		paint(o, STYLE_PLAIN);
	}
	print_headings(o);
	for (unsigned int i = 0; i < t->n; i++)
		sum += t->stages[i].whole ? 0 : t->stages[i].sum;
	for (unsigned int i = 0; i < t->n; i++) {
		print_stage(o, t, &t->stages[i], sum);
		free(t->stages[i].name);
	}
	t->n = 0;
}

void stages_row(struct stages *t, struct out *o, const struct row *row)
{
	static struct dist d;
	struct stage *stage;
	char *way;

	dist_read(&d, t->field, row);
	if (!d.count) /* of a difference */
		return;
	way = way_of(t->schema, row);
	if (t->n && strcmp(way, t->way))
		print_way(t, o);
	free(t->way);
	t->way = way;
	stage = APPEND(t->stages, t->n);
	stage->name = name_of(t->schema, row);
	stage->whole = !strcmp(stage->name, WHOLE);
	stage->sum = d.sum;
	for (unsigned int i = 0; i < N_SHOWN; i++)
		stage->stats[i] = dist_stat(&d, shown[i]);
}

void stages_close(struct stages *t, struct out *o)
{
	if (t->n)
		print_way(t, o);
	free(t->way);
	free(t->stages);
	free(t);
}
