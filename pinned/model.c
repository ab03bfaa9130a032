// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>

#include "model.h"
#include "util.h"

u64 load_number(const void *p, u32 size)
{
	u64 v = 0;

	/* Little and big endian alike: through a variable of that size. */
	switch (size) {
	case 1:
		return *(const u8 *)p;
	case 2: {
		u16 v16;

		memcpy(&v16, p, 2);
		return v16;
	}
	case 4: {
		u32 v32;

		memcpy(&v32, p, 4);
		return v32;
	}
	case 8:
		memcpy(&v, p, 8);
	}
	return v;
}

u64 cell_number(const struct column *c, const struct row *r)
{
	u64 v = load_number(cell(c, r), c->size);

	if (c->format == FMT_SIGNED && c->size < 8) {
		unsigned int shift = 64 - 8 * c->size;

		return (u64)((s64)(v << shift) >> shift);
	}
	return v;
}

static bool is_addend(const struct column *c, u32 offset)
{
	return c->format == FMT_NUMBER && !c->label && c->size == sizeof(u64) &&
	       c->offset == offset;
}

bool ratio_fits(const struct column *columns, unsigned int count)
{
	const struct column *ratio = columns + count - 1;

	return count > 2 && is_addend(ratio - 1, ratio->offset) &&
	       is_addend(ratio - 2, ratio->offset - sizeof(u64));
}

double cell_ratio(const struct column *c, const struct row *r)
{
	const u8 *rest = cell(c, r);
	double share = load_number(rest - sizeof(u64), sizeof(u64));

	return share / (share + load_number(rest, sizeof(u64)));
}

struct text cell_text(const struct column *c, const struct row *r)
{
	const char *p = (const char *)cell(c, r);

	if (c->format == FMT_STRING) {
		memcpy(&p, cell(c, r), sizeof(p));
		return (struct text){p, strlen(p)};
	}
	return (struct text){p, strnlen(p, c->size)};
}

const char *enum_name(const struct enumeration *e, u64 value)
{
	if (value < e->count && e->items[value].value == value)
		return e->items[value].name;
	for (unsigned int i = 0; i < e->count; i++)
		if (e->items[i].value == value)
			return e->items[i].name;
	return NULL;
}

bool is_hist(const struct column *c)
{
	return c->format == FMT_HIST || c->format == FMT_MINIHIST;
}

bool is_flat(const struct schema *s)
{
	return s->kind == KIND_HIST;
}

bool row_is_zero(const struct schema *s, const struct row *r)
{
	const u8 *p = r->part[PART_VALUE];

	return !s->size[PART_VALUE] || (!p[0] && !memcmp(p, p + 1, s->size[PART_VALUE] - 1));
}

const char *unit_suffix(enum unit unit)
{
	static const char *const suffix[] = {"", "_ns", "_bytes"};

	return suffix[unit];
}

const char *map_kind_name(enum map_kind kind)
{
	static const char *const names[] = {"hist", "counter", "table"};

	return names[kind];
}

void column_kind(const struct column *c, char kind[32])
{
	static const char *const units[] = {"count", "ns", "bytes"};
	const char *shape = c->format == FMT_HIST	? "_hist"
			    : c->format == FMT_MINIHIST ? "_minihist"
			    : c->gauge			? "_gauge"
							: "";

	if (c->label)
		snprintf(kind, 32, "%s",
			 c->format == FMT_ADDRESS  ? "address"
			 : c->format == FMT_PREFIX ? "prefix"
			 : c->format == FMT_PORT   ? "port"
			 : c->format == FMT_SIGNED ? "signed"
			 : c->format == FMT_NUMBER ? "number"
						   : "text");
	else if (c->format == FMT_SIGNED)
		snprintf(kind, 32, "signed%s", unit_suffix(c->unit));
	else if (c->format == FMT_RATIO)
		snprintf(kind, 32, "ratio");
	else if (c->gauge && c->unit == UNIT_COUNT)
		snprintf(kind, 32, "gauge");
	else
		snprintf(kind, 32, "%s%s", units[c->unit], shape);
}

char *column_key(const char *name, const struct column *c)
{
	const char *suffix = unit_suffix(c->unit), *dot = strrchr(name, '.');
	const char *last = dot ? dot + 1 : name;
	size_t n = strlen(last), m = strlen(suffix);

	/* A name may say its unit already, and a histogram's unit is on its members. */
	if (is_hist(c) || !m || !strcmp(last, suffix + 1) ||
	    (n > m && !strcmp(last + n - m, suffix)) ||
	    (n > m && last[m - 1] == '_' && !strncmp(last, suffix + 1, m - 1)))
		return xstrdup(name);
	return xasprintf("%s%s", name, suffix);
}
