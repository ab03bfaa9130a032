// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <string.h>

#include "set.h"
#include "util.h"

void set_open(struct set *s, size_t width)
{
	*s = (struct set){.width = width};
}

void set_close(struct set *s)
{
	free(s->members);
	free(s->table);
}

static u64 hash(const u8 *p, size_t n)
{
	u64 h = 0xcbf29ce484222325ULL;

	while (n--)
		h = (h ^ *p++) * 0x100000001b3ULL;
	return h ^ h >> 32;
}

/* The place of the member in the table, or the free one where it belongs. */
static u32 *place(const struct set *s, const u8 *member)
{
	u32 mask = 2 * s->room - 1, i = hash(member, s->width) & mask;

	while (s->table[i] && memcmp(s->members + (s->table[i] - 1) * s->width, member, s->width))
		i = (i + 1) & mask;
	return &s->table[i];
}

static void grow(struct set *s)
{
	s->room = s->room ? 2 * s->room : 64;
	s->members = xrealloc(s->members, s->room * s->width);
	free(s->table);
	s->table = xcalloc(2UL * s->room, sizeof(*s->table));
	for (u32 i = 0; i < s->count; i++)
		*place(s, s->members + i * s->width) = i + 1;
}

u32 set_add(struct set *s, const void *member, bool *added)
{
	u32 *at;

	if (s->count == s->room)
		grow(s);
	at = place(s, member);
	*added = !*at;
	if (*added) {
		memcpy(s->members + s->count * s->width, member, s->width);
		*at = ++s->count;
	}
	return *at - 1;
}

bool set_find(const struct set *s, const void *member, u32 *number)
{
	u32 at = s->room ? *place(s, member) : 0;

	*number = at - 1;
	return at;
}
