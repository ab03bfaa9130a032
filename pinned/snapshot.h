/* SPDX-License-Identifier: GPL-2.0-only */
/* The source that reads a snapshot: the output of `dump --json`. */
#pragma once

#include <jansson.h>

#include "model.h"
#include "set.h"

/* The rows of one map: values in the order in which their keys came. */
struct rows {
	struct set keys;
	u8 *values;
	size_t room; /* rows that fit */
};

struct snapshot {
	const char *path;
	u64 line; /* being read */
	struct source source;
	struct rows **rows; /* [probe][map] */
	json_t *strings;    /* each text once, so that equal texts are equal pointers */
};

/* Dies with a sentence when the file is damaged, cut short or no snapshot. */
void snapshot_read(struct snapshot *s, const char *path);
struct row snapshot_row(const struct rows *rows, const struct schema *s, u32 i);

/* For the files that make up this source. */
void snapshot_refuse(const struct snapshot *s, const char *why) __attribute__((noreturn));
const char *snapshot_string(struct snapshot *s, const char *text);
u64 snapshot_u64(const struct snapshot *s, const json_t *value, const char *what);
/* NULL is refused, too. */
const char *snapshot_text(struct snapshot *s, const json_t *object, const char *name);
void snapshot_identity(struct snapshot *s, const json_t *line);
void snapshot_add_row(struct snapshot *s, const json_t *line);
