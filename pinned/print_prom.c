// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prometheus text. All samples of a family stand together, so a map with several fields
 * is read once for each: memory stays bounded, whatever the number of rows.
 */
#include <stdlib.h>
#include <string.h>

#include "cell.h"
#include "dist.h"
#include "escape.h"
#include "print.h"
#include "util.h"

/* Buckets of times: 1 us to 69 s; of counts and bytes: 0 to 2^36. */
#define FIRST_TIME_BUCKET 10
#define LAST_BUCKET	  36

struct family {
	char *name;
	const struct column *field;
};

static const char *const prom_units[] = {"", "seconds", "bytes"};

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && !strcmp(text + n - m, end);
}

/* A part of a name, unless the name ends so already. */
static void add_part(struct out *o, const char *part)
{
	*out_room(o, 1) = 0;
	if (!*part || ends_with(o->buf, part))
		return;
	out_char(o, '_');
	out_str(o, part);
}

static bool is_counter(const struct column *c)
{
	return !is_hist(c) && !c->gauge;
}

static char *family_name(const struct schema *s, const struct column *c)
{
	struct out o;
	char *name;

	out_open(&o, -1);
	if (s->metric)
		out_str(&o, s->metric);
	else
		out_printf(&o, "pinscope_%s_%s", s->probe, s->name);
	if (s->kind == KIND_TABLE)
		add_part(&o, c->name);
	if (c->unit == UNIT_NSEC && ends_with(c->key, "_ns") && ends_with(c->name, "_ns"))
		o.len -= 3;
	add_part(&o, prom_units[c->unit]);
	if (is_counter(c))
		add_part(&o, "total");
	name = out_text(&o);
	out_close(&o);
	for (char *p = name; *p; p++)
		if (*p == '.' || *p == '-')
			*p = '_';
	return name;
}

static void print_number(struct out *o, u64 v, enum unit unit)
{
	u32 fraction = v % 1000000000;

	if (unit != UNIT_NSEC) {
		out_u64(o, v);
		return;
	}
	out_u64(o, v / 1000000000);
	if (fraction)
		out_char(o, '.');
	for (u32 digit = 100000000; fraction; digit /= 10) {
		out_char(o, '0' + fraction / digit);
		fraction %= digit;
	}
}

static void out_header(struct out *o, const char *name, const char *type)
{
	out_printf(o, "# TYPE %s %s\n", name, type);
}

/* The fields but ratios, which whoever queries makes of counters. NULL: no more. */
static const struct column *nth_field(const struct schema *s, unsigned int n)
{
	for (unsigned int i = 0; i < s->n_fields; i++)
		if (s->fields[i].format != FMT_RATIO && !n--)
			return &s->fields[i];
	return NULL;
}

static void prom_begin_map(struct print *p)
{
	const struct schema *s = p->schema;
	const struct column *c = nth_field(s, p->pass);
	struct family *family = xcalloc(1, sizeof(*family));
	struct out *o = &p->out;

	family->name = family_name(s, c);
	family->field = c;
	p->state = family;
	out_printf(o, "# HELP %s ", family->name);
	if (s->help)
		escape_help(o, s->help, strlen(s->help));
	else
		out_printf(o, "%s of %s", s->name, s->probe);
	if (s->kind == KIND_TABLE)
		out_printf(o, ": %s", c->name);
	out_char(o, '\n');
	out_header(o, family->name,
		   c->format == FMT_HIST       ? "histogram"
		   : c->format == FMT_MINIHIST ? "summary"
		   : is_counter(c)	       ? "counter"
					       : "gauge");
}

/* The name and the labels up to where one more could follow; whether a comma is needed. */
static bool sample(struct out *o, const struct print *p, const char *suffix, const struct row *row)
{
	const struct family *family = p->state;
	const struct schema *s = p->schema;

	out_str(o, family->name);
	out_str(o, suffix);
	for (unsigned int i = 0; i < s->n_labels; i++) {
		const char *name = s->labels[i].key;
		bool taken = !strcmp(name, "le") || !strcmp(name, "quantile");

		out_char(o, i ? ',' : '{');
		out_str(o, name);
		out_str(o, taken ? "_=\"" : "=\"");
		print_label(o, &s->labels[i], row, escape_prometheus);
		out_char(o, '"');
	}
	return s->n_labels;
}

static void plain_sample(struct print *p, const char *suffix, const struct row *row, u64 v,
			 enum unit unit)
{
	struct out *o = &p->out;

	if (sample(o, p, suffix, row))
		out_char(o, '}');
	out_char(o, ' ');
	print_number(o, v, unit);
	out_char(o, '\n');
}

static void bucket(struct print *p, const struct row *row, u64 le, enum unit unit, u64 count)
{
	struct out *o = &p->out;

	out_str(o, sample(o, p, "_bucket", row) ? ",le=\"" : "{le=\"");
	if (le == ~0ULL)
		out_str(o, "+Inf");
	else
		print_number(o, le, unit);
	out_str(o, "\"} ");
	out_u64(o, count);
	out_char(o, '\n');
}

static void histogram(struct print *p, const struct row *row, const struct dist *d, enum unit unit)
{
	unsigned int exp = unit == UNIT_NSEC ? FIRST_TIME_BUCKET : 0, i = 0;
	u64 seen = 0;

	for (; exp <= LAST_BUCKET; exp++) {
		/* The slots below 2^exp end here, inclusive. */
		u64 le = (1ULL << exp) - 1;

		for (; i < d->n && d->slots[i].in.hi <= le; i++)
			seen += d->slots[i].count;
		bucket(p, row, le, unit, seen);
	}
	bucket(p, row, ~0ULL, unit, d->count);
}

static void prom_row(struct print *p, const struct row *row)
{
	const struct family *family = p->state;
	const struct column *c = family->field;
	static struct dist d;

	if (!is_hist(c)) {
		struct out *o = &p->out;

		if (c->format != FMT_SIGNED) {
			plain_sample(p, "", row, cell_number(c, row), c->unit);
			return;
		}
		if (sample(o, p, "", row))
			out_char(o, '}');
		out_char(o, ' ');
		out_s64(o, cell_number(c, row));
		out_char(o, '\n');
		return;
	}
	dist_read(&d, c, row);
	if (c->format == FMT_HIST)
		histogram(p, row, &d, c->unit);
	plain_sample(p, "_sum", row, d.sum, c->unit);
	plain_sample(p, "_count", row, d.count, UNIT_COUNT);
}

static void prom_end_map(struct print *p)
{
	struct family *family = p->state;

	free(family->name);
	free(family);
}

static void out_probe(struct out *o, const char *name, const struct probe *probe)
{
	out_printf(o, "%s{probe=\"", name);
	escape_prometheus(o, probe->name, strlen(probe->name));
	out_char(o, '"');
}

static void info(struct out *o, const struct source *source)
{
	out_str(o, "# HELP pinscope_probe_info What is loaded\n");
	out_header(o, "pinscope_probe_info", "gauge");
	for (unsigned int i = 0; i < source->n_probes; i++) {
		const struct probe *probe = &source->probes[i];
		const char *variant = probe->variant ?: "";

		out_probe(o, "pinscope_probe_info", probe);
		out_str(o, ",variant=\"");
		escape_prometheus(o, variant, strlen(variant));
		out_str(o, "\"} 1\n");
	}
}

static void misses(struct out *o, const struct source *source)
{
	static const char name[] = "pinscope_recursion_misses_total";

	out_printf(o, "# HELP %s Runs of a program that the kernel left out\n", name);
	out_header(o, name, "counter");
	for (unsigned int i = 0; i < source->n_probes; i++) {
		const struct probe *probe = &source->probes[i];

		for (unsigned int j = 0; j < probe->n_programs; j++) {
			const struct program *program = &probe->programs[j];

			if (!program->misses_known)
				continue;
			out_probe(o, name, probe);
			out_str(o, ",program=\"");
			escape_prometheus(o, program->link, strlen(program->link));
			out_str(o, "\"} ");
			out_u64(o, program->recursion_misses);
			out_char(o, '\n');
		}
	}
}

static void prom_begin(struct print *p)
{
	if (!p->source->n_probes)
		return;
	info(&p->out, p->source);
	misses(&p->out, p->source);
}

static unsigned int prom_passes(const struct schema *s)
{
	unsigned int n = 0;

	while (nth_field(s, n))
		n++;
	return n;
}

const struct printer prometheus_printer = {
	.passes = prom_passes,
	.begin = prom_begin,
	.begin_map = prom_begin_map,
	.row = prom_row,
	.end_map = prom_end_map,
};
