// SPDX-License-Identifier: GPL-2.0-only
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "terminal.h"

const struct terminal *terminal(void)
{
	static struct terminal t;
	static bool known;
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	struct winsize size = {};

	if (known)
		return &t;
	known = true;
	t.is_tty = isatty(STDOUT_FILENO);
	if (!t.is_tty)
		return &t;
	t.colour = !(no_color && *no_color) && term && strcmp(term, "dumb");
	setlocale(LC_CTYPE, "");
	t.blocks = !strcmp(nl_langinfo(CODESET), "UTF-8");
	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size)) {
		t.columns = size.ws_col;
		t.lines = size.ws_row;
	}
	return &t;
}

void paint(struct out *o, enum style style)
{
	static const char *const codes[] = {"\033[0m", "\033[1m", "\033[2m", "\033[1;31m"};

	if (terminal()->colour)
		out_str(o, codes[style]);
}

size_t text_width(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

void print_bar(struct out *o, double share, unsigned int width)
{
	static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	unsigned int parts = share * width * 8 + 0.5, full = parts / 8, i;

	/* What is there must be seen. */
	if (share > 0 && !parts)
		parts = 1;
	if (terminal()->blocks) {
		for (i = 0; i < full; i++)
			out_str(o, "█");
		out_str(o, eighths[parts % 8]);
		return;
	}
	full = (parts + 4) / 8 ?: parts > 0;
	out_char(o, '|');
	for (i = 0; i < width; i++)
		out_char(o, i < full ? '@' : ' ');
	out_char(o, '|');
}

void print_padded(struct out *o, const char *text, size_t width, bool right)
{
	size_t used = text_width(text), gap = used < width ? width - used : 0;

	if (!right)
		out_str(o, text);
	memset(out_room(o, gap), ' ', gap);
	o->len += gap;
	if (right)
		out_str(o, text);
}

void print_grouped(struct out *o, u64 v)
{
	u64 factor = 1;

	while (v / factor >= 1000)
		factor *= 1000;
	out_u64(o, v / factor);
	while (factor > 1) {
		factor /= 1000;
		out_printf(o, ",%03llu", (unsigned long long)(v / factor % 1000));
	}
}
