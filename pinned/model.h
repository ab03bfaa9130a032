/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every source (pinned maps, snapshot files) produces and every printer
 * consumes: a schema per map, and rows that are two flat blocks of memory, key and
 * value, in which the schema's columns say where everything is.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "hist.h"

enum format {
	FMT_NUMBER,
	FMT_SIGNED,
	FMT_PORT,
	FMT_ENUM,
	FMT_KSYM,   /* an address of the kernel */
	FMT_KSTACK, /* addresses of the kernel: a call chain */
	FMT_HEX,
	FMT_FLAG,
	FMT_ADDRESS,
	FMT_PREFIX,
	FMT_CHARS,  /* text in place, ended by NUL or by its size */
	FMT_STRING, /* a pointer to text: from a snapshot */
	FMT_MASK,   /* derived from the members after it */
	FMT_EPOCH,  /* counts the changes of the settings */
	FMT_HIST,
	FMT_MINIHIST,
	FMT_RATIO, /* of the number there and the one before it; has no bytes of its own */
};

enum unit {
	UNIT_COUNT,
	UNIT_NSEC,
	UNIT_BYTES
};

enum part {
	PART_KEY,
	PART_VALUE
};

enum map_kind {
	KIND_HIST,
	KIND_COUNTER,
	KIND_TABLE
};

struct enumeration {
	unsigned int count;
	struct enumerator {
		u64 value;
		char *name;
	} * items;
};

struct column {
	char *name; /* as people write it: latency, rx.packets */
	char *key;  /* in pipes: with its unit, sent_bytes */
	enum format format;
	enum unit unit;
	enum part part;
	bool label; /* identifies; the others count or measure */
	bool gauge; /* does not subtract */
	u32 offset, size;
	struct enumeration *names;
};

struct schema {
	const char *probe, *name;
	char *help, *metric; /* NULL: none */
	char *identity;	     /* labels by which a row is the row it is; NULL: the usual ones */
	u32 id;
	enum map_kind kind;
	bool losses; /* what was not recorded */
	bool event;  /* of a stream: records, no rows */
	bool listed; /* each possible key has a meaning: rows of zeros are printed */
	bool vacant; /* a row that starts with 8 zero bytes is not in use */
	bool by_cpu; /* each CPU's copy is a row of its own; its number stands behind the key */
	bool staged; /* rows are stages of a way, in its order: label `stage` says which */
	bool edges;  /* rows are edges of a graph: labels `from...` to labels `to...` */
	u32 parts;   /* rows in one value of the map, side by side */
	u32 order;   /* its place in the source */
	u32 size[2]; /* of the key, of the value */
	unsigned int n_labels, n_fields;
	struct column *labels, *fields;
	double seconds; /* the interval that the rows are the difference of; 0: totals */
};

struct row {
	const u8 *part[2];
};

struct text {
	const char *p;
	size_t len;
};

struct setting {
	char *name;
	char *value; /* as in JSON */
};

struct program {
	char *link;
	u32 id; /* 0: not for this user */
	bool misses_known;
	u64 recursion_misses;
};

struct loss {
	char *name;
	u64 count;
};

struct probe {
	char *name, *variant, *help;
	unsigned int n_programs, n_settings, n_losses, n_maps;
	struct program *programs;
	struct setting *settings;
	struct loss *losses;
	struct schema *maps;
	unsigned int n_missing;
	const char **missing;  /* counters that this machine does not have */
	struct pinned *pinned; /* the source's own: see pinned.h */
};

struct host {
	char *name, *boot_id, *kernel, *version;
	u64 realtime, monotonic; /* ns */
	bool partial;		 /* filtered or cut: does not subtract */
};

typedef void row_fn(void *arg, const struct row *row);

struct source {
	struct host host;
	unsigned int n_probes;
	struct probe *probes;
	double seconds; /* between the two readings that were subtracted; 0: one reading */
	/* Gives every row of a map to fn; the row is valid during the call. */
	void (*walk)(struct source *source, struct probe *probe, struct schema *map, row_fn *fn,
		     void *arg);
	/* The rows of a difference that the later reading does not have; NULL: no difference. */
	void (*walk_gone)(struct source *source, struct schema *map, row_fn *fn, void *arg);
	u64 since; /* when the earlier reading was, wall clock */
	void *own; /* of a source that needs it */
};

static inline const u8 *cell(const struct column *c, const struct row *r)
{
	return r->part[c->part] + c->offset;
}

u64 load_number(const void *p, u32 size);
void store_number(u8 *p, u32 size, u64 v);
u64 cell_number(const struct column *c, const struct row *r);
/* Whether the last of these columns, a ratio, stands behind its two numbers. */
bool ratio_fits(const struct column *columns, unsigned int count);
/* The first number's share of both; NaN: there is nothing to share. */
double cell_ratio(const struct column *c, const struct row *r);
struct text cell_text(const struct column *c, const struct row *r);
/* The name of an enumerator; NULL for a value that has none. */
const char *enum_name(const struct enumeration *e, u64 value);

bool is_hist(const struct column *c);
/* A histogram that is the whole value: its parts have no prefix. */
bool is_flat(const struct schema *s);
bool row_is_zero(const struct schema *s, const struct row *r);

/* Adds another CPU's copy of a value: extremes and gauges become the largest. */
void value_merge(const struct schema *s, u8 *into, const u8 *from);
/*
 * Subtracts an earlier reading. The extremes of the interval are known only where they
 * moved: else max becomes 0 and min U64_MAX, which means "see the slots". False when a
 * counter went down.
 */
bool value_subtract(const struct schema *s, u8 *now, const u8 *before);

/* Kinds as they are named in the identity line: "ns", "bytes_gauge", "ns_hist" ... */
const char *unit_suffix(enum unit unit);
void column_kind(const struct column *c, char kind[32]);
const char *map_kind_name(enum map_kind kind);
/* The JSON key of a column from its name and unit. */
char *column_key(const char *name, const struct column *c);
