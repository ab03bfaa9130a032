/* SPDX-License-Identifier: GPL-2.0-only */
/* Which maps and rows are wanted, and in which order. */
#pragma once

#include "dist.h"
#include "model.h"
#include "out.h"

enum comparison {
	CMP_EQ,
	CMP_NE,
	CMP_LT,
	CMP_LE,
	CMP_GT,
	CMP_GE
};

struct filter {
	char *field, *value;
	enum comparison how;
};

struct query {
	unsigned int n_maps, n_filters;
	char **maps;
	struct filter *filters;
	const char *sort;
	bool limited; /* --top was given */
	u64 top;      /* ~0: all */
};

/* A name of a column, or of a number of a histogram: latency.p99. */
struct operand {
	const struct column *column;
	enum stat stat;
};

/* A filter, with its value read for the column that it is about. */
struct test {
	struct operand operand;
	enum comparison how;
	double number;
	u8 addr[16];
	u32 bits;
	const char *text;
};

/* What a query means for one map. */
struct bound {
	const struct schema *schema;
	unsigned int n_tests;
	struct test *tests;
	struct operand sort; /* column NULL: as the rows come */
};

void query_add_filter(struct query *q, const char *expression);
/* Dies when a map, or a field of a filter or of the order, is in none of the maps. */
void query_check(const struct query *q, const struct source *source);
bool query_wants(const struct query *q, const struct schema *s);
/* False when a filter is about a field that this map does not have: no row can match. */
bool query_bind(const struct query *q, const struct schema *s, struct bound *b);
void bound_free(struct bound *b);
bool bound_accepts(const struct bound *b, const struct row *row);

bool operand_find(const struct schema *s, const char *name, struct operand *operand);
/* The first field that counts: what a table is sorted by unless told. */
void operand_default(const struct schema *s, struct operand *operand);
bool operand_is_number(const struct operand *operand);
double operand_number(const struct operand *operand, const struct row *row);
/* Text of labels that are no number, for comparison; written to o, which is emptied. */
struct text operand_text(const struct operand *operand, const struct row *row, struct out *o);
