// SPDX-License-Identifier: GPL-2.0-only
/* A table for eyes: cells are kept until all widths are known. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#include "cell.h"
#include "dist.h"
#include "escape.h"
#include "terminal.h"
#include "text.h"
#include "units.h"
#include "util.h"

struct shown {
	char *heading;
	const char *group; /* the histogram that the heading is a part of; NULL: none */
	const struct column *column;
	const struct column *port; /* joined to an address */
	enum stat stat;
	bool rate, right;
	size_t width;
};

struct table {
	const struct schema *schema;
	unsigned int n_columns, rows;
	struct shown *columns;
	struct out cells; /* one after the other, each with its NUL */
};

static struct shown *add_column(struct table *t, const struct column *c, char *heading)
{
	struct shown *shown = APPEND(t->columns, t->n_columns);

	shown->heading = heading;
	shown->column = c;
	shown->right = !c->label || c->format <= FMT_PORT;
	for (char *p = heading; *p; p++)
		*p = toupper((unsigned char)*p);
	return shown;
}

/* The n-th label of a format, or how many there are when there is none such. */
static const struct column *nth(const struct schema *s, enum format format, unsigned int n,
				unsigned int *count)
{
	*count = 0;
	for (unsigned int i = 0; i < s->n_labels; i++)
		if (s->labels[i].format == format && (*count)++ == n)
			return &s->labels[i];
	return NULL;
}

/* As many ports as addresses belong together, in their order: 192.0.2.1:443. */
static void add_labels(struct table *t)
{
	const struct schema *s = t->schema;
	unsigned int addresses, ports, at = 0, unused;

	nth(s, FMT_ADDRESS, ~0U, &addresses);
	nth(s, FMT_PORT, ~0U, &ports);
	for (unsigned int i = 0; i < s->n_labels; i++) {
		const struct column *c = &s->labels[i];

		if ((c->format == FMT_PORT && ports == addresses) || c->unit == UNIT_NSEC)
			continue; /* part of an address; a time that only tells rows apart */
		add_column(t, c, xstrdup(c->name));
		if (c->format == FMT_ADDRESS && ports == addresses)
			t->columns[t->n_columns - 1].port = nth(s, FMT_PORT, at++, &unused);
	}
}

static void add_fields(struct table *t)
{
	static const enum stat stats[] = {STAT_COUNT, STAT_MEAN, STAT_P50, STAT_P99, STAT_MAX};

	for (unsigned int i = 0; i < t->schema->n_fields; i++) {
		const struct column *c = &t->schema->fields[i];

		if (!is_hist(c)) {
			add_column(t, c, xstrdup(c->name));
			if (t->schema->seconds && !c->gauge)
				add_column(t, c, xasprintf("%s/s", c->name))->rate = true;
			continue;
		}
		for (unsigned int j = 0; j < sizeof(stats) / sizeof(*stats); j++) {
			struct shown *shown = add_column(t, c, xstrdup(stat_names[stats[j]]));

			shown->stat = stats[j];
			shown->group = is_flat(t->schema) ? NULL : c->name;
		}
	}
}

static bool is_before(const struct column *a, const struct column *b)
{
	return a->part != b->part ? a->part < b->part : a->offset < b->offset;
}

/* In the order their author chose, labels or not; those of one histogram stay as they are. */
static void put_in_order(struct table *t)
{
	for (unsigned int i = 1; i < t->n_columns; i++) {
		struct shown moved = t->columns[i];
		unsigned int at = i;

		for (; at && is_before(moved.column, t->columns[at - 1].column); at--)
			t->columns[at] = t->columns[at - 1];
		t->columns[at] = moved;
	}
}

struct table *table_open(const struct schema *s)
{
	struct table *t = xcalloc(1, sizeof(*t));

	t->schema = s;
	out_open(&t->cells, -1);
	add_labels(t);
	add_fields(t);
	put_in_order(t);
	for (unsigned int i = 0; i < t->n_columns; i++)
		t->columns[i].width = text_width(t->columns[i].heading);
	return t;
}

static void print_joined(struct out *o, const struct shown *shown, const struct row *row)
{
	size_t start = o->len, n;

	print_label(o, shown->column, row, escape_terminal);
	n = o->len - start;
	if (memchr(o->buf + start, ':', n)) {
		out_char(o, 0);
		memmove(o->buf + start + 1, o->buf + start, n);
		o->buf[start] = '[';
		out_char(o, ']');
	}
	out_char(o, ':');
	print_label(o, shown->port, row, escape_terminal);
}

static void print_stat(struct out *o, const struct shown *shown, const struct row *row)
{
	static struct dist d;
	double v;

	dist_read(&d, shown->column, row);
	v = dist_stat(&d, shown->stat);
	if (isnan(v))
		out_char(o, '-');
	else if (shown->stat == STAT_COUNT)
		print_grouped(o, v);
	else
		print_human(o, v, shown->column->unit);
}

static void print_cell(struct out *o, const struct table *t, const struct shown *shown,
		       const struct row *row)
{
	if (shown->port)
		print_joined(o, shown, row);
	else if (shown->column->label)
		print_label(o, shown->column, row, escape_terminal);
	else if (shown->stat != STAT_VALUE)
		print_stat(o, shown, row);
	else if (shown->rate)
		print_human(o, cell_number(shown->column, row) / t->schema->seconds,
			    shown->column->unit);
	else
		text_number(o, shown->column, row);
}

void table_row(struct table *t, const struct row *row)
{
	for (unsigned int i = 0; i < t->n_columns; i++) {
		struct shown *shown = &t->columns[i];
		size_t start = t->cells.len, width;

		print_cell(&t->cells, t, shown, row);
		out_char(&t->cells, 0);
		width = text_width(t->cells.buf + start);
		if (width > shown->width)
			shown->width = width;
	}
	t->rows++;
}

/* As many columns as fit the terminal; at least one. */
static unsigned int fitting(const struct table *t)
{
	unsigned int limit = terminal()->columns, i;
	size_t used = 0;

	for (i = 0; i < t->n_columns; i++) {
		used += 2 + t->columns[i].width;
		if (limit && i && used > limit)
			break;
	}
	return i;
}

static void print_cell_at(struct out *o, const struct table *t, unsigned int i, unsigned int fit,
			  const char *text)
{
	const struct shown *shown = &t->columns[i];

	out_str(o, "  ");
	/* No blanks at the end of a line. */
	print_padded(o, text, i + 1 == fit && !shown->right ? 0 : shown->width, shown->right);
}

static void table_free(struct table *t)
{
	for (unsigned int i = 0; i < t->n_columns; i++)
		free(t->columns[i].heading);
	free(t->columns);
	out_close(&t->cells);
	free(t);
}

static void print_hidden(struct out *o, const struct table *t, unsigned int fit)
{
	paint(o, STYLE_FAINT);
	out_str(o, "  too narrow for:");
	for (unsigned int i = fit; i < t->n_columns; i++)
		out_printf(o, " %s%s%s", t->columns[i].group ?: "", t->columns[i].group ? "." : "",
			   t->columns[i].heading);
	paint(o, STYLE_PLAIN);
	out_char(o, '\n');
}

/* Which histogram the columns below are parts of. */
static void print_groups(struct out *o, const struct table *t, unsigned int fit)
{
	const char *group = NULL;
	size_t at = 0, printed = 0;

	for (unsigned int i = 0; i < fit; i++) {
		const struct shown *shown = &t->columns[i];

		if (shown->group && shown->group != group) {
			size_t indent = at + 2 + shown->width - text_width(shown->heading);

			out_printf(o, "%*s%s", (int)(indent - printed), "", shown->group);
			printed = indent + text_width(shown->group);
		}
		group = shown->group;
		at += 2 + shown->width;
	}
	if (printed)
		out_char(o, '\n');
}

void table_print(struct table *t, struct out *o)
{
	unsigned int fit = fitting(t);
	const char *text = t->cells.buf;

	paint(o, STYLE_HEADING);
	print_groups(o, t, fit);
	for (unsigned int i = 0; i < fit; i++)
		print_cell_at(o, t, i, fit, t->columns[i].heading);
	paint(o, STYLE_PLAIN);
	out_char(o, '\n');
	for (unsigned int row = 0; row < t->rows; row++) {
		for (unsigned int i = 0; i < t->n_columns; i++) {
			if (i < fit)
				print_cell_at(o, t, i, fit, text);
			text += strlen(text) + 1;
		}
		out_char(o, '\n');
	}
	if (fit < t->n_columns)
		print_hidden(o, t, fit);
	table_free(t);
}
