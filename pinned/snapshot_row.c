// SPDX-License-Identifier: GPL-2.0-only
/* From a row of a snapshot back to blocks of memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "snapshot.h"
#include "units.h"
#include "util.h"

/* rx.packets is the member packets of the member rx. */
static const json_t *member(const json_t *object, const char *path)
{
	const char *dot;

	while ((dot = strchr(path, '.'))) {
		char *name = xasprintf("%.*s", (int)(dot - path), path);

		object = json_object_get(object, name);
		free(name);
		path = dot + 1;
	}
	return json_object_get(object, path);
}

static u64 unit_member(const struct snapshot *s, const json_t *object, const char *name,
		       enum unit unit)
{
	const json_t *value;
	char key[32];

	snprintf(key, sizeof(key), "%s%s", name, unit_suffix(unit));
	value = json_object_get(object, key);
	return json_is_null(value) ? 0 : snapshot_u64(s, value, key);
}

/*
 * The slot that ends at `le`. Near 2^64 such a bound may have come through a real number,
 * which rounds it up to the start of the next slot: step back a little.
 */
static u32 slot_at(const struct snapshot *s, const json_t *le, bool mini)
{
	u64 bound = snapshot_u64(s, le, "the bound of a slot");
	u32 slot = hist_slot(json_is_real(le) ? bound - bound / 32 : bound);
	u64 end = hist_slot_max(slot);

	if (mini) {
		slot = minihist_slot(slot);
		end = minihist_slot_max(slot);
	}
	if (end != bound && !json_is_real(le))
		snapshot_refuse(s, "the bound of a slot is none");
	return slot;
}

static u64 slot_count(const struct snapshot *s, const json_t *pair)
{
	if (json_array_size(pair) != 2)
		snapshot_refuse(s, "a slot is no pair of numbers");
	return snapshot_u64(s, json_array_get(pair, 1), "the count of a slot");
}

static void read_hist(const struct snapshot *s, const json_t *object, enum unit unit,
		      struct hist *h)
{
	const json_t *pair;
	size_t i;

	h->sum = unit_member(s, object, "sum", unit);
	h->max = unit_member(s, object, "max", unit);
	json_array_foreach(json_object_get(object, "slots"), i, pair)
	{
		u64 count = slot_count(s, pair);

		h->slots[slot_at(s, json_array_get(pair, 0), false)] = count;
	}
}

static void read_minihist(const struct snapshot *s, const json_t *object, enum unit unit,
			  struct minihist *h)
{
	const json_t *sumsq = json_object_get(object, "sumsq"), *pair;
	size_t i;

	h->count = unit_member(s, object, "count", UNIT_COUNT);
	h->sum = unit_member(s, object, "sum", unit);
	h->min = unit_member(s, object, "min", unit);
	h->max = unit_member(s, object, "max", unit);
	h->sumsq = json_is_null(sumsq) ? ~0ULL : snapshot_u64(s, sumsq, "sumsq");
	json_array_foreach(json_object_get(object, "slots"), i, pair)
	{
		u64 count = slot_count(s, pair);

		h->slots[slot_at(s, json_array_get(pair, 0), true)] = count;
	}
}

static void read_address(const struct snapshot *s, const json_t *value, u8 *at, bool prefix)
{
	const char *text = json_string_value(value);
	u32 bits = 0;

	if (prefix && text && !strcmp(text, "any"))
		return;
	if (!text || !parse_prefix(text, at, &bits) || (!prefix && bits != 128))
		snapshot_refuse(s, "an address is none");
	if (prefix)
		memcpy(at + 16, &bits, sizeof(bits));
}

static void read_cell(struct snapshot *s, const struct column *c, const json_t *value, u8 *at)
{
	const char *text;
	u64 number;

	switch (c->format) {
	case FMT_RATIO:
		break;
	case FMT_STRING:
		if (!json_is_string(value))
			snapshot_refuse(s, "a label is no text");
		text = snapshot_string(s, json_string_value(value));
		memcpy(at, &text, sizeof(text));
		break;
	case FMT_ADDRESS:
	case FMT_PREFIX:
		read_address(s, value, at, c->format == FMT_PREFIX);
		break;
	case FMT_HIST:
		read_hist(s, value, c->unit, (struct hist *)at);
		break;
	case FMT_MINIHIST:
		read_minihist(s, value, c->unit, (struct minihist *)at);
		break;
	default:
		number = c->format == FMT_SIGNED && json_is_integer(value)
				 ? (u64)json_integer_value(value)
				 : snapshot_u64(s, value, c->key);
		memcpy(at, &number, sizeof(number));
	}
}

static const struct schema *find_map(const struct snapshot *s, const char *probe, const char *map,
				     struct rows **rows)
{
	for (unsigned int i = 0; i < s->source.n_probes; i++) {
		const struct probe *p = &s->source.probes[i];

		for (unsigned int j = 0; j < p->n_maps; j++)
			if (!strcmp(p->name, probe) && !strcmp(p->maps[j].name, map)) {
				*rows = &s->rows[i][j];
				return &p->maps[j];
			}
	}
	snapshot_refuse(s, "its map is not in the identity");
}

/* A place for the value of a new key. */
static u8 *new_value(struct snapshot *s, struct rows *rows, const struct schema *schema,
		     const u8 *key)
{
	size_t size = schema->size[PART_VALUE];
	bool added;
	u32 i;

	i = set_add(&rows->keys, key, &added);
	if (!added)
		snapshot_refuse(s, "its labels are those of an earlier row");
	if (i >= rows->room) {
		rows->room = rows->room ? 2 * rows->room : 16;
		rows->values = xrealloc(rows->values, rows->room * size);
	}
	return memset(rows->values + i * size, 0, size);
}

void snapshot_add_row(struct snapshot *s, const json_t *line)
{
	const json_t *labels = json_object_get(line, "labels");
	const char *probe = snapshot_text(s, line, "probe"), *map = snapshot_text(s, line, "map");
	struct rows *rows;
	const struct schema *schema = find_map(s, probe, map, &rows);
	u8 *key = xcalloc(1, schema->size[PART_KEY]), *value;

	for (unsigned int i = 0; i < schema->n_labels; i++) {
		const struct column *c = &schema->labels[i];

		if (c->part == PART_KEY)
			read_cell(s, c, json_object_get(labels, c->key), key + c->offset);
	}
	value = new_value(s, rows, schema, key);
	for (unsigned int i = 0; i < schema->n_labels; i++) {
		const struct column *c = &schema->labels[i];

		if (c->part == PART_VALUE)
			read_cell(s, c, json_object_get(labels, c->key), value + c->offset);
	}
	for (unsigned int i = 0; i < schema->n_fields; i++) {
		const struct column *c = &schema->fields[i];

		read_cell(s, c, is_flat(schema) ? line : member(line, c->key), value + c->offset);
	}
	free(key);
}
