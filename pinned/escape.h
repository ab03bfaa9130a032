/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Text from outside (comm, interface, path) made safe for where it lands. Nothing
 * else in the reader writes such text. A byte that is no valid UTF-8 becomes the four
 * characters \xNN, so that different names stay different.
 */
#pragma once

#include "out.h"

/* Printable ASCII, as far as a terminal is concerned. */
static inline bool terminal_safe(char c)
{
	return c >= ' ' && c < 0x7f;
}

/* Inside the quotes of a JSON string: always valid UTF-8. */
void escape_json(struct out *o, const char *text, size_t n);
/* With the quotes. */
void escape_json_string(struct out *o, const char *text);
/* Inside the quotes of a Prometheus label value. */
void escape_prometheus(struct out *o, const char *text, size_t n);
/* A HELP line: quotes stay. */
void escape_help(struct out *o, const char *text, size_t n);
/* A cell of a TSV line: control characters and backslash as \t \n \\ \xNN. */
void escape_tsv(struct out *o, const char *text, size_t n);
/* For the eyes: UTF-8 letters stay, anything a terminal might obey becomes \xNN. */
void escape_terminal(struct out *o, const char *text, size_t n);
