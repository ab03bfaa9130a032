// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "shape.h"

typedef unsigned long long hash;

/* FNV-1a */
static hash mix_bytes(hash h, const void *data, size_t size)
{
	const unsigned char *p = data;

	while (size--)
		h = (h ^ *p++) * 0x100000001b3ULL;
	return h;
}

static hash mix_number(hash h, __s64 number)
{
	return mix_bytes(h, &number, sizeof(number));
}

static hash mix_name(hash h, const struct btf *btf, __u32 offset)
{
	const char *name = btf__name_by_offset(btf, offset);

	return mix_bytes(h, name, strlen(name) + 1);
}

static hash mix_type(hash h, const struct btf *btf, __u32 id);

static hash mix_members(hash h, const struct btf *btf, const struct btf_type *t)
{
	const struct btf_member *m = btf_members(t);
	int i;

	for (i = 0; i < btf_vlen(t); i++) {
		h = mix_name(h, btf, m[i].name_off);
		h = mix_number(h, m[i].offset);
		h = mix_type(h, btf, m[i].type);
	}
	return h;
}

static hash mix_enumerators(hash h, const struct btf *btf, const struct btf_type *t)
{
	const struct btf_enum *e = btf_enum(t);
	int i;

	for (i = 0; btf_is_enum(t) && i < btf_vlen(t); i++)
		h = mix_number(mix_name(h, btf, e[i].name_off), e[i].val);
	return h;
}

static hash mix_variables(hash h, const struct btf *btf, const struct btf_type *t)
{
	const struct btf_var_secinfo *v = btf_var_secinfos(t);
	int i;

	for (i = 0; i < btf_vlen(t); i++)
		h = mix_type(h, btf, v[i].type);
	return h;
}

/* What a pointer points to says nothing of the map's bytes, and may lead in a circle. */
static hash mix_type(hash h, const struct btf *btf, __u32 id)
{
	const struct btf_type *t = btf__type_by_id(btf, id);

	h = mix_number(h, btf_kind(t));
	h = mix_name(h, btf, t->name_off);
	switch (btf_kind(t)) {
	case BTF_KIND_PTR:
		return h;
	case BTF_KIND_ARRAY:
		return mix_type(mix_number(h, btf_array(t)->nelems), btf, btf_array(t)->type);
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_CONST:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_VAR:
		return mix_type(h, btf, t->type);
	case BTF_KIND_DATASEC:
		return mix_variables(h, btf, t);
	}
	h = mix_number(h, t->size);
	return btf_is_composite(t) ? mix_members(h, btf, t) : mix_enumerators(h, btf, t);
}

unsigned long long shape_hash(const struct btf *btf, __u32 id)
{
	return id ? mix_type(0xcbf29ce484222325ULL, btf, id) : 0;
}
