/* SPDX-License-Identifier: GPL-2.0-only */
/* One value of a configuration, from and to text. */
#pragma once

#include "describe.h"
#include "out.h"

/* Kept by `set` itself, and shown to nobody. */
static inline bool is_kept(const struct column *c)
{
	return c->format == FMT_MASK || c->format == FMT_EPOCH;
}

/* As setting_parse() takes it. */
void setting_print(struct out *o, const struct column *c, const struct row *row);
char *setting_json(const struct column *c, const struct row *row);
/* NULL, or why the value cannot be stored. */
const char *setting_parse(const struct column *c, u8 *value, const char *text);
/* Makes each mask say which of its members are not zero. */
void settings_mask(const struct config *config);
/* Makes each epoch another one. */
void settings_count_change(const struct config *config);
