// SPDX-License-Identifier: GPL-2.0-only
/* From a source through a query to a printer. */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "collect.h"
#include "error.h"
#include "options.h"
#include "pinned.h"
#include "print.h"
#include "terminal.h"
#include "verbs.h"

struct flow {
	struct print *print;
	struct bound bound;
	struct collect *collect; /* NULL: rows go straight to the printer */
};

static void give_row(struct print *p, const struct row *row)
{
	p->rows++;
	p->to->row(p, row);
}

static void take_row(void *arg, const struct row *row)
{
	struct flow *f = arg;

	if (f->bound.n_tests && !bound_accepts(&f->bound, row))
		return;
	if (f->collect)
		collect_add(f->collect, row);
	else
		give_row(f->print, row);
}

#define LINES_BESIDE_ROWS 8

static u64 row_limit(const struct print *p)
{
	unsigned int lines = terminal()->lines;

	if (!p->schema->n_labels)
		return ~0ULL;
	if (p->schema->staged || p->schema->edges || p->query->limited || !p->to->for_eyes ||
	    !lines)
		return p->query->top;
	return lines > 2 * LINES_BESIDE_ROWS ? lines - LINES_BESIDE_ROWS : LINES_BESIDE_ROWS;
}

/* Rows must be kept to be put in order or cut; else they stream. */
static struct collect *collector(const struct print *p, struct bound *b)
{
	u64 limit = row_limit(p);

	/* Members of a struct and stages are in the order their author chose. */
	if (!b->sort.column && p->schema->parts < 2 && !p->schema->staged &&
	    (p->to->for_eyes || limit != ~0ULL))
		operand_default(p->schema, &b->sort);
	if (!b->sort.column && limit == ~0ULL)
		return NULL;
	return collect_open(p->schema, &b->sort, limit);
}

static void call(void (*callback)(struct print *p), struct print *p)
{
	if (callback)
		callback(p);
}

static void give_collected(struct print *p, const struct collect *collect)
{
	for (u32 i = 0; i < collect->count; i++) {
		struct row row = collect_row(collect, i);

		give_row(p, &row);
	}
}

static void gone_row(void *arg, const struct row *row)
{
	struct print *p = arg;

	p->gone++;
	if (p->to->gone)
		p->to->gone(p, row);
}

static void view_map(struct print *p, struct schema *schema)
{
	unsigned int passes = p->to->passes ? p->to->passes(schema) : 1;
	struct flow f = {.print = p};

	p->schema = schema;
	p->left_out = 0;
	if (!query_bind(p->query, schema, &f.bound))
		return;
	f.collect = collector(p, &f.bound);
	if (f.collect) {
		p->source->walk(p->source, p->probe, schema, take_row, &f);
		p->left_out = collect_finish(f.collect);
	}
	for (p->pass = 0; p->pass < passes; p->pass++) {
		p->rows = 0;
		call(p->to->begin_map, p);
		if (f.collect)
			give_collected(p, f.collect);
		else
			p->source->walk(p->source, p->probe, schema, take_row, &f);
		p->gone = 0;
		if (p->source->walk_gone)
			p->source->walk_gone(p->source, schema, gone_row, p);
		call(p->to->end_map, p);
	}
	p->all_rows += p->rows;
	if (f.collect)
		collect_close(f.collect);
	bound_free(&f.bound);
}

void view(struct source *source, const struct query *query, const struct printer *printer)
{
	struct print p = {.to = printer, .source = source, .query = query};

	query_check(query, source);
	source->host.partial |= query->n_filters || query->top != ~0ULL;
	out_open(&p.out, STDOUT_FILENO);
	call(printer->begin, &p);
	for (unsigned int i = 0; i < source->n_probes; i++) {
		p.probe = &source->probes[i];
		call(printer->begin_probe, &p);
		for (unsigned int j = 0; j < p.probe->n_maps; j++)
			if (query_wants(query, &p.probe->maps[j]))
				view_map(&p, &p.probe->maps[j]);
		call(printer->end_probe, &p);
	}
	call(printer->end, &p);
	out_close(&p.out);
}

const struct printer *printer_for(int output)
{
	static const struct printer *const printers[] = {
		[OUTPUT_TEXT] = &text_printer,
		[OUTPUT_JSON] = &json_printer,
		[OUTPUT_TSV] = &tsv_printer,
		[OUTPUT_PROMETHEUS] = &prometheus_printer,
	};

	return printers[output];
}

int cmd_dump(int argc, char **argv)
{
	struct options opt = parse_options("dump", &argc, &argv);
	struct source source;

	pinned_source(&source, argv, argc);
	view(&source, &opt.query, printer_for(opt.how == OUTPUT_TEXT ? OUTPUT_JSON : opt.how));
	return complaints();
}

int cmd_show(int argc, char **argv)
{
	struct options opt = parse_options("show", &argc, &argv);
	struct source source;

	if (!argc)
		misused("show", "at least one probe");
	pinned_source(&source, argv, argc);
	view(&source, &opt.query, &text_printer);
	return complaints();
}
