// SPDX-License-Identifier: GPL-2.0-only
/* The columns of a map: those of its types, with their names. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "types_btf.h"
#include "util.h"

static const char *last_name(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot && !isdigit((unsigned char)dot[1]) ? dot + 1 : path;
}

/* Labels and settings are flat; fields keep their path. */
static bool has_flat_name(const struct layout *l, unsigned int i)
{
	return l->columns[i].label || l->config;
}

/* Whether another label has the same last name. */
static bool is_alike(const struct layout *l, const char *const *paths, unsigned int i)
{
	for (unsigned int j = 0; j < l->count; j++)
		if (j != i && has_flat_name(l, j) &&
		    !strcmp(last_name(paths[j]), last_name(paths[i])))
			return true;
	return false;
}

static char *joined(const char *path)
{
	char *name = xstrdup(path);

	for (char *p = name; *p; p++)
		if (*p == '.')
			*p = '_';
	return name;
}

/*
 * Labels of nested structs go by their own name; by the whole path where two are alike,
 * and in a value where the key has such a path already, with "value_" in front.
 */
static char *label_name(const struct layout *l, const char *const *paths, unsigned int i)
{
	if (!is_alike(l, paths, i))
		return joined(last_name(paths[i]));
	for (unsigned int j = 0; j < i; j++)
		if (has_flat_name(l, j) && !strcmp(paths[j], paths[i])) {
			char *path = xasprintf("value.%s", paths[i]), *name = joined(path);

			free(path);
			return name;
		}
	return joined(paths[i]);
}

/* A row has members of its own (docs/objects.md); fields make way. */
static char *field_name(const char *path)
{
	static const char *const taken[] = {"type", "probe", "map", "labels"};

	for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++)
		if (!strcmp(path, taken[i]))
			return xasprintf("%s_", path);
	return xstrdup(path);
}

static void name_columns(struct layout *l)
{
	char **paths = xcalloc(l->count, sizeof(*paths));

	for (unsigned int i = 0; i < l->count; i++)
		paths[i] = l->columns[i].name;
	for (unsigned int i = 0; i < l->count; i++) {
		struct column *c = &l->columns[i];

		c->name = has_flat_name(l, i) ? label_name(l, (const char *const *)paths, i)
					      : field_name(paths[i]);
		c->key = c->label ? xstrdup(c->name) : column_key(c->name, c);
	}
	for (unsigned int i = 0; i < l->count; i++)
		free(paths[i]);
	free(paths);
}

/* The name of a bare key or value: that of its enum or typedef. */
static char *bare_name(const struct btf *btf, u32 id, const char *otherwise)
{
	static const char *const plain[] = {"u8",  "u16",  "u32",   "u64",   "s32",
					    "s64", "__u8", "__u16", "__u32", "__u64"};
	const struct btf_type *t = btf__type_by_id(btf, id);
	const char *name = type_name(btf, t);
	size_t n = strlen(name);

	if (!t || !*name || !(btf_is_typedef(t) || btf_is_any_enum(t)))
		return xstrdup(otherwise);
	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		if (!strcmp(name, plain[i]))
			return xstrdup(otherwise);
	if (n > 2 && !strcmp(name + n - 2, "_t"))
		n -= 2;
	return xasprintf("%.*s", (int)n, name);
}

static bool is_plain_struct(const struct btf *btf, u32 id)
{
	const struct btf_type *t = resolved(btf, id);

	return t && btf_is_struct(t) && !find_meaning(btf, id);
}

static bool is_plain_number(const struct btf *btf, u32 id)
{
	char *name = bare_name(btf, id, "");
	const struct btf_type *t = resolved(btf, id);
	bool plain = !*name && t && btf_is_int(t);

	free(name);
	return plain;
}

/* The number only says where the row lies: it starts with what the programs find it by. */
bool is_place(const struct btf *btf, u32 key, u32 value)
{
	const struct btf_type *t = resolved(btf, value);

	return is_plain_number(btf, key) && t && btf_is_struct(t) && btf_vlen(t) &&
	       is_internal(btf, resolved(btf, btf_members(t)->type));
}

/* The label that says which member of the struct a row is. */
static void add_member_label(struct layout *l, const struct btf_type *t, const char *label)
{
	const struct btf_member *m = btf_members(t);
	struct column *c = APPEND(l->columns, l->count);

	*c = (struct column){.name = xstrdup(label), .format = FMT_ENUM, .part = PART_KEY};
	c->label = true;
	c->size = sizeof(u32);
	c->names = xcalloc(1, sizeof(*c->names));
	for (u32 i = 0; i < btf_vlen(t); i++) {
		struct enumerator *item = APPEND(c->names->items, c->names->count);

		*item = (struct enumerator){i, xstrdup(string_at(l->btf, m[i].name_off))};
	}
	l->n_key = l->count;
}

bool layout_members(struct layout *l, u32 id, const char *label)
{
	const struct btf_type *t = resolved(l->btf, id);
	u32 type;

	if (!t || !btf_is_struct(t) || !btf_vlen(t))
		return layout_refuse(l, label, "its members should be rows, but it is no struct");
	type = btf_members(t)->type;
	for (u32 i = 0; i < btf_vlen(t); i++)
		if (btf_members(t)[i].type != type)
			return layout_refuse(l, label, "its members should be rows of one type");
	add_member_label(l, t, label);
	return layout_value(l, type);
}

void layout_cpu(struct layout *l, u32 key)
{
	struct column *c = APPEND(l->columns, l->count);

	*c = (struct column){.name = xstrdup("cpu"), .format = FMT_NUMBER, .part = PART_KEY};
	c->label = true;
	c->offset = btf__resolve_size(l->btf, key);
	c->size = sizeof(u32);
}

bool layout_key(struct layout *l, u32 id, bool single)
{
	char *name = is_plain_struct(l->btf, id) ? xstrdup("") : bare_name(l->btf, id, "key");
	bool ok;

	l->part = PART_KEY;
	l->limit = btf__resolve_size(l->btf, id);
	ok = single || layout_type(l, id, name);
	free(name);
	l->n_key = l->count;
	return ok;
}

bool layout_value(struct layout *l, u32 id)
{
	const struct meaning *m = find_meaning(l->btf, id);
	const char *name = is_plain_struct(l->btf, id)				? ""
			   : !m							? "count"
			   : m->format == FMT_HIST || m->format == FMT_MINIHIST ? "hist"
			   : m->unit == UNIT_NSEC				? "ns"
			   : m->unit == UNIT_BYTES				? "bytes"
			   : m->gauge						? "gauge"
										: "count";

	l->part = PART_VALUE;
	l->limit = btf__resolve_size(l->btf, id);
	if (!layout_type(l, id, name))
		return false;
	name_columns(l);
	return true;
}

bool layout_config(struct layout *l, u32 id)
{
	l->part = PART_VALUE;
	l->config = true;
	l->limit = btf__resolve_size(l->btf, id);
	if (!layout_type(l, id, ""))
		return false;
	name_columns(l);
	return true;
}
