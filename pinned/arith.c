// SPDX-License-Identifier: GPL-2.0-only
/* Adding up the copies of a value that each CPU has, and subtracting an earlier reading. */
#include <string.h>

#include "model.h"

void store_number(u8 *p, u32 size, u64 v)
{
	u32 v32 = v;
	u16 v16 = v;

	switch (size) {
	case 1:
		*p = v;
		break;
	case 2:
		memcpy(p, &v16, 2);
		break;
	case 4:
		memcpy(p, &v32, 4);
		break;
	case 8:
		memcpy(p, &v, 8);
	}
}

static u64 larger(u64 a, u64 b)
{
	return a > b ? a : b;
}

static void hist_merge(struct hist *a, const struct hist *b)
{
	a->sum += b->sum;
	a->max = larger(a->max, b->max);
	for (int i = 0; i < HIST_SLOTS; i++)
		a->slots[i] += b->slots[i];
}

static void minihist_merge(struct minihist *a, const struct minihist *b)
{
	if (b->count && (!a->count || b->min < a->min))
		a->min = b->min;
	a->count += b->count;
	a->sum += b->sum;
	a->max = larger(a->max, b->max);
	if (__builtin_add_overflow(a->sumsq, b->sumsq, &a->sumsq))
		a->sumsq = ~0ULL;
	for (int i = 0; i < MINIHIST_SLOTS; i++)
		a->slots[i] += b->slots[i];
}

/* Identity of the row: the first CPU that knows it. */
static void label_merge(u8 *a, const u8 *b, u32 size)
{
	for (u32 i = 0; i < size; i++)
		if (a[i])
			return;
	memcpy(a, b, size);
}

static void number_merge(const struct column *c, u8 *a, const u8 *b)
{
	u64 x = load_number(a, c->size), y = load_number(b, c->size);

	store_number(a, c->size, c->gauge ? larger(x, y) : x + y);
}

void value_merge(const struct schema *s, u8 *into, const u8 *from)
{
	if (s->vacant)
		label_merge(into, from, 8);
	for (unsigned int i = 0; i < s->n_labels; i++) {
		const struct column *c = &s->labels[i];

		if (c->part == PART_VALUE)
			label_merge(into + c->offset, from + c->offset, c->size);
	}
	for (unsigned int i = 0; i < s->n_fields; i++) {
		const struct column *c = &s->fields[i];
		u8 *a = into + c->offset;
		const u8 *b = from + c->offset;

		if (c->format == FMT_HIST)
			hist_merge((struct hist *)a, (const struct hist *)b);
		else if (c->format == FMT_MINIHIST)
			minihist_merge((struct minihist *)a, (const struct minihist *)b);
		else
			number_merge(c, a, b);
	}
}

static bool hist_subtract(struct hist *a, const struct hist *b)
{
	bool grew = a->sum >= b->sum;

	a->sum -= b->sum;
	if (a->max <= b->max)
		a->max = 0;
	for (int i = 0; i < HIST_SLOTS; i++) {
		grew &= a->slots[i] >= b->slots[i];
		a->slots[i] -= b->slots[i];
	}
	return grew;
}

static bool minihist_subtract(struct minihist *a, const struct minihist *b)
{
	bool grew = a->count >= b->count && a->sum >= b->sum && a->sumsq >= b->sumsq;

	if (b->count && a->min >= b->min)
		a->min = ~0ULL;
	if (a->max <= b->max)
		a->max = 0;
	if (a->sumsq != ~0ULL)
		a->sumsq -= b->sumsq;
	a->count -= b->count;
	a->sum -= b->sum;
	for (int i = 0; i < MINIHIST_SLOTS; i++) {
		grew &= a->slots[i] >= b->slots[i];
		a->slots[i] -= b->slots[i];
	}
	return grew;
}

static bool number_subtract(const struct column *c, u8 *a, const u8 *b)
{
	u64 x = load_number(a, c->size), y = load_number(b, c->size);

	store_number(a, c->size, x - y);
	return x >= y;
}

bool value_subtract(const struct schema *s, u8 *now, const u8 *before)
{
	bool grew = true;

	for (unsigned int i = 0; i < s->n_fields; i++) {
		const struct column *c = &s->fields[i];
		u8 *a = now + c->offset;
		const u8 *b = before + c->offset;

		if (c->format == FMT_HIST)
			grew &= hist_subtract((struct hist *)a, (const struct hist *)b);
		else if (c->format == FMT_MINIHIST)
			grew &= minihist_subtract((struct minihist *)a, (const struct minihist *)b);
		else if (!c->gauge)
			grew &= number_subtract(c, a, b);
	}
	return grew;
}
