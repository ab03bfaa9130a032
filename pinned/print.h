/* SPDX-License-Identifier: GPL-2.0-only */
/* What a printer is: it gets the same rows as any other. */
#pragma once

#include "model.h"
#include "out.h"
#include "query.h"

struct print {
	const struct printer *to;
	struct out out;
	struct source *source;
	const struct query *query;
	/* The map at hand. */
	struct probe *probe;
	const struct schema *schema;
	u64 rows, left_out; /* printed; and not, because of --top */
	u64 gone;	    /* rows of a difference that the later reading does not have */
	u64 all_rows;	    /* of all maps so far */
	unsigned int pass;  /* see printer.passes */
	void *state;	    /* the printer's own */
};

struct printer {
	bool for_eyes; /* in order, and cut to the terminal, unless told otherwise */
	/* How often the rows of a map are wanted; NULL: once. */
	unsigned int (*passes)(const struct schema *s);
	/* Those that a printer has no use for are NULL, but for row. */
	void (*begin)(struct print *p);
	void (*begin_probe)(struct print *p);
	void (*begin_map)(struct print *p);
	void (*row)(struct print *p, const struct row *row);
	void (*gone)(struct print *p, const struct row *row); /* of a difference */
	void (*end_map)(struct print *p);
	void (*end_probe)(struct print *p);
	void (*end)(struct print *p);
};

extern const struct printer text_printer, json_printer, tsv_printer, prometheus_printer;
const struct printer *printer_for(int output);

/* Gives what the query wants of the source to the printer, on stdout. */
void view(struct source *source, const struct query *query, const struct printer *printer);
