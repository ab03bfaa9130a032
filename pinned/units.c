// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "units.h"

static const struct suffix {
	const char *text;
	u64 factor;
} durations[] = {{"ns", 1},
		 {"us", 1000},
		 {"ms", 1000000},
		 {"s", 1000000000},
		 {"m", 60000000000},
		 {"h", 3600000000000},
		 {}},
  sizes[] = {{"", 1},		{"k", 1ULL << 10}, {"M", 1ULL << 20},
	     {"G", 1ULL << 30}, {"T", 1ULL << 40}, {}},
  amounts[] = {{"", 1}, {"k", 1000}, {"M", 1000000}, {"G", 1000000000}, {}};

static const struct suffix *suffixes(enum unit unit)
{
	return unit == UNIT_NSEC ? durations : unit == UNIT_BYTES ? sizes : amounts;
}

static const char *wrong_suffix(enum unit unit)
{
	return unit == UNIT_NSEC    ? "a duration is a number and one of ns us ms s m h, as 10ms"
	       : unit == UNIT_BYTES ? "a size is a number and perhaps one of k M G T, as 64k"
				    : "it is not a number";
}

static const struct suffix *find_suffix(const char *text, enum unit unit)
{
	for (const struct suffix *s = suffixes(unit); s->text; s++)
		if (!strcmp(text, s->text))
			return s;
	return NULL;
}

const char *parse_number(const char *text, enum unit unit, double *value)
{
	const struct suffix *suffix;
	char *end;

	if (!isdigit((unsigned char)text[*text == '-']))
		return wrong_suffix(unit);
	*value = strtod(text, &end);
	if (!*end)
		return NULL;
	suffix = find_suffix(end, unit);
	if (!suffix)
		return wrong_suffix(unit);
	*value *= suffix->factor;
	return NULL;
}

const char *parse_whole(const char *text, enum unit unit, u64 *value)
{
	const struct suffix *suffix;
	unsigned long long n;
	char *end;

	if (!isdigit((unsigned char)*text))
		return wrong_suffix(unit);
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno)
		return "it is too large";
	*value = 0;
	if (!n && !*end)
		return NULL;
	suffix = find_suffix(end, unit);
	if (!suffix)
		return wrong_suffix(unit);
	if (__builtin_mul_overflow(n, suffix->factor, value))
		return "it is too large";
	return NULL;
}

void print_exact(struct out *o, u64 value, enum unit unit)
{
	const struct suffix *best = suffixes(unit);

	for (const struct suffix *s = best; s->text; s++)
		if (unit != UNIT_COUNT && value && value % s->factor == 0)
			best = s;
	out_u64(o, value / best->factor);
	out_str(o, value ? best->text : "");
}

void print_human(struct out *o, double value, enum unit unit)
{
	static const char *const times[] = {" ns", " us", " ms", " s"};
	static const char *const bytes[] = {" B", " KiB", " MiB", " GiB", " TiB"};
	double step = unit == UNIT_BYTES ? 1024 : 1000;
	int i = 0;

	if (unit == UNIT_COUNT) {
		out_printf(o, value < 100 && value != (u64)value ? "%.2f" : "%.0f", value);
		return;
	}
	/* 999.6 would round to 1000: better 1.00 of the next. */
	while (value >= step - 0.5 && i < (unit == UNIT_NSEC ? 3 : 4)) {
		value /= step;
		i++;
	}
	out_printf(o, "%.*f%s",
		   !i || value >= 99.95 ? 0
		   : value >= 9.995	? 1
					: 2,
		   value, unit == UNIT_NSEC ? times[i] : bytes[i]);
}

static const u8 v4_mapped[12] = {[10] = 0xff, [11] = 0xff};

static bool is_v4(const u8 addr[16])
{
	return !memcmp(addr, v4_mapped, sizeof(v4_mapped));
}

static void clear_host_bits(u8 addr[16], u32 bits)
{
	for (u32 i = 0; i < 16; i++) {
		if (bits < 8 * i + 8)
			addr[i] &= bits <= 8 * i ? 0 : 0xff << (8 * i + 8 - bits);
	}
}

bool parse_prefix(const char *text, u8 addr[16], u32 *bits)
{
	char host[PREFIX_LEN];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	u32 width = 32, given;
	char *end;

	if (n >= sizeof(host))
		return false;
	memcpy(host, text, n);
	host[n] = 0;
	memcpy(addr, v4_mapped, sizeof(v4_mapped));
	if (inet_pton(AF_INET, host, addr + 12) != 1) {
		if (inet_pton(AF_INET6, host, addr) != 1)
			return false;
		width = 128;
	}
	given = width;
	if (slash) {
		if (!isdigit((unsigned char)slash[1]))
			return false;
		given = strtoul(slash + 1, &end, 10);
		if (*end || end - slash > 4 || given > width)
			return false;
	}
	*bits = 128 - width + given;
	clear_host_bits(addr, *bits);
	return true;
}

bool prefix_contains(const u8 prefix[16], u32 bits, const u8 addr[16])
{
	u8 masked[16];

	memcpy(masked, addr, 16);
	clear_host_bits(masked, bits);
	return !memcmp(masked, prefix, 16);
}

static void print_v4(struct out *o, const u8 *p)
{
	for (int i = 0; i < 4; i++) {
		if (i)
			out_char(o, '.');
		out_u64(o, p[i]);
	}
}

/* The longest run of two or more zero groups, which is written as "::" (RFC 5952). */
static void longest_zeros(const u16 group[8], int *start, int *length)
{
	*start = -1;
	*length = 1;
	for (int i = 0; i < 8; i++) {
		int n = 0;

		while (i + n < 8 && !group[i + n])
			n++;
		if (n > *length) {
			*start = i;
			*length = n;
		}
		i += n;
	}
}

static void print_hex(struct out *o, u16 v)
{
	int shift = v >> 12 ? 12 : v >> 8 ? 8 : v >> 4 ? 4 : 0;

	for (; shift >= 0; shift -= 4)
		out_char(o, "0123456789abcdef"[v >> shift & 15]);
}

void print_address(struct out *o, const u8 addr[16])
{
	int start, length;
	u16 group[8];

	if (is_v4(addr)) {
		print_v4(o, addr + 12);
		return;
	}
	for (int i = 0; i < 8; i++)
		group[i] = addr[2 * i] << 8 | addr[2 * i + 1];
	longest_zeros(group, &start, &length);
	for (int i = 0; i < 8; i++) {
		if (i == start) {
			out_str(o, "::");
			i += length - 1;
			continue;
		}
		if (i && i != start + length)
			out_char(o, ':');
		print_hex(o, group[i]);
	}
}

void print_prefix(struct out *o, const u8 addr[16], u32 bits)
{
	bool v4 = is_v4(addr) && bits >= 96;

	if (!bits) {
		out_str(o, "any");
		return;
	}
	print_address(o, addr);
	out_char(o, '/');
	out_u64(o, v4 ? bits - 96 : bits);
}
