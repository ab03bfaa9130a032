// SPDX-License-Identifier: GPL-2.0-only
/* From the identity line of a snapshot to schemas. */
#include <stdlib.h>
#include <string.h>

#include "identity.h"
#include "snapshot.h"
#include "util.h"

/* What model.c column_kind() writes. */
static const struct kind {
	const char *name;
	enum format format;
	enum unit unit;
	bool gauge;
	u32 size;
} kinds[] = {
	{"number", FMT_NUMBER, UNIT_COUNT, false, 8},
	{"port", FMT_PORT, UNIT_COUNT, false, 8},
	{"address", FMT_ADDRESS, UNIT_COUNT, false, 16},
	{"prefix", FMT_PREFIX, UNIT_COUNT, false, 24},
	{"text", FMT_STRING, UNIT_COUNT, false, sizeof(char *)},
	{"signed", FMT_SIGNED, UNIT_COUNT, true, 8},
	{"count", FMT_NUMBER, UNIT_COUNT, false, 8},
	{"ns", FMT_NUMBER, UNIT_NSEC, false, 8},
	{"bytes", FMT_NUMBER, UNIT_BYTES, false, 8},
	{"gauge", FMT_NUMBER, UNIT_COUNT, true, 8},
	{"ns_gauge", FMT_NUMBER, UNIT_NSEC, true, 8},
	{"bytes_gauge", FMT_NUMBER, UNIT_BYTES, true, 8},
	{"ns_hist", FMT_HIST, UNIT_NSEC, false, sizeof(struct hist)},
	{"bytes_hist", FMT_HIST, UNIT_BYTES, false, sizeof(struct hist)},
	{"count_hist", FMT_HIST, UNIT_COUNT, false, sizeof(struct hist)},
	{"ns_minihist", FMT_MINIHIST, UNIT_NSEC, false, sizeof(struct minihist)},
	{"ratio", FMT_RATIO, UNIT_COUNT, true, 0},
};

static const struct kind *find_kind(const struct snapshot *s, const json_t *value)
{
	const char *name = json_string_value(value);

	for (size_t i = 0; name && i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	snapshot_refuse(s, "a column is of a kind that this version does not know");
}

/* As people write it: without the unit that the key in JSON has. */
static char *name_of(const char *key, enum unit unit)
{
	size_t n = strlen(key), m = strlen(unit_suffix(unit));

	if (n > m && m && !strcmp(key + n - m, unit_suffix(unit)))
		n -= m;
	return xasprintf("%.*s", (int)n, key);
}

static bool in_key(const json_t *key, const char *name)
{
	const json_t *item;
	size_t i;

	json_array_foreach(key, i, item) if (json_is_string(item) &&
					     !strcmp(json_string_value(item), name)) return true;
	return false;
}

static void fill_column(struct snapshot *s, struct schema *schema, struct column *c,
			const char *name, const json_t *value, enum part part)
{
	const struct kind *kind = find_kind(s, value);

	c->format = kind->format;
	c->unit = kind->unit;
	c->gauge = kind->gauge;
	c->size = kind->size;
	c->part = part;
	c->offset = schema->size[part];
	schema->size[part] += kind->size;
	c->key = xstrdup(name);
	c->name = is_hist(c) ? xstrdup(name) : name_of(name, kind->unit);
}

static void read_columns(struct snapshot *s, struct schema *schema, const json_t *map)
{
	const json_t *key = json_object_get(map, "key");
	const char *name;
	json_t *value;

	json_object_foreach(json_object_get(map, "labels"), name, value)
	{
		struct column *c = APPEND(schema->labels, schema->n_labels);

		c->label = true;
		fill_column(s, schema, c, name, value, in_key(key, name) ? PART_KEY : PART_VALUE);
		if (is_hist(c))
			snapshot_refuse(s, "a label is a histogram");
	}
	json_object_foreach(json_object_get(map, "fields"), name, value)
	{
		struct column *c = APPEND(schema->fields, schema->n_fields);

		fill_column(s, schema, c, name, value, PART_VALUE);
		if (c->format == FMT_RATIO)
			c->offset -= sizeof(u64);
		if (c->format > FMT_SIGNED && c->format < FMT_HIST)
			snapshot_refuse(s, "a field is a label");
		if (c->format == FMT_RATIO && !ratio_fits(schema->fields, schema->n_fields))
			snapshot_refuse(s, "a ratio does not follow two numbers");
	}
}

static enum map_kind read_kind(struct snapshot *s, const struct schema *schema, const json_t *map)
{
	const char *name = snapshot_text(s, map, "kind");

	for (enum map_kind kind = KIND_HIST; kind <= KIND_TABLE; kind++) {
		if (strcmp(map_kind_name(kind), name))
			continue;
		if (kind == KIND_HIST && (schema->n_fields != 1 || !is_hist(schema->fields)))
			snapshot_refuse(s, "a map of kind hist is none");
		return kind;
	}
	snapshot_refuse(s, "a map is of a kind that this version does not know");
}

static void read_map(struct snapshot *s, struct probe *probe, const char *name, const json_t *map)
{
	struct schema *schema = APPEND(probe->maps, probe->n_maps);
	const char *help = json_string_value(json_object_get(map, "help"));

	schema->probe = probe->name;
	schema->name = xstrdup(name);
	schema->help = help ? xstrdup(help) : NULL;
	schema->id = snapshot_u64(s, json_object_get(map, "id"), "a map's id");
	schema->losses = json_is_true(json_object_get(map, "losses"));
	schema->staged = json_is_true(json_object_get(map, "staged"));
	schema->edges = json_is_true(json_object_get(map, "edges"));
	read_columns(s, schema, map);
	schema->kind = read_kind(s, schema, map);
	if (!schema->n_fields && !schema->n_labels)
		snapshot_refuse(s, "a map has no columns");
}

static void read_programs(struct snapshot *s, struct probe *probe, const json_t *object)
{
	const json_t *misses = json_object_get(object, "recursion_misses"), *count;
	const char *name;
	json_t *id;

	json_object_foreach(json_object_get(object, "links"), name, id)
	{
		struct program *program = APPEND(probe->programs, probe->n_programs);

		program->link = xstrdup(name);
		program->id = json_is_null(id) ? 0 : snapshot_u64(s, id, "a program's id");
		count = json_object_get(misses, name);
		program->misses_known = count && !json_is_null(count);
		if (program->misses_known)
			program->recursion_misses = snapshot_u64(s, count, "recursion_misses");
	}
}

static void read_probe(struct snapshot *s, struct probe *probe, const json_t *object)
{
	const char *variant = json_string_value(json_object_get(object, "variant")), *name;
	json_t *value;

	probe->name = xstrdup(snapshot_text(s, object, "probe"));
	probe->variant = variant ? xstrdup(variant) : NULL;
	read_programs(s, probe, object);
	json_object_foreach(json_object_get(object, "config"), name, value)
	{
		struct setting *setting = APPEND(probe->settings, probe->n_settings);

		setting->name = xstrdup(name);
		setting->value = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	}
	json_object_foreach(json_object_get(object, "losses"), name, value)
	{
		struct loss *loss = APPEND(probe->losses, probe->n_losses);

		loss->name = xstrdup(name);
		loss->count = snapshot_u64(s, value, "a loss");
	}
	json_object_foreach(json_object_get(object, "maps"), name, value)
		read_map(s, probe, name, value);
}

static void read_host(struct snapshot *s, const json_t *line)
{
	struct host *host = &s->source.host;

	host->name = xstrdup(snapshot_text(s, line, "host"));
	host->boot_id = xstrdup(snapshot_text(s, line, "boot_id"));
	host->kernel = xstrdup(snapshot_text(s, line, "kernel"));
	host->version = xstrdup(snapshot_text(s, line, "pinscope"));
	host->realtime = snapshot_u64(s, json_object_get(line, "realtime_ns"), "realtime_ns");
	host->monotonic = snapshot_u64(s, json_object_get(line, "monotonic_ns"), "monotonic_ns");
	host->partial = json_is_true(json_object_get(line, "partial"));
}

void snapshot_identity(struct snapshot *s, const json_t *line)
{
	const char *type = json_string_value(json_object_get(line, "type"));
	const json_t *probes = json_object_get(line, "probes"), *object;
	struct source *source = &s->source;
	size_t i;

	if (strcmp(type, "identity"))
		snapshot_refuse(s, "it is not the identity that a snapshot starts with");
	if (snapshot_u64(s, json_object_get(line, "schema"), "schema") != SNAPSHOT_SCHEMA)
		snapshot_refuse(s, "it was made by another version of pinscope");
	read_host(s, line);
	json_array_foreach(probes, i, object)
	{
		struct probe *probe = APPEND(source->probes, source->n_probes);

		read_probe(s, probe, object);
	}
	s->rows = xcalloc(source->n_probes, sizeof(*s->rows));
	for (i = 0; i < source->n_probes; i++) {
		const struct probe *probe = &source->probes[i];

		s->rows[i] = xcalloc(probe->n_maps, sizeof(**s->rows));
		for (unsigned int j = 0; j < probe->n_maps; j++)
			set_open(&s->rows[i][j].keys, probe->maps[j].size[PART_KEY]);
	}
}
