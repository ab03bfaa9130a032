/* SPDX-License-Identifier: GPL-2.0-only */
/* A set of byte strings of one length, each with its number in order of arrival. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "types.h"

struct set {
	size_t width;
	u32 count, room; /* members, and how many the table is made for */
	u8 *members;
	u32 *table; /* number + 1; 0: free */
};

void set_open(struct set *s, size_t width);
void set_close(struct set *s);
/* The number of the member, added if it was not there. */
u32 set_add(struct set *s, const void *member, bool *added);
/* False when it is not there. */
bool set_find(const struct set *s, const void *member, u32 *number);
