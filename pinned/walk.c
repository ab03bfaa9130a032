// SPDX-License-Identifier: GPL-2.0-only
/*
 * All rows of a pinned map, while the kernel goes on writing it.
 *
 * What a concurrent reader sees: every key that is there during the whole walk, once.
 * A key that comes or goes meanwhile may be there or not. A value is read while it may
 * be written: its words are each from some moment of the walk, not all from the same.
 * The walk ends: the batch cursor goes over the buckets of a hash in order, each once,
 * and the walk by key is bounded by the size of the map.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "error.h"
#include "pinned.h"
#include "rows.h"
#include "set.h"
#include "util.h"

#define BATCH_BYTES (1024 * 1024)
#define FEW_ROWS    16	/* large per-CPU values: a bucket should still fit */
#define ENOTSUPP    524 /* the kernel's own, not in errno.h */

struct walk {
	const struct probe *probe;
	const struct schema *schema;
	struct pinned_map *map;
	row_fn *fn;
	void *arg;
	unsigned int cpus; /* copies of each value; 1: not per CPU */
	u32 stride;	   /* bytes from one copy to the next */
	u8 *keys, *values;
	u8 *key; /* of the row at hand, and its CPU */
	u64 rows;
};

static bool is_percpu(u32 type)
{
	return type == BPF_MAP_TYPE_PERCPU_ARRAY || type == BPF_MAP_TYPE_PERCPU_HASH ||
	       type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

static void give_row(struct walk *w, const u8 *value)
{
	const struct schema *s = w->schema;
	struct row row = {.part = {w->key, value}};

	if (s->vacant ? !load_number(value, 8) : !s->listed && row_is_zero(s, &row))
		return;
	w->rows++;
	w->fn(w->arg, &row);
}

static void give_copy(struct walk *w, const u8 *key, const u8 *value, u32 cpu)
{
	const struct schema *s = w->schema;

	memcpy(w->key + w->map->key_size, &cpu, sizeof(cpu));
	for (u32 i = 0; i < s->parts; i++) {
		memcpy(w->key, s->parts == 1 ? key : (u8 *)&i, w->map->key_size);
		give_row(w, value + (size_t)i * s->size[PART_VALUE]);
	}
}

/* Adds the other CPUs' copies to the first. */
static void merge_copies(struct walk *w, u8 *value)
{
	const struct schema *s = w->schema;

	for (u32 i = 0; i < s->parts; i++, value += s->size[PART_VALUE])
		for (unsigned int cpu = 1; cpu < w->cpus; cpu++)
			value_merge(s, value, value + (size_t)cpu * w->stride);
}

static void give(void *walk, u8 *key, u8 *value)
{
	struct walk *w = walk;

	if (!w->schema->by_cpu) {
		merge_copies(w, value);
		give_copy(w, key, value, 0);
		return;
	}
	for (unsigned int cpu = 0; cpu < w->cpus; cpu++)
		give_copy(w, key, value + (size_t)cpu * w->stride, cpu);
}

static void cannot(const struct walk *w, int err)
{
	complain(EXIT_FAILED, "cannot read map %s of %s: %s", w->schema->name, w->probe->name,
		 reason(err));
}

/* Whether key i of an array means something: with an enum as key, only its enumerators do. */
static bool has_meaning(const struct schema *s, u32 i)
{
	return s->n_labels != 1 || s->labels->format != FMT_ENUM || s->labels->part != PART_KEY ||
	       enum_name(s->labels->names, i);
}

static void walk_array(struct walk *w)
{
	for (u32 i = 0; i < w->map->max_entries; i++) {
		if (!has_meaning(w->schema, i))
			continue;
		if (bpf_map_lookup_elem(w->map->fd, &i, w->values)) {
			cannot(w, errno);
			return;
		}
		give(w, (u8 *)&i, w->values);
	}
}

/*
 * Where there is no batch lookup (a trie on old kernels). If the key we stand on is
 * deleted, the kernel starts again from the first: so remember what was seen, and stop
 * after a number of steps that no honest walk needs.
 */
static void walk_keys(struct walk *w)
{
	u32 size = w->map->key_size;
	u8 *previous = NULL, *key = w->keys;
	u64 steps = 4ULL * w->map->max_entries + 64;
	struct set seen;
	int err = 0;

	set_open(&seen, size);
	while (!err && steps--) {
		bool added;

		err = bpf_map_get_next_key(w->map->fd, previous, key) ? errno : 0;
		if (err)
			break;
		set_add(&seen, key, &added);
		if (added && !bpf_map_lookup_elem(w->map->fd, key, w->values))
			give(w, key, w->values);
		else if (added && errno != ENOENT)
			err = errno;
		previous = w->keys + size;
		memcpy(previous, key, size);
	}
	if (err && err != ENOENT)
		cannot(w, err);
	set_close(&seen);
}

static void allocate(struct walk *w, u32 count)
{
	free(w->keys);
	free(w->values);
	w->keys = xmalloc((size_t)count * w->map->key_size);
	w->values = xmalloc((size_t)count * w->stride * w->cpus);
}

/* 0, or why not: ENOSPC when a bucket has more rows than the buffer. */
static int read_batch(struct walk *w, void *cursor, bool first, u32 *count)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);

	return bpf_map_lookup_batch(w->map->fd, first ? NULL : cursor, cursor, w->keys, w->values,
				    count, &opts)
		       ? errno
		       : 0;
}

/* False when the kernel has no batch lookup for this map. */
static bool walk_batches(struct walk *w)
{
	size_t row = w->map->key_size + (size_t)w->stride * w->cpus;
	u32 size = BATCH_BYTES / row > FEW_ROWS ? BATCH_BYTES / row : FEW_ROWS, count;
	/* A hash gives a number as cursor, a trie a key. */
	u8 *cursor = xcalloc(1, w->map->key_size + sizeof(u32));
	/* Keys come and go, but more than this is not one reading of one map. */
	u64 limit = 4ULL * w->map->max_entries * w->cpus + 64;
	bool first = true;
	int err = 0;

	if (size > w->map->max_entries)
		size = w->map->max_entries;
	allocate(w, size);
	while (!err && w->rows <= limit) {
		count = size;
		err = read_batch(w, cursor, first, &count);
		if (err == ENOSPC && size < w->map->max_entries) {
			size = size * 2ULL < w->map->max_entries ? size * 2 : w->map->max_entries;
			allocate(w, size);
			err = 0;
			continue;
		}
		if (first && (err == EINVAL || err == ENOTSUPP || err == EOPNOTSUPP)) {
			free(cursor);
			return false;
		}
		if (err && err != ENOENT)
			break;
		first = false;
		for (u32 i = 0; i < count; i++)
			give(w, w->keys + (size_t)i * w->map->key_size,
			     w->values + (size_t)i * w->stride * w->cpus);
	}
	free(cursor);
	if (err && err != ENOENT)
		cannot(w, err);
	return true;
}

static void walk_others(struct walk *w)
{
	if (walk_batches(w))
		return;
	allocate(w, 2);
	walk_keys(w);
}

/* The rows as a program of the probe's own gives them; false when it has none. */
static bool walk_view(struct walk *w)
{
	char *name = xasprintf("%s/%s", pin_root(), w->probe->name);
	char *scan = xasprintf("%s/links/%s_scan", name, w->schema->name);
	char *rows = xasprintf("%s/%s_rows", name, w->schema->name);
	bool given;

	if (!w->map->scanned)
		rows_scan(scan);
	w->map->scanned = true;
	given = rows_read(rows, w->map->key_size, w->stride * w->cpus, give, w);
	free(rows);
	free(scan);
	free(name);
	return given;
}

static void walk_map(struct walk *w)
{
	if (w->map->type == BPF_MAP_TYPE_PERCPU_ARRAY ||
	    (w->map->type == BPF_MAP_TYPE_ARRAY && !w->schema->vacant)) {
		allocate(w, 1);
		walk_array(w);
	} else {
		walk_others(w);
	}
}

void pinned_walk(struct source *source, struct probe *probe, struct schema *schema, row_fn *fn,
		 void *arg)
{
	struct pinned_map *map = pinned_map(probe, schema);
	int cpus = libbpf_num_possible_cpus();
	struct walk w = {probe, schema, map, fn, arg, 1, map->value_size, NULL, NULL, NULL, 0};

	(void)source;
	if (is_percpu(map->type) && cpus < 1)
		die(EXIT_FAILED, "cannot count the possible CPUs: %s", strerror(-cpus));
	if (is_percpu(map->type)) {
		w.cpus = cpus;
		w.stride = (map->value_size + 7) / 8 * 8;
	}
	w.key = xmalloc(map->key_size + sizeof(u32));
	if (!walk_view(&w))
		walk_map(&w);
	free(w.key);
	free(w.keys);
	free(w.values);
}
