/* SPDX-License-Identifier: GPL-2.0-only */
/* Keeps rows, to put them in order: numbers descending, text ascending. */
#pragma once

#include "query.h"

struct collect {
	const struct schema *schema;
	const struct operand *sort;
	u64 limit, left_out;
	u32 count;
	size_t width, size; /* of a row; of the memory */
	u8 *rows;
};

struct collect *collect_open(const struct schema *s, const struct operand *sort, u64 limit);
void collect_add(struct collect *c, const struct row *row);
/* Sorts and cuts; the number of rows that were left out. */
u64 collect_finish(struct collect *c);
struct row collect_row(const struct collect *c, u32 i);
void collect_close(struct collect *c);
