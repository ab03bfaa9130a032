/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers and addresses, from and to what people write. */
#pragma once

#include "model.h"
#include "out.h"

/* Fits the longest of them with its NUL. */
#define PREFIX_LEN 64

/* An address or address/bits in 16 network-order bytes, v4-mapped for IPv4; bits of 128. */
bool parse_prefix(const char *text, u8 addr[16], u32 *bits);
bool prefix_contains(const u8 prefix[16], u32 bits, const u8 addr[16]);
void print_address(struct out *o, const u8 addr[16]);
/* "any" for no bits at all. */
void print_prefix(struct out *o, const u8 addr[16], u32 bits);

/*
 * A number with the suffix of its unit: 10ms (ns us ms s m h), 64k (bytes: k M G T are
 * powers of 1024, else of 1000). NULL, or why not.
 */
const char *parse_number(const char *text, enum unit unit, double *value);
/* The same, whole numbers only; a time that is not 0 must have a unit. */
const char *parse_whole(const char *text, enum unit unit, u64 *value);
/* What parse_whole() reads back exactly: 1500us, 64k. */
void print_exact(struct out *o, u64 value, enum unit unit);
/* Three digits and a unit, for the eyes: 1.23 ms. */
void print_human(struct out *o, double value, enum unit unit);
