/* SPDX-License-Identifier: GPL-2.0-only */
/* From a BTF type to columns. */
#pragma once

#include <bpf/btf.h>

#include "model.h"

struct layout {
	const struct btf *btf;
	const char *map, *path; /* for what is said when it does not work */
	struct column *columns;
	unsigned int count, n_key;
	enum part part;
	bool config; /* no histograms there */
	s64 limit;   /* the size of what is laid out */
};

/* Damaged BTF gives "" and NULL here, never a wild pointer. */
const char *string_at(const struct btf *btf, u32 offset);
const char *type_name(const struct btf *btf, const struct btf_type *t);
/* What a typedef of headers/types.h or headers/hist.h means. */
struct meaning {
	const char *name;
	enum format format;
	enum unit unit;
	bool label, gauge;
	u32 size; /* 0: any */
};
/* What the outermost typedef that has a meaning says; NULL: none has. */
const struct meaning *find_meaning(const struct btf *btf, u32 id);
const struct btf_type *resolved(const struct btf *btf, u32 id);

/* Adds the columns of a type, named by their path. */
bool layout_type(struct layout *l, u32 id, const char *path);

/* layout.c: one after the other, names when all are there. */
/* Says why a member cannot be laid out; false. */
bool layout_refuse(const struct layout *l, const char *path, const char *why);
/* Each member of the struct is a row; `label` names which. */
bool layout_members(struct layout *l, u32 id, const char *label);
/* Whether a declaration tag says so of the type itself. */
bool is_internal(const struct btf *btf, const struct btf_type *t);
/* Whether the key of an array is no label. */
bool is_place(const struct btf *btf, u32 key, u32 value);
/* The label that stands behind the key where each CPU's copy is a row. */
void layout_cpu(struct layout *l, u32 key);
bool layout_key(struct layout *l, u32 id, bool array);
bool layout_value(struct layout *l, u32 id);
bool layout_config(struct layout *l, u32 id);
