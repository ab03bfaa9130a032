// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <string.h>

#include "escape.h"
#include "setting.h"
#include "units.h"

void setting_print(struct out *o, const struct column *c, const struct row *row)
{
	struct text text;

	switch (c->format) {
	case FMT_FLAG:
		out_str(o, cell_number(c, row) ? "on" : "off");
		break;
	case FMT_PREFIX:
		print_prefix(o, cell(c, row), load_number(cell(c, row) + 16, 4));
		break;
	case FMT_ADDRESS:
		print_address(o, cell(c, row));
		break;
	case FMT_CHARS:
		text = cell_text(c, row);
		escape_tsv(o, text.p, text.len);
		break;
	case FMT_ENUM:
		out_str(o, enum_name(c->names, cell_number(c, row)) ?: "?");
		break;
	case FMT_SIGNED:
		out_s64(o, cell_number(c, row));
		break;
	default:
		print_exact(o, cell_number(c, row), c->unit);
	}
}

char *setting_json(const struct column *c, const struct row *row)
{
	struct out o, plain;
	char *text;

	out_open(&o, -1);
	if (c->format == FMT_FLAG) {
		out_str(&o, cell_number(c, row) ? "true" : "false");
	} else if (c->format == FMT_SIGNED) {
		out_s64(&o, cell_number(c, row));
	} else if (c->format == FMT_NUMBER || c->format == FMT_PORT) {
		out_u64(&o, cell_number(c, row));
	} else {
		out_open(&plain, -1);
		setting_print(&plain, c, row);
		out_char(&o, '"');
		escape_json(&o, plain.buf, plain.len);
		out_char(&o, '"');
		out_close(&plain);
	}
	text = out_text(&o);
	out_close(&o);
	return text;
}

static const char *set_number(const struct column *c, u8 *at, const char *text)
{
	u64 v, max = c->size < 8 ? (1ULL << (8 * c->size)) - 1 : ~0ULL;
	const char *why = parse_whole(text, c->unit, &v);

	if (why)
		return why;
	if (v > max)
		return c->size == 2   ? "it is above 65535"
		       : c->size == 4 ? "it is above 4294967295"
				      : "it is too large";
	store_number(at, c->size, v);
	return NULL;
}

static const char *set_flag(const struct column *c, u8 *at, const char *text)
{
	static const char *const on[] = {"on", "true", "yes", "1", NULL};
	static const char *const off[] = {"off", "false", "no", "0", NULL};

	for (int i = 0; on[i]; i++) {
		if (strcmp(text, on[i]) && strcmp(text, off[i]))
			continue;
		store_number(at, c->size, !strcmp(text, on[i]));
		return NULL;
	}
	return "it is neither on nor off";
}

static const char *set_prefix(const struct column *c, u8 *at, const char *text)
{
	u8 addr[16] = {};
	u32 bits = 0;

	if (strcmp(text, "any") && strcmp(text, "0") && !parse_prefix(text, addr, &bits))
		return "it is no address or prefix, as 10.0.0.0/8, 2001:db8::/32 or any";
	if (c->format == FMT_ADDRESS && bits && bits != 128)
		return "it is not a single address";
	memcpy(at, addr, sizeof(addr));
	if (c->format == FMT_PREFIX)
		store_number(at + sizeof(addr), 4, bits);
	return NULL;
}

static const char *set_chars(const struct column *c, u8 *at, const char *text)
{
	if (strlen(text) >= c->size)
		return "it is too long";
	memset(at, 0, c->size);
	memcpy(at, text, strlen(text));
	return NULL;
}

static const char *set_enum(const struct column *c, u8 *at, const char *text)
{
	for (unsigned int i = 0; i < c->names->count; i++)
		if (!strcmp(c->names->items[i].name, text)) {
			store_number(at, c->size, c->names->items[i].value);
			return NULL;
		}
	return "it is none of the names this key knows";
}

const char *setting_parse(const struct column *c, u8 *value, const char *text)
{
	u8 *at = value + c->offset;

	switch (c->format) {
	case FMT_FLAG:
		return set_flag(c, at, text);
	case FMT_PREFIX:
	case FMT_ADDRESS:
		return set_prefix(c, at, text);
	case FMT_CHARS:
		return set_chars(c, at, text);
	case FMT_ENUM:
		return set_enum(c, at, text);
	case FMT_NUMBER:
	case FMT_PORT:
		return set_number(c, at, text);
	default:
		return "keys of its type cannot be set";
	}
}

void settings_mask(const struct config *config)
{
	u8 *value = config->value;

	for (unsigned int i = 0; i < config->n_masks; i++) {
		const struct mask *mask = &config->masks[i];
		u32 bits = 0;

		for (unsigned int j = 0; j < mask->count; j++)
			for (u32 k = 0; k < mask->members[j].size; k++)
				if (value[mask->members[j].offset + k])
					bits |= 1U << j;
		store_number(value + mask->offset, sizeof(bits), bits);
	}
}

void settings_count_change(const struct config *config)
{
	for (unsigned int i = 0; i < config->n_columns; i++) {
		const struct column *c = &config->columns[i];
		u8 *at = config->value + c->offset;

		if (c->format == FMT_EPOCH)
			store_number(at, c->size, load_number(at, c->size) + 1);
	}
}
