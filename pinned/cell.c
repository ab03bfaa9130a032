// SPDX-License-Identifier: GPL-2.0-only
#include <math.h>

#include "cell.h"
#include "ksyms.h"
#include "units.h"

void out_bytes_plain(struct out *o, const char *text, size_t n)
{
	out_bytes(o, text, n);
}

/* As flame graphs have it: the outermost first. */
static void print_stack(struct out *o, const u8 *addresses, u32 size, escape_fn *escape)
{
	const char *between = "";

	for (u32 end = size; end; end -= sizeof(u64)) {
		u64 address = load_number(addresses + end - sizeof(u64), sizeof(u64));

		if (!address)
			continue;
		out_str(o, between);
		print_ksym(o, address, escape);
		between = ";";
	}
}

void print_label(struct out *o, const struct column *c, const struct row *row, escape_fn *escape)
{
	struct text text;
	const char *name;

	switch (c->format) {
	case FMT_ADDRESS:
		print_address(o, cell(c, row));
		break;
	case FMT_PREFIX:
		print_prefix(o, cell(c, row), load_number(cell(c, row) + 16, 4));
		break;
	case FMT_CHARS:
	case FMT_STRING:
		text = cell_text(c, row);
		escape(o, text.p, text.len);
		break;
	case FMT_FLAG:
		out_str(o, cell_number(c, row) ? "on" : "off");
		break;
	case FMT_KSYM:
		print_ksym(o, cell_number(c, row), escape);
		break;
	case FMT_HEX:
		out_printf(o, "0x%llx", (unsigned long long)cell_number(c, row));
		break;
	case FMT_KSTACK:
		print_stack(o, cell(c, row), c->size, escape);
		break;
	case FMT_ENUM:
		name = enum_name(c->names, cell_number(c, row));
		if (name) {
			escape(o, name, strlen(name));
			break;
		}
		/* fall through */
	default:
		print_field(o, c, row);
	}
}

void print_field(struct out *o, const struct column *c, const struct row *row)
{
	if (c->format == FMT_RATIO && !isnan(cell_ratio(c, row)))
		out_real(o, cell_ratio(c, row), 6);
	else if (c->format == FMT_SIGNED)
		out_s64(o, cell_number(c, row));
	else if (c->format != FMT_RATIO)
		out_u64(o, cell_number(c, row));
}
