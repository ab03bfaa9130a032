/* SPDX-License-Identifier: GPL-2.0-only */
/* What the output is looked at with. */
#pragma once

#include "out.h"

struct terminal {
	bool is_tty, colour, blocks;
	unsigned int columns, lines; /* 0: no limit */
};

const struct terminal *terminal(void);

enum style {
	STYLE_PLAIN,
	STYLE_HEADING,
	STYLE_FAINT,
	STYLE_ALERT
};
/* The one place that writes colour; nothing off a terminal, or with NO_COLOR set. */
void paint(struct out *o, enum style style);

/* Cells that text takes on the screen: one for each UTF-8 character. */
size_t text_width(const char *text);
/* A bar of `share` (0..1) of `width` cells. */
void print_bar(struct out *o, double share, unsigned int width);
void print_padded(struct out *o, const char *text, size_t width, bool right);
/* 1,234,567 */
void print_grouped(struct out *o, u64 v);
