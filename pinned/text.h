/* SPDX-License-Identifier: GPL-2.0-only */
/* The parts of the view for eyes. */
#pragma once

#include "print.h"

/* blocks.c: a row as a block of lines, with its histograms drawn. */
void text_block(struct print *p, const struct row *row);
void text_number(struct out *o, const struct column *c, const struct row *row);

/* table.c: rows as lines, aligned when all are there. */
struct table;
struct table *table_open(const struct schema *s);
void table_row(struct table *t, const struct row *row);
void table_print(struct table *t, struct out *o);

/* cycles.c: of rows that are edges of a graph, the cycles, when all are there. */
struct cycles;
struct cycles *cycles_open(const struct schema *s);
void cycles_row(struct cycles *t, const struct row *row);
void cycles_print(struct cycles *t, struct out *o);

/* stages.c: a table for each way through stages, when all its rows are there. */
struct stages;
struct stages *stages_open(const struct schema *s);
void stages_row(struct stages *t, struct out *o, const struct row *row);
void stages_close(struct stages *t, struct out *o);
