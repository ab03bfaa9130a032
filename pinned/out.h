/* SPDX-License-Identifier: GPL-2.0-only */
/* A big write buffer with the few formats the printers need; no printf per cell. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "types.h"

struct out {
	char *buf;
	size_t len, size;
	int fd; /* -1: kept in memory */
};

void out_open(struct out *o, int fd);
void out_flush(struct out *o);
void out_close(struct out *o);
void out_grow(struct out *o, size_t n);

/* Room for n bytes at the end. */
static inline char *out_room(struct out *o, size_t n)
{
	if (o->size - o->len < n)
		out_grow(o, n);
	return o->buf + o->len;
}

static inline void out_char(struct out *o, char c)
{
	*out_room(o, 1) = c;
	o->len++;
}

static inline void out_bytes(struct out *o, const void *data, size_t n)
{
	memcpy(out_room(o, n), data, n);
	o->len += n;
}

static inline void out_str(struct out *o, const char *text)
{
	out_bytes(o, text, strlen(text));
}

void out_u64(struct out *o, u64 v);
void out_s64(struct out *o, s64 v);
/* A number with `digits` decimals; "null" when it is not finite. */
void out_real(struct out *o, double v, int digits);
void out_printf(struct out *o, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A terminated copy of what was written; for buffers in memory. */
char *out_text(struct out *o);
