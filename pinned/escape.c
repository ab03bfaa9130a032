// SPDX-License-Identifier: GPL-2.0-only
#include "escape.h"

/* Length of the valid UTF-8 sequence at p (1..4), 0 when there is none. */
static size_t utf8_length(const u8 *p, size_t n)
{
	static const u32 least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = *p < 0x80		   ? 1
		     : (*p & 0xe0) == 0xc0 ? 2
		     : (*p & 0xf0) == 0xe0 ? 3
		     : (*p & 0xf8) == 0xf0 ? 4
					   : 0;
	u32 code = len == 1 ? *p : *p & (0x7f >> len);

	if (!len || len > n)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	if (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	return len;
}

/*
 * C1 controls (U+0080..U+009F) are obeyed by some terminals; what is invisible or turns
 * the direction of writing (U+2000..U+206F, U+FEFF) makes one name look like another.
 */
static bool is_deceptive(const u8 *p, size_t len)
{
	return (len == 2 && p[0] == 0xc2 && p[1] < 0xa0) ||
	       (len == 3 && p[0] == 0xe2 && (p[1] == 0x80 || p[1] == 0x81)) ||
	       (len == 3 && !memcmp(p, "\xef\xbb\xbf", 3));
}

/* The bytes at the front that are plain in every format but for `special`. */
static size_t plain_run(const char *text, size_t n, const char *special)
{
	size_t i = 0;

	while (i < n && terminal_safe(text[i]) && text[i] != special[0] && text[i] != special[1])
		i++;
	return i;
}

static void json_control(struct out *o, char c)
{
	switch (c) {
	case '\n':
		out_str(o, "\\n");
		break;
	case '\t':
		out_str(o, "\\t");
		break;
	default:
		out_printf(o, "\\u%04x", (u8)c);
	}
}

void escape_json(struct out *o, const char *text, size_t n)
{
	while (n) {
		size_t run = plain_run(text, n, "\"\\"), len;

		out_bytes(o, text, run);
		text += run;
		n -= run;
		if (!n)
			return;
		len = utf8_length((const u8 *)text, n);
		if (!len)
			out_printf(o, "\\\\x%02x", (u8)*text);
		else if (*text == '"' || *text == '\\')
			out_printf(o, "\\%c", *text);
		else if (len == 1)
			json_control(o, *text);
		else
			out_bytes(o, text, len);
		text += len ?: 1;
		n -= len ?: 1;
	}
}

void escape_json_string(struct out *o, const char *text)
{
	out_char(o, '"');
	escape_json(o, text, strlen(text));
	out_char(o, '"');
}

static void escape_exposed(struct out *o, const char *text, size_t n, const char *special)
{
	while (n) {
		size_t run = plain_run(text, n, special), len;

		out_bytes(o, text, run);
		text += run;
		n -= run;
		if (!n)
			return;
		len = utf8_length((const u8 *)text, n);
		if (*text == special[0] || *text == special[1])
			out_printf(o, "\\%c", *text);
		else if (*text == '\n')
			out_str(o, "\\n");
		else if (len < 2) /* controls are legal, but not worth the risk further on */
			out_printf(o, "\\\\x%02x", (u8)*text);
		else
			out_bytes(o, text, len);
		text += len ?: 1;
		n -= len ?: 1;
	}
}

void escape_prometheus(struct out *o, const char *text, size_t n)
{
	escape_exposed(o, text, n, "\"\\");
}

void escape_help(struct out *o, const char *text, size_t n)
{
	escape_exposed(o, text, n, "\\\\");
}

static void escape_visible(struct out *o, const char *text, size_t n)
{
	while (n) {
		size_t run = plain_run(text, n, "\\\\"), len;

		out_bytes(o, text, run);
		text += run;
		n -= run;
		if (!n)
			return;
		len = utf8_length((const u8 *)text, n);
		if (*text == '\\')
			out_str(o, "\\\\");
		else if (len >= 2 && !is_deceptive((const u8 *)text, len))
			out_bytes(o, text, len);
		else if (*text == '\n' || *text == '\t')
			out_str(o, *text == '\n' ? "\\n" : "\\t");
		else
			out_printf(o, "\\x%02x", (u8)*text), len = 1;
		text += len ?: 1;
		n -= len ?: 1;
	}
}

void escape_tsv(struct out *o, const char *text, size_t n)
{
	escape_visible(o, text, n);
}

void escape_terminal(struct out *o, const char *text, size_t n)
{
	escape_visible(o, text, n);
}
