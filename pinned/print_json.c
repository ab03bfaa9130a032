// SPDX-License-Identifier: GPL-2.0-only
/*
 * NDJSON: the identity, one object a row, and a last line by which a truncated file is
 * told from a whole one. All that is the same in every row of a map is put together
 * once, so that a row is a copy and a number for each column.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cell.h"
#include "dist.h"
#include "escape.h"
#include "identity.h"
#include "print.h"
#include "util.h"

struct piece {
	char *text;
	size_t len;
};

struct pieces {
	struct piece *labels, *fields; /* what stands in front of each */
	struct piece between, last;
};

static void out_piece(struct out *o, const struct piece *piece)
{
	out_bytes(o, piece->text, piece->len);
}

/* Takes what was gathered, and empties the buffer. */
static struct piece take(struct out *o)
{
	struct piece piece = {out_text(o), o->len};

	o->len = 0;
	return piece;
}

/* The number of leading path components, with their dots, that two names share. */
static size_t shared_path(const char *a, const char *b)
{
	size_t shared = 0;

	for (size_t i = 0; a[i] && a[i] == b[i]; i++)
		if (a[i] == '.')
			shared = i + 1;
	return shared;
}

static void close_objects(struct out *o, const char *path)
{
	for (; *path; path++)
		if (*path == '.')
			out_char(o, '}');
}

/* From the end of the field before to the value of this one: rx.packets is {"rx":{"packets": */
static void lead_in(struct out *o, const char *before, const char *name)
{
	size_t shared = shared_path(before, name);
	const char *dot;

	close_objects(o, before + shared);
	out_char(o, ',');
	for (name += shared; (dot = strchr(name, '.')); name = dot + 1)
		out_printf(o, "\"%.*s\":{", (int)(dot - name), name);
	out_printf(o, "\"%s\":", name);
}

static void open_row(struct out *o, const struct schema *s, const char *type)
{
	out_printf(o, "{\"type\":\"%s\",\"probe\":", type);
	escape_json_string(o, s->probe);
	out_printf(o, ",\"%s\":", s->event ? "event" : "map");
	escape_json_string(o, s->name);
	out_str(o, ",\"labels\":{");
}

static void prepare_labels(struct pieces *pieces, const struct print *p, struct out *o)
{
	const struct schema *s = p->schema;

	open_row(o, s, s->event ? "event" : "row");
	pieces->labels = xcalloc(s->n_labels, sizeof(*pieces->labels));
	for (unsigned int i = 0; i < s->n_labels; i++) {
		if (i)
			out_char(o, ',');
		escape_json_string(o, s->labels[i].key);
		out_char(o, ':');
		pieces->labels[i] = take(o);
	}
	out_char(o, '}');
	pieces->between = take(o);
}

static void prepare_fields(struct pieces *pieces, const struct schema *s, struct out *o)
{
	const char *before = "";

	pieces->fields = xcalloc(s->n_fields, sizeof(*pieces->fields));
	for (unsigned int i = 0; i < s->n_fields; i++) {
		if (is_flat(s))
			out_char(o, ',');
		else
			lead_in(o, before, s->fields[i].key);
		before = s->fields[i].key;
		pieces->fields[i] = take(o);
	}
	if (!is_flat(s))
		close_objects(o, before);
	out_str(o, "}\n");
	pieces->last = take(o);
}

static void json_begin_map(struct print *p)
{
	struct pieces *pieces = xcalloc(1, sizeof(*pieces));
	struct out o;

	out_open(&o, -1);
	prepare_labels(pieces, p, &o);
	prepare_fields(pieces, p->schema, &o);
	out_close(&o);
	p->state = pieces;
}

static void json_end_map(struct print *p)
{
	struct pieces *pieces = p->state;

	for (unsigned int i = 0; i < p->schema->n_labels; i++)
		free(pieces->labels[i].text);
	for (unsigned int i = 0; i < p->schema->n_fields; i++)
		free(pieces->fields[i].text);
	free(pieces->labels);
	free(pieces->fields);
	free(pieces->between.text);
	free(pieces->last.text);
	free(pieces);
}

static void json_label(struct out *o, const struct column *c, const struct row *row)
{
	if (c->format <= FMT_PORT) {
		print_field(o, c, row);
		return;
	}
	out_char(o, '"');
	print_label(o, c, row, escape_json);
	out_char(o, '"');
}

/* ,"NAME": with the unit behind the name. */
static void out_key(struct out *o, const char *name, const char *suffix)
{
	out_str(o, ",\"");
	out_str(o, name);
	out_str(o, suffix);
	out_str(o, "\":");
}

/* null when it is not known. Means are whole in ns and bytes; of counts they need decimals. */
static void named_stat(struct out *o, const struct dist *d, enum stat stat, enum unit unit)
{
	bool is_real = stat == STAT_MEAN || stat == STAT_STDDEV;
	double real = is_real ? dist_stat(d, stat) : 0;
	bool known = is_real && isfinite(real);
	u64 v;

	out_key(o, stat_names[stat], unit_suffix(unit));
	if (known && unit == UNIT_COUNT)
		out_real(o, real, 3);
	else if (known)
		out_u64(o, real + 0.5);
	else if (!is_real && dist_integer(d, stat, &v))
		out_u64(o, v);
	else
		out_str(o, "null");
}

static void out_pair(struct out *o, u64 first, u64 second)
{
	out_char(o, '[');
	out_u64(o, first);
	out_char(o, ',');
	out_u64(o, second);
	out_char(o, ']');
}

static void named_bounds(struct out *o, const char *name, struct bounds b)
{
	if (o->buf[o->len - 1] != '{')
		out_char(o, ',');
	out_char(o, '"');
	out_str(o, name);
	out_str(o, "\":");
	out_pair(o, b.lo, b.hi);
}

static void json_bounds(struct out *o, const struct dist *d, const char *suffix, bool interval)
{
	static const unsigned int per_mille[] = {500, 900, 990, 999};

	out_key(o, "bounds", suffix);
	out_char(o, '{');
	for (int i = 0; d->count && i < 4; i++)
		named_bounds(o, stat_names[STAT_P50 + i], dist_percentile(d, per_mille[i]));
	if (d->count && interval)
		named_bounds(o, "max", d->max);
	out_char(o, '}');
}

static void json_slots(struct out *o, const struct dist *d)
{
	out_str(o, ",\"slots\":[");
	for (unsigned int i = 0; i < d->n; i++) {
		if (i)
			out_char(o, ',');
		out_pair(o, d->slots[i].in.hi, d->slots[i].count);
	}
	out_char(o, ']');
}

/* null when it overflowed. It is there so that two snapshots subtract. */
static void json_sumsq(struct out *o, const struct minihist *h)
{
	out_str(o, ",\"sumsq\":");
	if (h->sumsq == ~0ULL)
		out_str(o, "null");
	else
		out_u64(o, h->sumsq);
}

/* The members of a histogram, without the braces. */
static void json_hist(struct out *o, const struct column *c, const struct row *row, double seconds)
{
	static struct dist d;

	dist_read(&d, c, row);
	out_str(o, "\"count\":");
	out_u64(o, d.count);
	if (seconds) {
		out_str(o, ",\"count_per_s\":");
		out_real(o, d.count / seconds, 3);
	}
	for (enum stat i = STAT_SUM; i < N_STATS; i++)
		if (d.mini || (i != STAT_MIN && i != STAT_STDDEV))
			named_stat(o, &d, i, c->unit);
	if (d.mini)
		json_sumsq(o, (const struct minihist *)cell(c, row));
	json_bounds(o, &d, unit_suffix(c->unit), seconds);
	json_slots(o, &d);
}

static void json_rate(struct out *o, const struct column *c, const struct row *row, double seconds)
{
	const char *dot = strrchr(c->key, '.');

	out_printf(o, ",\"%s_per_s\":", dot ? dot + 1 : c->key);
	out_real(o, cell_number(c, row) / seconds, 3);
}

static void json_field(struct out *o, const struct schema *s, const struct column *c,
		       const struct row *row)
{
	if (c->format == FMT_RATIO) {
		out_real(o, cell_ratio(c, row), 6);
		return;
	}
	if (!is_hist(c)) {
		print_field(o, c, row);
		if (s->seconds && !c->gauge)
			json_rate(o, c, row, s->seconds);
		return;
	}
	if (!is_flat(s))
		out_char(o, '{');
	json_hist(o, c, row, s->seconds);
	if (!is_flat(s))
		out_char(o, '}');
}

static void json_row(struct print *p, const struct row *row)
{
	const struct pieces *pieces = p->state;
	const struct schema *s = p->schema;
	struct out *o = &p->out;

	for (unsigned int i = 0; i < s->n_labels; i++) {
		out_piece(o, &pieces->labels[i]);
		json_label(o, &s->labels[i], row);
	}
	out_piece(o, &pieces->between);
	for (unsigned int i = 0; i < s->n_fields; i++) {
		out_piece(o, &pieces->fields[i]);
		json_field(o, s, &s->fields[i], row);
	}
	out_piece(o, &pieces->last);
}

/* Only its labels: what it counted between the two readings is not known. */
static void json_gone(struct print *p, const struct row *row)
{
	const struct schema *s = p->schema;
	struct out *o = &p->out;

	open_row(o, s, "gone");
	for (unsigned int i = 0; i < s->n_labels; i++) {
		if (i)
			out_char(o, ',');
		escape_json_string(o, s->labels[i].key);
		out_char(o, ':');
		json_label(o, &s->labels[i], row);
	}
	out_str(o, "}}\n");
}

static void json_end(struct print *p)
{
	out_printf(&p->out, "{\"type\":\"end\",\"rows\":%llu}\n", (unsigned long long)p->all_rows);
}

const struct printer json_printer = {
	.begin = json_identity,
	.begin_map = json_begin_map,
	.row = json_row,
	.gone = json_gone,
	.end_map = json_end_map,
	.end = json_end,
};
