// SPDX-License-Identifier: GPL-2.0-only
/* The view for eyes: what a probe is, its maps, what it lost. */
#include <stdlib.h>
#include <string.h>

#include "escape.h"
#include "terminal.h"
#include "text.h"
#include "util.h"

static void text_begin_probe(struct print *p)
{
	struct out *o = &p->out;

	paint(o, STYLE_HEADING);
	out_str(o, p->probe->name);
	paint(o, STYLE_PLAIN);
	if (p->probe->variant)
		out_printf(o, " (%s)", p->probe->variant);
	if (p->probe->help)
		out_printf(o, ": %s", p->probe->help);
	if (p->source->seconds)
		out_printf(o, " [%.3f s]", p->source->seconds);
	out_char(o, '\n');
}

/* Losses have a line of their own, unless they are asked for. */
static bool is_hidden(const struct print *p)
{
	return p->schema->losses && !p->query->n_maps;
}

/* Histograms are drawn where they are what the map is about. */
static bool has_blocks(const struct schema *s)
{
	for (unsigned int i = 0; i < s->n_fields; i++)
		if (s->fields[i].format == FMT_HIST)
			return true;
	return !s->n_labels || is_flat(s);
}

static void text_begin_map(struct print *p)
{
	struct out *o = &p->out;

	p->state = NULL;
	if (is_hidden(p))
		return;
	out_char(o, '\n');
	paint(o, STYLE_HEADING);
	out_str(o, p->schema->name);
	paint(o, STYLE_PLAIN);
	if (p->schema->help)
		out_printf(o, ": %s", p->schema->help);
	out_char(o, '\n');
	if (p->schema->staged)
		p->state = stages_open(p->schema);
	else if (p->schema->edges)
		p->state = cycles_open(p->schema);
	else if (!has_blocks(p->schema))
		p->state = table_open(p->schema);
}

static void text_row(struct print *p, const struct row *row)
{
	if (p->schema->staged)
		stages_row(p->state, &p->out, row);
	else if (p->schema->edges)
		cycles_row(p->state, row);
	else if (p->state)
		table_row(p->state, row);
	else if (!is_hidden(p))
		text_block(p, row);
}

static void text_end_map(struct print *p)
{
	struct out *o = &p->out;

	if (is_hidden(p))
		return;
	if (p->schema->staged)
		stages_close(p->state, o);
	else if (p->schema->edges && p->rows)
		cycles_print(p->state, o);
	else if (p->state && p->rows)
		table_print(p->state, o);
	if (!p->rows)
		out_str(o, "  no rows\n");
	if (p->gone) {
		out_str(o, "  gone: ");
		print_grouped(o, p->gone);
		out_str(o, p->gone == 1 ? " row of the earlier snapshot\n"
					: " rows of the earlier snapshot\n");
	}
	if (p->left_out) {
		out_str(o, "  ... ");
		print_grouped(o, p->left_out);
		out_str(o, " more rows (--top 0 shows all)\n");
	}
}

static bool print_loss(struct out *o, bool any, const char *name, u64 count)
{
	if (!count)
		return any;
	if (!any)
		paint(o, STYLE_ALERT);
	out_printf(o, "%s%s ", any ? ", " : "\nlost: ", name);
	print_grouped(o, count);
	return true;
}

static void print_missing(struct out *o, const struct probe *probe)
{
	for (unsigned int i = 0; i < probe->n_missing; i++)
		out_printf(o, "%s%s",
			   i ? ", " : "\nnot available on this machine: ", probe->missing[i]);
	if (probe->n_missing)
		out_char(o, '\n');
}

static void text_end_probe(struct print *p)
{
	const struct probe *probe = p->probe;
	struct out *o = &p->out;
	bool any = false, unknown = false;

	print_missing(o, probe);
	for (unsigned int i = 0; i < probe->n_losses; i++)
		any = print_loss(o, any, probe->losses[i].name, probe->losses[i].count);
	for (unsigned int i = 0; i < probe->n_programs; i++) {
		any = print_loss(o, any, "recursion", probe->programs[i].recursion_misses);
		unknown |= !probe->programs[i].misses_known;
	}
	if (!any)
		out_str(o, "\nnothing lost");
	paint(o, STYLE_PLAIN);
	if (unknown)
		out_str(o, " (runs missed by recursion: not known to this user or kernel)");
	out_str(o, "\n");
}

const struct printer text_printer = {
	.for_eyes = true,
	.begin_probe = text_begin_probe,
	.begin_map = text_begin_map,
	.row = text_row,
	.end_map = text_end_map,
	.end_probe = text_end_probe,
};
