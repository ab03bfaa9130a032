// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "describe.h"
#include "error.h"
#include "types_btf.h"
#include "util.h"

struct object *object_open(const char *path)
{
	struct object *o = xcalloc(1, sizeof(*o));

	o->btf = btf__parse(path, NULL);
	if (!o->btf) {
		int err = errno;

		free(o);
		complain(err == EACCES || err == EPERM ? EXIT_FAILED : EXIT_INPUT,
			 "cannot decode with %s: %s; it must be the object that was "
			 "loaded "
			 "(pinscope load puts it there)",
			 path,
			 err == ENOENT	 ? "there is no such file, or no BTF in it"
			 : err == EACCES ? "permission denied"
					 : "not an ELF object with BTF");
		return NULL;
	}
	o->path = xstrdup(path);
	return o;
}

void object_close(struct object *o)
{
	btf__free(o->btf);
	free(o->path);
	free(o);
}

const char *object_tagged(const struct object *o, const char *prefix, u32 *id, const char **text)
{
	size_t n = strlen(prefix);

	while (++*id < btf__type_cnt(o->btf)) {
		const struct btf_type *tag = btf__type_by_id(o->btf, *id), *var;

		if (!btf_is_decl_tag(tag) || strncmp(type_name(o->btf, tag), prefix, n))
			continue;
		var = btf__type_by_id(o->btf, tag->type);
		*text = type_name(o->btf, tag) + n;
		if (var && btf_is_var(var))
			return type_name(o->btf, var);
	}
	return NULL;
}

const char *object_tag(const struct object *o, const char *variable, const char *prefix)
{
	const char *name, *text;
	u32 id = 0;

	while ((name = object_tagged(o, prefix, &id, &text)))
		if (!strcmp(name, variable))
			return text;
	return NULL;
}

static bool has_tag(const struct object *o, const char *map, const char *tag)
{
	const char *rest = object_tag(o, map, tag);

	return rest && !*rest;
}

bool object_is_internal(const struct object *o, const char *map)
{
	return has_tag(o, map, "internal");
}

/* The variable of that name in a data section: its place there, -1 when there is none. */
static int find_variable(const struct btf *btf, const char *section, const char *name, u32 *type)
{
	int id = btf__find_by_name_kind(btf, section, BTF_KIND_DATASEC);
	const struct btf_type *sec = id > 0 ? btf__type_by_id(btf, id) : NULL;

	for (u32 i = 0; sec && i < btf_vlen(sec); i++) {
		const struct btf_type *var = btf__type_by_id(btf, btf_var_secinfos(sec)[i].type);

		if (!var || !btf_is_var(var) || strcmp(type_name(btf, var), name))
			continue;
		*type = var->type;
		return i;
	}
	return -1;
}

/* The type that a member of a map's definition points to: __type(key, ...). */
static u32 definition_type(const struct btf *btf, const struct btf_type *map, const char *member)
{
	const struct btf_member *m = btf_members(map);

	for (u32 i = 0; i < btf_vlen(map); i++) {
		const struct btf_type *pointer = btf__type_by_id(btf, m[i].type);

		if (strcmp(string_at(btf, m[i].name_off), member))
			continue;
		return pointer && btf_is_ptr(pointer) ? pointer->type : 0;
	}
	return 0;
}

static void split_columns(struct schema *s, struct column *columns, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		struct column *c = columns[i].label ? APPEND(s->labels, s->n_labels)
						    : APPEND(s->fields, s->n_fields);

		*c = columns[i];
	}
}

/* Whether the key is one enum: then each enumerator is a row, be it 0. */
static void classify_key(const struct btf *btf, u32 key, struct schema *s)
{
	const struct btf_type *t = resolved(btf, key);

	s->listed = t && btf_is_any_enum(t);
}

static enum map_kind classify_value(const struct column *first, unsigned int count)
{
	if (count == 1 && is_hist(first) && !strcmp(first->name, "hist"))
		return KIND_HIST;
	return count == 1 && !first->label && !is_hist(first) ? KIND_COUNTER : KIND_TABLE;
}

/* What a row is of: the map's value, or each of its members. */
static u32 row_type(const struct object *o, const char *map, u32 value)
{
	const struct btf_type *t = resolved(o->btf, value);
	bool members = object_tag(o, map, "label:") && t && btf_is_struct(t) && btf_vlen(t);

	return members ? btf_members(t)->type : value;
}

/* The columns of a map's key and value, and how many rows a value holds. */
static bool lay_out(struct layout *l, u32 key, u32 value, bool single, struct schema *s)
{
	const struct object o = {.btf = (struct btf *)l->btf};
	const char *label = object_tag(&o, l->map, "label:");

	s->parts = 1;
	s->by_cpu = has_tag(&o, l->map, "by_cpu");
	if (s->by_cpu)
		layout_cpu(l, key);
	if (!label)
		return layout_key(l, key, single) && layout_value(l, value);
	if (!layout_members(l, value, label))
		return false;
	s->parts = l->columns[l->n_key - 1].names->count;
	s->listed = !s->by_cpu; /* many a possible CPU is none */
	return true;
}

enum described describe_map(const struct object *o, const char *map, bool array, u32 entries,
			    struct schema *s)
{
	u32 id = 0, key, value;
	int place = find_variable(o->btf, ".maps", map, &id);
	const struct btf_type *definition = resolved(o->btf, id);
	struct layout layout = {.btf = o->btf, .map = map, .path = o->path};
	bool single;

	if (!definition || !btf_is_struct(definition))
		return MAP_UNKNOWN;
	key = definition_type(o->btf, definition, "key");
	value = definition_type(o->btf, definition, "value");
	if (!key || !value)
		return MAP_OTHER;
	s->vacant = array && is_place(o->btf, key, row_type(o, map, value));
	s->staged = object_tag(o, map, "staged");
	s->edges = has_tag(o, map, "edges");
	single = s->vacant || (array && entries == 1);
	classify_key(o->btf, key, s);
	if (!lay_out(&layout, key, value, single, s))
		return MAP_BAD;
	s->order = place;
	s->size[PART_KEY] = btf__resolve_size(o->btf, key) + (s->by_cpu ? sizeof(u32) : 0);
	s->size[PART_VALUE] = btf__resolve_size(o->btf, value) / s->parts;
	s->kind = classify_value(layout.columns + layout.n_key, layout.count - layout.n_key);
	split_columns(s, layout.columns, layout.count);
	free(layout.columns);
	s->losses = !strcmp(map, "losses") && s->kind == KIND_COUNTER && s->n_labels == 1;
	return MAP_ROWS;
}

bool describe_record(const struct object *o, u32 id, struct schema *s)
{
	const struct btf_type *t = btf__type_by_id(o->btf, id);
	struct layout layout = {.btf = o->btf, .map = "events", .path = o->path};

	if (!t || !btf_is_struct(t)) {
		complain(EXIT_INPUT, "cannot decode records of type %u by %s: it is no struct", id,
			 o->path);
		return false;
	}
	if (!layout_value(&layout, id))
		return false;
	s->name = type_name(o->btf, t);
	s->kind = KIND_TABLE;
	s->size[PART_VALUE] = t->size;
	/* The first member is the type itself. */
	if (layout.count)
		split_columns(s, layout.columns + 1, layout.count - 1);
	free(layout.columns);
	return true;
}

static void add_masks(const struct btf *btf, const struct btf_type *t, u32 base,
		      struct config *config)
{
	const struct btf_member *m = btf_members(t);

	for (u32 i = 0; i < btf_vlen(t); i++) {
		struct mask *mask;

		if (strcmp(type_name(btf, btf__type_by_id(btf, m[i].type)), "mask_t"))
			continue;
		mask = APPEND(config->masks, config->n_masks);
		mask->offset = base + btf_member_bit_offset(t, i) / 8;
		for (u32 j = i + 1; j < btf_vlen(t) && mask->count < 32; j++)
			mask->members[mask->count++] = (struct mask_member){
				base + btf_member_bit_offset(t, j) / 8,
				btf__resolve_size(btf, m[j].type),
			};
	}
	for (u32 i = 0; i < btf_vlen(t); i++) {
		const struct btf_type *inner = resolved(btf, m[i].type);

		if (inner && btf_is_struct(inner))
			add_masks(btf, inner, base + btf_member_bit_offset(t, i) / 8, config);
	}
}

bool describe_config(const struct object *o, struct config *config)
{
	struct layout layout = {.btf = o->btf, .map = "config", .path = o->path};
	u32 id = 0;
	int place = find_variable(o->btf, ".data.config", "config", &id);
	const struct btf_type *t = resolved(o->btf, id);

	/* The compiler leaves offsets in sections to the loader, so it must be alone there. */
	if (place || !t || !btf_is_struct(t)) {
		complain(EXIT_INPUT,
			 "cannot decode the configuration by %s: it has no struct config "
			 "at "
			 "the start of .data.config",
			 o->path);
		return false;
	}
	config->size = t->size;
	if (!layout_config(&layout, id))
		return false;
	config->columns = layout.columns;
	config->n_columns = layout.count;
	add_masks(o->btf, t, 0, config);
	return true;
}
