/* SPDX-License-Identifier: GPL-2.0-only */
/* The source that reads what is pinned in bpffs. */
#pragma once

#include "describe.h"
#include "model.h"

struct pinned_map {
	int fd;
	u32 type, key_size, value_size, max_entries;
	bool is_section; /* of a program's global data */
	bool scanned;	 /* by its MAP_scan, in this run */
};

/* One for each of probe->maps, by its id. */
struct pinned {
	struct object *object;
	unsigned int n_maps;
	struct pinned_map_entry {
		u32 id;
		struct pinned_map map;
	} * maps;
	char *config_path; /* NULL: none */
	char *ring_path;   /* the event stream; NULL: none */
	struct config config;
};

const char *pin_root(void);
/* Names of what is loaded, sorted; *count of them. */
char **pinned_names(unsigned int *count);
/* Fills a probe; false after having said why not. Missing pins are said when `named`. */
bool pinned_open(struct probe *probe, const char *name, bool named);
struct pinned_map *pinned_map(const struct probe *probe, const struct schema *s);
/* Opens a pinned map; -1 after having said why not. */
int pinned_map_open(const char *path, u32 flags, struct pinned_map *map, u32 *id);

/* All probes, or those named; dies when a named one is not there. */
void pinned_source(struct source *source, char **names, unsigned int count);

/* config.c: the settings of a probe; false after having said why not. */
bool config_read(struct probe *probe);

/* walk.c */
void pinned_walk(struct source *source, struct probe *probe, struct schema *map, row_fn *fn,
		 void *arg);
/* programs.c: what is attached, and the runs it missed. */
void programs_read(struct probe *probe, const char *directory);
