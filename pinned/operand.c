// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "cell.h"
#include "query.h"

static bool is_named(const char *name, const char *base, size_t n, const char *suffix)
{
	return !strncmp(name, base, n) && (!name[n] || !strcmp(name + n, suffix));
}

/* The number of a histogram that is called `name`: p99 or p99_ns. */
static enum stat find_stat(const struct column *c, const char *name)
{
	for (enum stat i = STAT_COUNT; i < N_STATS; i++)
		if (is_named(name, stat_names[i], strlen(stat_names[i]),
			     i == STAT_COUNT ? "" : unit_suffix(c->unit)))
			return i;
	return STAT_VALUE;
}

static bool match(const struct schema *s, const struct column *c, const char *name,
		  struct operand *operand)
{
	size_t n = strlen(c->name);

	operand->column = c;
	operand->stat = STAT_VALUE;
	if (!is_hist(c))
		return !strcmp(c->name, name) || !strcmp(c->key, name);
	if (is_flat(s))
		operand->stat = find_stat(c, name);
	else if (!strncmp(c->name, name, n) && name[n] == '.')
		operand->stat = find_stat(c, name + n + 1);
	else if (!strcmp(c->name, name))
		operand->stat = STAT_COUNT;
	return operand->stat != STAT_VALUE;
}

bool operand_find(const struct schema *s, const char *name, struct operand *operand)
{
	for (unsigned int i = 0; i < s->n_labels; i++)
		if (match(s, &s->labels[i], name, operand))
			return true;
	for (unsigned int i = 0; i < s->n_fields; i++)
		if (match(s, &s->fields[i], name, operand))
			return true;
	return false;
}

void operand_default(const struct schema *s, struct operand *operand)
{
	operand->column = s->n_fields ? s->fields : NULL;
	for (unsigned int i = 0; i < s->n_fields; i++)
		if (!s->fields[i].gauge) {
			operand->column = &s->fields[i];
			break;
		}
	operand->stat = operand->column && is_hist(operand->column) ? STAT_COUNT : STAT_VALUE;
}

bool operand_is_number(const struct operand *operand)
{
	return operand->stat != STAT_VALUE || operand->column->format <= FMT_PORT ||
	       operand->column->format == FMT_RATIO;
}

double operand_number(const struct operand *operand, const struct row *row)
{
	static struct dist dist;

	if (operand->stat != STAT_VALUE) {
		dist_read(&dist, operand->column, row);
		return dist_stat(&dist, operand->stat);
	}
	if (operand->column->format == FMT_RATIO)
		return cell_ratio(operand->column, row);
	if (operand->column->format == FMT_SIGNED)
		return (s64)cell_number(operand->column, row);
	return cell_number(operand->column, row);
}

struct text operand_text(const struct operand *operand, const struct row *row, struct out *o)
{
	const struct column *c = operand->column;

	if (c->format == FMT_CHARS || c->format == FMT_STRING)
		return cell_text(c, row);
	o->len = 0;
	print_label(o, c, row, out_bytes_plain);
	return (struct text){o->buf, o->len};
}
