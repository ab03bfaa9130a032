/* SPDX-License-Identifier: GPL-2.0-only */
/* One parser for the options of all verbs; the verb table says which ones a verb takes. */
#pragma once

#include "query.h"

enum output {
	OUTPUT_TEXT,
	OUTPUT_JSON,
	OUTPUT_TSV,
	OUTPUT_PROMETHEUS
};

struct options {
	enum output how;
	struct query query;
};

/* Leaves the operands in argc and argv. --help prints the verb's and exits. */
struct options parse_options(const char *verb, int *argc, char ***argv);
/* Wrong operands: what the verb takes and its usage on stderr, exit. */
void misused(const char *verb, const char *operands) __attribute__((noreturn));
