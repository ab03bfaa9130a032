/* SPDX-License-Identifier: GPL-2.0-only */
/* Allocation that does not fail quietly, and a hash. */
#pragma once

#include <stddef.h>

void *xmalloc(size_t n);
void *xcalloc(size_t count, size_t n);
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *text);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One more element at the end of an array that grows by doubling; returns it, zeroed. */
void *append(void *array, unsigned int *count, size_t element);
#define APPEND(array, count) ((__typeof__(array))append(&(array), &(count), sizeof(*(array))))

/* Of a string, for a table of a size of one's own. */
unsigned int hash_text(const char *text);
