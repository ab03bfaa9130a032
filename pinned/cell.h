/* SPDX-License-Identifier: GPL-2.0-only */
/* The text of a label, for every printer; each gives its own escaping. */
#pragma once

#include "model.h"
#include "out.h"

typedef void escape_fn(struct out *o, const char *text, size_t n);

void print_label(struct out *o, const struct column *c, const struct row *row, escape_fn *escape);
void out_bytes_plain(struct out *o, const char *text, size_t n);
/* A field that is no histogram, as an integer. */
void print_field(struct out *o, const struct column *c, const struct row *row);
