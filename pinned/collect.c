// SPDX-License-Identifier: GPL-2.0-only
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "collect.h"
#include "util.h"

/* Before the blocks of the row lies what it is sorted by. */
struct head {
	double number;
};

static size_t aligned(size_t n)
{
	return (n + 7) / 8 * 8;
}

struct collect *collect_open(const struct schema *s, const struct operand *sort, u64 limit)
{
	struct collect *c = xcalloc(1, sizeof(*c));

	c->schema = s;
	c->sort = sort;
	c->limit = limit;
	c->width = sizeof(struct head) + aligned(s->size[PART_KEY]) + aligned(s->size[PART_VALUE]);
	return c;
}

static struct row row_at(const struct schema *s, const u8 *p)
{
	p += sizeof(struct head);
	return (struct row){.part = {p, p + aligned(s->size[PART_KEY])}};
}

struct row collect_row(const struct collect *c, u32 i)
{
	return row_at(c->schema, c->rows + i * c->width);
}

static int by_number(const void *a, const void *b)
{
	const struct head *x = a, *y = b;

	return x->number < y->number ? 1 : x->number > y->number ? -1 : 0;
}

static int by_text(const void *a, const void *b, void *arg)
{
	const struct collect *c = arg;
	static struct out first, second;
	struct row x = row_at(c->schema, a), y = row_at(c->schema, b);
	struct text s, t;
	int order;

	if (!first.buf) {
		out_open(&first, -1);
		out_open(&second, -1);
	}
	s = operand_text(c->sort, &x, &first);
	t = operand_text(c->sort, &y, &second);
	order = memcmp(s.p, t.p, s.len < t.len ? s.len : t.len);
	return order ?: s.len < t.len ? -1 : s.len > t.len;
}

static void put_in_order(struct collect *c)
{
	if (!c->count || !c->sort->column)
		return;
	if (operand_is_number(c->sort))
		qsort(c->rows, c->count, c->width, by_number);
	else
		qsort_r(c->rows, c->count, c->width, by_text, c);
}

static void cut(struct collect *c)
{
	put_in_order(c);
	if (c->count <= c->limit)
		return;
	c->left_out += c->count - c->limit;
	c->count = c->limit;
}

void collect_add(struct collect *c, const struct row *row)
{
	struct head head = {};
	u8 *p;

	/* Cutting whenever there is twice the limit keeps memory bounded, and is cheap. */
	if (c->limit < 1 << 20 && c->count >= 2 * c->limit + 1024)
		cut(c);
	if (c->count == c->size) {
		c->size = c->size ? 2 * c->size : 64;
		c->rows = xrealloc(c->rows, c->size * c->width);
	}
	p = c->rows + c->count++ * c->width;
	if (c->sort->column && operand_is_number(c->sort))
		head.number = operand_number(c->sort, row);
	if (isnan(head.number))
		head.number = -INFINITY;
	memcpy(p, &head, sizeof(head));
	p += sizeof(head);
	memcpy(p, row->part[PART_KEY], c->schema->size[PART_KEY]);
	memcpy(p + aligned(c->schema->size[PART_KEY]), row->part[PART_VALUE],
	       c->schema->size[PART_VALUE]);
}

u64 collect_finish(struct collect *c)
{
	cut(c);
	return c->left_out;
}

void collect_close(struct collect *c)
{
	free(c->rows);
	free(c);
}
