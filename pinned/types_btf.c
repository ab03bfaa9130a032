// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "kernel_btf.h"
#include "types_btf.h"
#include "util.h"

#define MAX_COLUMNS 256
#define MAX_DEPTH   16

/* The typedefs of headers/types.h and headers/hist.h. */
static const struct meaning meanings[] = {
	{"count_t", FMT_NUMBER, UNIT_COUNT, false, false, 0},
	{"nsec_t", FMT_NUMBER, UNIT_NSEC, false, false, 0},
	{"bytes_t", FMT_NUMBER, UNIT_BYTES, false, false, 0},
	{"gauge_t", FMT_NUMBER, UNIT_COUNT, false, true, 0},
	{"nsec_gauge_t", FMT_NUMBER, UNIT_NSEC, false, true, 0},
	{"bytes_gauge_t", FMT_NUMBER, UNIT_BYTES, false, true, 0},
	{"nsec_hist_t", FMT_HIST, UNIT_NSEC, false, false, sizeof(struct hist)},
	{"bytes_hist_t", FMT_HIST, UNIT_BYTES, false, false, sizeof(struct hist)},
	{"count_hist_t", FMT_HIST, UNIT_COUNT, false, false, sizeof(struct hist)},
	{"nsec_minihist_t", FMT_MINIHIST, UNIT_NSEC, false, false, sizeof(struct minihist)},
	{"ipaddr_t", FMT_ADDRESS, UNIT_COUNT, true, false, 16},
	{"ipprefix_t", FMT_PREFIX, UNIT_COUNT, true, false, 20},
	{"mono_t", FMT_NUMBER, UNIT_NSEC, true, false, 8},
	{"port_t", FMT_PORT, UNIT_COUNT, true, false, 0},
	{"netns_t", FMT_NUMBER, UNIT_COUNT, true, false, 0},
	{"tgid_t", FMT_NUMBER, UNIT_COUNT, true, false, 0},
	{"ifindex_t", FMT_NUMBER, UNIT_COUNT, true, false, 0},
	{"irq_t", FMT_NUMBER, UNIT_COUNT, true, false, 0},
	{"cgroupid_t", FMT_NUMBER, UNIT_COUNT, true, false, 0},
	{"ksym_t", FMT_KSYM, UNIT_COUNT, true, false, 8},
	{"uaddr_t", FMT_HEX, UNIT_COUNT, true, false, 8},
	{"kstack_t", FMT_KSTACK, UNIT_COUNT, true, false, 128},
	{"comm_t", FMT_CHARS, UNIT_COUNT, true, false, 16},
	{"flag_t", FMT_FLAG, UNIT_COUNT, true, false, 0},
	{"number_t", FMT_NUMBER, UNIT_COUNT, false, true, 0},
	{"nsec_setting_t", FMT_NUMBER, UNIT_NSEC, false, true, 0},
	{"mask_t", FMT_MASK, UNIT_COUNT, true, false, 4},
	{"epoch_t", FMT_EPOCH, UNIT_COUNT, true, false, 4},
};

const char *string_at(const struct btf *btf, u32 offset)
{
	return btf__name_by_offset(btf, offset) ?: "";
}

const char *type_name(const struct btf *btf, const struct btf_type *t)
{
	return t ? string_at(btf, t->name_off) : "";
}

const struct btf_type *resolved(const struct btf *btf, u32 id)
{
	const struct btf_type *t = btf__type_by_id(btf, id);

	for (int depth = 0; t && (btf_is_mod(t) || btf_is_typedef(t)); depth++) {
		if (depth == MAX_DEPTH)
			return NULL;
		t = btf__type_by_id(btf, t->type);
	}
	return t;
}

#define ITSELF -1 /* and none of its members */

/* What follows `prefix` in a tag of a struct, one of its members, or a typedef; NULL: it has none. */
static const char *type_tag(const struct btf *btf, const struct btf_type *t, int member,
			    const char *prefix)
{
	size_t n = strlen(prefix);

	for (u32 id = 1; id < btf__type_cnt(btf); id++) {
		const struct btf_type *tag = btf__type_by_id(btf, id);

		if (btf_is_decl_tag(tag) && btf_decl_tag(tag)->component_idx == member &&
		    btf__type_by_id(btf, tag->type) == t &&
		    !strncmp(type_name(btf, tag), prefix, n))
			return type_name(btf, tag) + n;
	}
	return NULL;
}

bool is_internal(const struct btf *btf, const struct btf_type *t)
{
	const char *rest = type_tag(btf, t, ITSELF, "internal");

	return rest && !*rest;
}

const struct meaning *find_meaning(const struct btf *btf, u32 id)
{
	const struct btf_type *t = btf__type_by_id(btf, id);

	for (int depth = 0; t && depth < MAX_DEPTH; depth++) {
		for (size_t i = 0; i < sizeof(meanings) / sizeof(*meanings); i++)
			if (btf_is_typedef(t) && !strcmp(type_name(btf, t), meanings[i].name))
				return &meanings[i];
		if (!btf_is_mod(t) && !btf_is_typedef(t))
			break;
		t = btf__type_by_id(btf, t->type);
	}
	return NULL;
}

bool layout_refuse(const struct layout *l, const char *path, const char *why)
{
	complain(EXIT_INPUT, "cannot decode %s of map %s by %s: %s", *path ? path : "the value",
		 l->map, l->path, why);
	return false;
}

static struct column *add_column(struct layout *l, const char *path, u32 offset, u32 size)
{
	struct column *c;

	if (l->count == MAX_COLUMNS || (s64)offset + size > l->limit) {
		layout_refuse(l, path,
			      l->count == MAX_COLUMNS ? "too many members"
						      : "it lies outside its struct");
		return NULL;
	}
	c = APPEND(l->columns, l->count);
	c->name = xstrdup(path);
	c->offset = offset;
	c->size = size;
	c->part = l->part;
	c->label = l->part == PART_KEY;
	return c;
}

static bool add_meant(struct layout *l, const struct meaning *m, const char *path, u32 offset,
		      u32 size)
{
	struct column *c;

	if ((m->size && m->size != size) || (!m->size && (size > 8 || (size & (size - 1)))))
		return layout_refuse(l, path,
				     "its size is not what the headers say of its typedef");
	if ((m->format == FMT_HIST || m->format == FMT_MINIHIST) &&
	    (l->part == PART_KEY || l->config || offset % 8))
		return layout_refuse(l, path, "a histogram cannot be there");
	c = add_column(l, path, offset, size);
	if (!c)
		return false;
	c->format = m->format;
	c->unit = m->unit;
	c->label |= m->label;
	c->gauge = m->gauge;
	return true;
}

static bool add_int(struct layout *l, const struct btf_type *t, const char *path, u32 offset)
{
	bool is_signed = btf_int_encoding(t) & BTF_INT_SIGNED;
	struct column *c;

	if (t->size > 8 || (t->size & (t->size - 1)) || btf_int_offset(t))
		return layout_refuse(l, path, "a number of that size cannot be printed");
	c = add_column(l, path, offset, t->size);
	if (!c)
		return false;
	c->format = is_signed ? FMT_SIGNED : FMT_NUMBER;
	c->gauge = is_signed;
	return true;
}

/* Lower case, without the enum's own name in front: LOSS_MAP_FULL of enum loss is map_full. */
static char *enumerator_name(const char *name, const char *own)
{
	size_t n = strlen(own);
	char *short_name;

	if (n && !strncasecmp(name, own, n) && name[n] == '_' && name[n + 1])
		name += n + 1;
	short_name = xstrdup(name);
	for (char *p = short_name; *p; p++)
		*p = tolower((unsigned char)*p);
	return short_name;
}

static struct enumeration *read_enum(const struct btf *btf, const struct btf_type *t)
{
	struct enumeration *e = xcalloc(1, sizeof(*e));

	for (u32 i = 0; i < btf_vlen(t); i++) {
		struct enumerator *item = APPEND(e->items, e->count);
		u32 name;

		if (btf_is_enum64(t)) {
			item->value = btf_enum64_value(&btf_enum64(t)[i]);
			name = btf_enum64(t)[i].name_off;
		} else {
			item->value = (u32)btf_enum(t)[i].val;
			name = btf_enum(t)[i].name_off;
		}
		item->name = enumerator_name(string_at(btf, name), type_name(btf, t));
	}
	return e;
}

/* The running kernel's names; none where it has no such enum, or does not say. */
static struct enumeration *read_kernel_enum(const char *name)
{
	static struct btf *kernel;
	static bool known;
	int id;

	if (!known)
		kernel = kernel_btf_read();
	known = true;
	id = kernel ? btf__find_by_name_kind(kernel, name, BTF_KIND_ENUM) : 0;
	return id > 0 ? read_enum(kernel, btf__type_by_id(kernel, id))
		      : xcalloc(1, sizeof(struct enumeration));
}

static bool add_enum(struct layout *l, const struct btf_type *t, const char *of_kernel,
		     const char *path, u32 offset)
{
	struct column *c;

	if (!t->size || t->size > 8 || (t->size & (t->size - 1)))
		return layout_refuse(l, path, "an enum of that size cannot be printed");
	c = add_column(l, path, offset, t->size);
	if (!c)
		return false;
	c->format = FMT_ENUM;
	c->label = true;
	c->names = of_kernel ? read_kernel_enum(of_kernel) : read_enum(l->btf, t);
	return true;
}

static bool add_type(struct layout *l, u32 id, const char *path, u32 offset, int depth);

static bool add_array(struct layout *l, const struct btf_type *t, const char *path, u32 offset,
		      int depth)
{
	const struct btf_array *a = btf_array(t);
	const struct btf_type *element = resolved(l->btf, a->type);
	s64 size = btf__resolve_size(l->btf, a->type);
	bool ok = true;

	if (element && btf_is_int(element) && element->size == 1 &&
	    (btf_int_encoding(element) & (BTF_INT_CHAR | BTF_INT_SIGNED))) {
		struct column *c = add_column(l, path, offset, a->nelems);

		if (!c)
			return false;
		c->format = FMT_CHARS;
		c->label = true;
		return true;
	}
	for (u32 i = 0; ok && i < a->nelems; i++) {
		char *name = xasprintf("%s.%u", path, i);

		ok = size > 0 && add_type(l, a->type, name, offset + i * size, depth + 1);
		free(name);
	}
	return ok;
}

static bool add_ratio(struct layout *l, const char *path, u32 offset)
{
	struct column *c = add_column(l, path, offset, 0);

	if (!c)
		return false;
	c->format = FMT_RATIO;
	c->gauge = true;
	return ratio_fits(l->columns, l->count) ||
	       layout_refuse(l, path, "a ratio follows two numbers of 64 bits");
}

static char *path_in(const char *path, const char *name)
{
	return *path && *name ? xasprintf("%s.%s", path, name) : xstrdup(*path ? path : name);
}

static bool add_members(struct layout *l, const struct btf_type *t, const char *path, u32 offset,
			int depth)
{
	const struct btf_member *m = btf_members(t);
	bool ok = true;

	for (u32 i = 0; ok && i < btf_vlen(t); i++) {
		const char *name = string_at(l->btf, m[i].name_off);
		const char *ratio = type_tag(l->btf, t, i, "ratio:");
		u32 bits = btf_member_bit_offset(t, i);
		char *inner;

		if (!strncmp(name, "pad", 3))
			continue;
		if (btf_member_bitfield_size(t, i) || bits % 8)
			return layout_refuse(l, name, "bit fields cannot be printed");
		inner = path_in(path, name);
		ok = add_type(l, m[i].type, inner, offset + bits / 8, depth + 1);
		free(inner);
		if (!ok || !ratio)
			continue;
		inner = path_in(path, ratio);
		ok = add_ratio(l, inner, offset + bits / 8);
		free(inner);
	}
	return ok;
}

static bool add_type(struct layout *l, u32 id, const char *path, u32 offset, int depth)
{
	const struct meaning *m = find_meaning(l->btf, id);
	const struct btf_type *t = resolved(l->btf, id);
	const char *of_kernel = type_tag(l->btf, btf__type_by_id(l->btf, id), ITSELF, "enum:");
	s64 size = btf__resolve_size(l->btf, id);

	if (!t || size < 0 || depth > MAX_DEPTH)
		return layout_refuse(l, path, "its type is damaged");
	if (m)
		return add_meant(l, m, path, offset, size);
	if (btf_is_any_enum(t) || (of_kernel && btf_is_int(t)))
		return add_enum(l, t, of_kernel, path, offset);
	if (btf_is_int(t))
		return add_int(l, t, path, offset);
	if (btf_is_array(t))
		return add_array(l, t, path, offset, depth);
	if (btf_is_struct(t))
		return is_internal(l->btf, t) || add_members(l, t, path, offset, depth);
	return layout_refuse(l, path, "only numbers, enums, arrays and structs can be printed");
}

bool layout_type(struct layout *l, u32 id, const char *path)
{
	return add_type(l, id, path, 0, 0);
}
