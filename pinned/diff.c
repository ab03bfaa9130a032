// SPDX-License-Identifier: GPL-2.0-only
/*
 * The difference of two snapshots, as a source: schemas and rows are those of the later
 * one, with what the earlier one had taken off. What cannot be subtracted is said and
 * left out, never guessed.
 */
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "options.h"
#include "print.h"
#include "snapshot.h"
#include "util.h"
#include "verbs.h"

struct diff {
	struct snapshot before, after;
};

static const struct rows *rows_of(const struct snapshot *s, const struct schema *map)
{
	for (unsigned int i = 0; i < s->source.n_probes; i++) {
		const struct probe *p = &s->source.probes[i];

		for (unsigned int j = 0; j < p->n_maps; j++)
			if (!strcmp(p->name, map->probe) && !strcmp(p->maps[j].name, map->name))
				return &s->rows[i][j];
	}
	return NULL;
}

/* A text is one pointer in its own snapshot only: look for the other's. */
static void translate_texts(struct snapshot *to, const struct schema *map, u8 *key)
{
	for (unsigned int i = 0; i < map->n_labels; i++) {
		const struct column *c = &map->labels[i];
		const char *text;

		if (c->format != FMT_STRING || c->part != PART_KEY)
			continue;
		memcpy(&text, key + c->offset, sizeof(text));
		text = snapshot_string(to, text);
		memcpy(key + c->offset, &text, sizeof(text));
	}
}

/* The row with the same key in another snapshot; false when there is none. */
static bool find_row(struct snapshot *in, const struct schema *map, const struct row *row,
		     struct row *found)
{
	const struct rows *rows = rows_of(in, map);
	size_t size = map->size[PART_KEY];
	u8 *key = xmalloc(size);
	bool there;
	u32 i;

	memcpy(key, row->part[PART_KEY], size);
	translate_texts(in, map, key);
	there = rows && set_find(&rows->keys, key, &i);
	if (there)
		*found = snapshot_row(rows, map, i);
	free(key);
	return there;
}

static void diff_walk(struct source *source, struct probe *probe, struct schema *map, row_fn *fn,
		      void *arg)
{
	struct diff *d = source->own;
	const struct rows *rows = rows_of(&d->after, map);
	u8 *value = xmalloc(map->size[PART_VALUE]);
	u64 shrunk = 0;

	for (u32 i = 0; i < rows->keys.count; i++) {
		struct row row = snapshot_row(rows, map, i), before;

		memcpy(value, row.part[PART_VALUE], map->size[PART_VALUE]);
		row.part[PART_VALUE] = value;
		if (find_row(&d->before, map, &row, &before) &&
		    !value_subtract(map, value, before.part[PART_VALUE]))
			shrunk++;
		else
			fn(arg, &row);
	}
	free(value);
	if (shrunk)
		complain(EXIT_RESET,
			 "in map %s of %s %llu rows count less in %s than in %s (evicted "
			 "and "
			 "made again?): left out",
			 map->name, probe->name, (unsigned long long)shrunk, d->after.path,
			 d->before.path);
}

static void walk_gone(struct source *source, struct schema *map, row_fn *fn, void *arg)
{
	struct diff *d = source->own;
	const struct rows *rows = rows_of(&d->before, map);

	for (u32 i = 0; rows && i < rows->keys.count; i++) {
		struct row row = snapshot_row(rows, map, i), after;

		if (!find_row(&d->after, map, &row, &after))
			fn(arg, &row);
	}
}

static void check_hosts(const struct snapshot *a, const struct snapshot *b)
{
	const struct host *x = &a->source.host, *y = &b->source.host;

	if (strcmp(x->boot_id, y->boot_id))
		die(EXIT_RESET,
		    "cannot subtract %s from %s: %s between them; take both in one boot "
		    "of one "
		    "machine",
		    a->path, b->path,
		    strcmp(x->name, y->name) ? "they are of different machines"
					     : "the machine was booted again");
	if (x->monotonic >= y->monotonic)
		die(EXIT_RESET,
		    "cannot subtract %s from %s: its clock is not behind the other's; "
		    "give the "
		    "earlier one first",
		    a->path, b->path);
	if (x->realtime > y->realtime)
		complain(EXIT_DONE,
			 "note: the wall clock was set back between %s and %s; the "
			 "interval is "
			 "by the monotonic clock",
			 a->path, b->path);
	if (x->partial || y->partial)
		die(EXIT_RESET,
		    "cannot subtract %s from %s: %s was cut by --filter or --top; take "
		    "whole "
		    "snapshots",
		    a->path, b->path, x->partial ? a->path : b->path);
}

static bool same_columns(const struct column *a, unsigned int n, const struct column *b,
			 unsigned int m)
{
	char x[32], y[32];

	for (unsigned int i = 0; n == m && i < n; i++) {
		column_kind(&a[i], x);
		column_kind(&b[i], y);
		if (strcmp(a[i].key, b[i].key) || strcmp(x, y) || a[i].part != b[i].part)
			return false;
	}
	return n == m;
}

static const struct schema *find_schema(const struct probe *p, const char *name)
{
	for (unsigned int i = 0; i < p->n_maps; i++)
		if (!strcmp(p->maps[i].name, name))
			return &p->maps[i];
	return NULL;
}

/* Whether a map of the later snapshot subtracts. */
static bool check_map(const struct diff *d, const struct probe *before, const struct schema *map)
{
	const struct schema *old = find_schema(before, map->name);

	if (old && old->id == map->id &&
	    same_columns(old->labels, old->n_labels, map->labels, map->n_labels) &&
	    same_columns(old->fields, old->n_fields, map->fields, map->n_fields))
		return true;
	complain(EXIT_RESET, "map %s of %s does not subtract: %s; left out", map->name, map->probe,
		 !old		      ? xasprintf("it is not in %s", d->before.path)
		 : old->id != map->id ? "the probe was loaded again, it is another map"
				      : "its columns changed");
	return false;
}

static void subtract_losses(const struct probe *before, struct probe *after)
{
	for (unsigned int i = 0; i < after->n_losses; i++)
		for (unsigned int j = 0; j < before->n_losses; j++)
			if (!strcmp(before->losses[j].name, after->losses[i].name) &&
			    before->losses[j].count <= after->losses[i].count)
				after->losses[i].count -= before->losses[j].count;
}

static void subtract_misses(const struct probe *before, struct probe *after)
{
	for (unsigned int i = 0; i < after->n_programs; i++) {
		struct program *now = &after->programs[i];
		bool known = false;

		for (unsigned int j = 0; j < before->n_programs; j++) {
			const struct program *old = &before->programs[j];

			if (old->id != now->id || !old->misses_known ||
			    old->recursion_misses > now->recursion_misses)
				continue;
			now->recursion_misses -= old->recursion_misses;
			known = true;
			break;
		}
		now->misses_known &= known;
		if (!now->misses_known)
			now->recursion_misses = 0;
	}
}

static void check_settings(const struct probe *before, const struct probe *after)
{
	for (unsigned int i = 0; i < after->n_settings; i++)
		for (unsigned int j = 0; j < before->n_settings; j++)
			if (!strcmp(before->settings[j].name, after->settings[i].name) &&
			    strcmp(before->settings[j].value, after->settings[i].value))
				complain(EXIT_DONE, "note: %s of %s was changed from %s to %s",
					 after->settings[i].name, after->name,
					 before->settings[j].value, after->settings[i].value);
}

static struct probe *find_probe(struct source *source, const char *name)
{
	for (unsigned int i = 0; i < source->n_probes; i++)
		if (!strcmp(source->probes[i].name, name))
			return &source->probes[i];
	return NULL;
}

/* Makes a probe of the later snapshot that of the difference; false: nothing is left. */
static bool subtract_probe(const struct diff *d, const struct probe *before, struct probe *after,
			   double seconds)
{
	unsigned int kept = 0;

	if (!before) {
		complain(EXIT_RESET, "probe %s does not subtract: it is not in %s; left out",
			 after->name, d->before.path);
		return false;
	}
	for (unsigned int i = 0; i < after->n_maps; i++) {
		if (!check_map(d, before, &after->maps[i]))
			continue;
		after->maps[kept] = after->maps[i];
		after->maps[kept++].seconds = seconds;
	}
	/* All of another load: then its losses and settings are, too. */
	if (!kept && after->n_maps)
		return false;
	after->n_maps = kept;
	subtract_losses(before, after);
	subtract_misses(before, after);
	check_settings(before, after);
	return true;
}

static void diff_source(struct source *source, struct diff *d)
{
	struct source *a = &d->before.source, *b = &d->after.source;

	check_hosts(&d->before, &d->after);
	*source = (struct source){.host = b->host, .walk = diff_walk, .own = d};
	source->walk_gone = walk_gone;
	source->since = a->host.realtime;
	source->seconds = (b->host.monotonic - a->host.monotonic) / 1e9;
	for (unsigned int i = 0; i < b->n_probes; i++) {
		struct probe probe = b->probes[i];

		probe.maps = xcalloc(probe.n_maps, sizeof(*probe.maps));
		if (probe.n_maps)
			memcpy(probe.maps, b->probes[i].maps, probe.n_maps * sizeof(*probe.maps));
		if (subtract_probe(d, find_probe(a, probe.name), &probe, source->seconds))
			*APPEND(source->probes, source->n_probes) = probe;
	}
	for (unsigned int i = 0; i < a->n_probes; i++)
		if (!find_probe(b, a->probes[i].name))
			complain(EXIT_RESET, "probe %s was unloaded: it is not in %s",
				 a->probes[i].name, d->after.path);
}

int cmd_diff(int argc, char **argv)
{
	struct options opt = parse_options("diff", &argc, &argv);
	struct source source;
	struct diff d;

	if (argc != 2)
		misused("diff", "two snapshots");
	snapshot_read(&d.before, argv[0]);
	snapshot_read(&d.after, argv[1]);
	diff_source(&source, &d);
	view(&source, &opt.query, printer_for(opt.how));
	return complaints();
}
