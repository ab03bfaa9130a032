// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "util.h"

static void *checked(void *p)
{
	if (!p)
		die(EXIT_FAILED, "out of memory: read fewer rows (--top, --filter, --map)");
	return p;
}

void *xmalloc(size_t n)
{
	return checked(malloc(n ?: 1));
}

void *xcalloc(size_t count, size_t n)
{
	return checked(calloc(count ?: 1, n ?: 1));
}

void *xrealloc(void *p, size_t n)
{
	return checked(realloc(p, n ?: 1));
}

char *xstrdup(const char *text)
{
	return checked(strdup(text));
}

char *xasprintf(const char *format, ...)
{
	va_list args;
	char *text;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	return checked(n < 0 ? NULL : text);
}

void *append(void *array, unsigned int *count, size_t element)
{
	char *base;

	/* The capacity is the next power of two, so it need not be kept. */
	memcpy(&base, array, sizeof(base));
	if (!(*count & (*count - 1)))
		base = xrealloc(base, (*count ? 2UL * *count : 1) * element);
	memcpy(array, &base, sizeof(base));
	return memset(base + (*count)++ * element, 0, element);
}

unsigned int hash_text(const char *text)
{
	unsigned int hash = 2166136261; /* FNV-1a */

	while (*text)
		hash = (hash ^ (unsigned char)*text++) * 16777619;
	return hash;
}
