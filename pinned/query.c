// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "out.h"
#include "query.h"
#include "units.h"
#include "util.h"

static const struct {
	const char *text;
	enum comparison how;
} comparisons[] = {{"!=", CMP_NE}, {"<=", CMP_LE}, {">=", CMP_GE}, {"==", CMP_EQ},
		   {"=", CMP_EQ},  {"<", CMP_LT},  {">", CMP_GT}};

static char *trimmed(const char *text, size_t n)
{
	while (n && isspace((unsigned char)*text)) {
		text++;
		n--;
	}
	while (n && isspace((unsigned char)text[n - 1]))
		n--;
	return xasprintf("%.*s", (int)n, text);
}

void query_add_filter(struct query *q, const char *expression)
{
	size_t n = strcspn(expression, "=!<>");
	struct filter *f;

	for (size_t i = 0; n && i < sizeof(comparisons) / sizeof(*comparisons); i++) {
		const char *op = comparisons[i].text, *value = expression + n + strlen(op);

		if (strncmp(expression + n, op, strlen(op)))
			continue;
		f = APPEND(q->filters, q->n_filters);
		f->field = trimmed(expression, n);
		f->value = trimmed(value, strlen(value));
		f->how = comparisons[i].how;
		return;
	}
	die(EXIT_USAGE,
	    "cannot filter by '%s': say FIELD OP VALUE with one of = != < <= > >=, as "
	    "'latency.p99 > 10ms'",
	    expression);
}

bool query_wants(const struct query *q, const struct schema *s)
{
	for (unsigned int i = 0; i < q->n_maps; i++)
		if (!strcmp(q->maps[i], s->name))
			return true;
	return !q->n_maps;
}

static const char *read_test(struct test *t, const char *value)
{
	const struct column *c = t->operand.column;
	enum unit unit = t->operand.stat == STAT_COUNT ? UNIT_COUNT : c->unit;
	bool order = t->how != CMP_EQ && t->how != CMP_NE;

	t->text = value;
	if (operand_is_number(&t->operand))
		return parse_number(value, unit, &t->number);
	if (order)
		return "text and addresses have no order, only = and !=";
	if (c->format == FMT_ADDRESS && !parse_prefix(value, t->addr, &t->bits))
		return "it is no address or prefix, as 10.0.0.0/8 or 2001:db8::/32";
	return NULL;
}

bool query_bind(const struct query *q, const struct schema *s, struct bound *b)
{
	*b = (struct bound){.schema = s};
	for (unsigned int i = 0; i < q->n_filters; i++) {
		struct test *t = APPEND(b->tests, b->n_tests);
		const struct filter *f = &q->filters[i];
		const char *why;

		if (!operand_find(s, f->field, &t->operand)) {
			bound_free(b);
			return false;
		}
		t->how = f->how;
		why = read_test(t, f->value);
		if (why)
			die(EXIT_USAGE, "cannot filter %s of %s by '%s': %s", f->field, s->name,
			    f->value, why);
	}
	if (q->sort && !operand_find(s, q->sort, &b->sort))
		b->sort.column = NULL;
	return true;
}

void bound_free(struct bound *b)
{
	free(b->tests);
	b->tests = NULL;
}

static bool compare(enum comparison how, double a, double b)
{
	switch (how) {
	case CMP_EQ:
		return a == b;
	case CMP_NE:
		return a != b;
	case CMP_LT:
		return a < b;
	case CMP_LE:
		return a <= b;
	case CMP_GT:
		return a > b;
	case CMP_GE:
		return a >= b;
	}
	return false;
}

static bool test_text(const struct test *t, const struct row *row)
{
	static struct out scratch;
	struct text text;
	bool same;

	if (!scratch.buf)
		out_open(&scratch, -1);
	text = operand_text(&t->operand, row, &scratch);
	same = text.len == strlen(t->text) && !memcmp(text.p, t->text, text.len);
	return same == (t->how == CMP_EQ);
}

static bool test_row(const struct test *t, const struct row *row)
{
	const struct column *c = t->operand.column;
	double number;

	if (operand_is_number(&t->operand)) {
		number = operand_number(&t->operand, row);
		return !isnan(number) && compare(t->how, number, t->number);
	}
	if (c->format == FMT_ADDRESS)
		return prefix_contains(t->addr, t->bits, cell(c, row)) == (t->how == CMP_EQ);
	return test_text(t, row);
}

bool bound_accepts(const struct bound *b, const struct row *row)
{
	for (unsigned int i = 0; i < b->n_tests; i++)
		if (!test_row(&b->tests[i], row))
			return false;
	return true;
}

static void list_map(struct out *o, const struct schema *s)
{
	out_printf(o, " %s:", s->name);
	for (unsigned int i = 0; i < s->n_labels; i++)
		out_printf(o, " %s", s->labels[i].name);
	for (unsigned int i = 0; i < s->n_fields; i++) {
		const struct column *c = &s->fields[i];
		enum stat last = is_hist(c) ? N_STATS : STAT_COUNT;

		if (!is_hist(c))
			out_printf(o, " %s", c->name);
		for (enum stat j = STAT_COUNT; j < last; j++)
			out_printf(o, " %s%s%s", is_flat(s) ? "" : c->name, is_flat(s) ? "" : ".",
				   stat_names[j]);
	}
	out_char(o, ';');
}

/* Dies unless one of the wanted maps has the field, or no map is there at all. */
static void check_field(const struct query *q, const struct source *source, const char *field)
{
	struct operand operand;
	unsigned int maps = 0;
	struct out known;

	out_open(&known, -1);
	for (unsigned int i = 0; i < source->n_probes; i++)
		for (unsigned int j = 0; j < source->probes[i].n_maps; j++) {
			const struct schema *s = &source->probes[i].maps[j];

			if (!query_wants(q, s))
				continue;
			if (operand_find(s, field, &operand))
				return;
			list_map(&known, s);
			maps++;
		}
	if (maps)
		die(EXIT_USAGE, "no map has a field %s; there are%s", field, out_text(&known));
}

static void check_map(const struct source *source, const char *name)
{
	struct out known;

	out_open(&known, -1);
	for (unsigned int i = 0; i < source->n_probes; i++)
		for (unsigned int j = 0; j < source->probes[i].n_maps; j++) {
			if (!strcmp(source->probes[i].maps[j].name, name))
				return;
			out_printf(&known, " %s", source->probes[i].maps[j].name);
		}
	if (source->n_probes)
		die(EXIT_USAGE, "no map is called %s; there are%s", name, out_text(&known));
}

void query_check(const struct query *q, const struct source *source)
{
	for (unsigned int i = 0; i < q->n_maps; i++)
		check_map(source, q->maps[i]);
	for (unsigned int i = 0; i < q->n_filters; i++)
		check_field(q, source, q->filters[i].field);
	if (q->sort)
		check_field(q, source, q->sort);
}
