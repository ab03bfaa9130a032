/* SPDX-License-Identifier: GPL-2.0-only */
/* What an object's BTF says: probe, variant, maps, configuration (docs/objects.md). */
#pragma once

#include <bpf/btf.h>

#include "model.h"

struct object {
	char *path;
	struct btf *btf;
};

struct object *object_open(const char *path);
void object_close(struct object *object);

/* The text of the declaration tag `prefix`TEXT on a variable; NULL: none. */
const char *object_tag(const struct object *o, const char *variable, const char *prefix);
/* Goes on from *id to the next variable with such a tag: its name, and the text. NULL: no more. */
const char *object_tagged(const struct object *o, const char *prefix, u32 *id, const char **text);
bool object_is_internal(const struct object *o, const char *map);

enum described {
	MAP_ROWS,
	MAP_OTHER,
	MAP_UNKNOWN,
	MAP_BAD
};

/* The schema of a map of the section .maps; complains when that is not possible. */
enum described describe_map(const struct object *o, const char *map, bool array, u32 entries,
			    struct schema *s);

/* The schema of a record of the event stream, by the BTF id of its struct. */
bool describe_record(const struct object *o, u32 id, struct schema *s);

/* The configuration: columns for its members, and what each mask covers. */
struct mask {
	u32 offset;
	unsigned int count;
	struct mask_member {
		u32 offset, size;
	} members[32];
};

struct config {
	unsigned int n_columns, n_masks;
	struct column *columns;
	struct mask *masks;
	u32 size; /* of the map's value */
	u8 *value;
};

bool describe_config(const struct object *o, struct config *config);
