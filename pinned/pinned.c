// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "counter.h"
#include "error.h"
#include "files.h"
#include "pinned.h"
#include "util.h"

const char *pin_root(void)
{
	static char *root;

	if (!root)
		root = xasprintf("%s/pinscope", getenv("PINSCOPE_BPFFS") ?: "/sys/fs/bpf");
	return root;
}

static char *object_path(const char *probe)
{
	return xasprintf("%s/%s.bpf.o", getenv("PINSCOPE_RUN") ?: "/run/pinscope", probe);
}

char **pinned_names(unsigned int *count)
{
	char **names = list_directory(pin_root(), count);

	if (!names && errno == ENOENT)
		return xcalloc(1, sizeof(*names));
	if (!names)
		die(EXIT_FAILED, "cannot list %s: %s", pin_root(), reason(errno));
	return names;
}

int pinned_map_open(const char *path, u32 flags, struct pinned_map *map, u32 *id)
{
	LIBBPF_OPTS(bpf_obj_get_opts, opts, .file_flags = flags);
	struct bpf_map_info info = {};
	u32 size = sizeof(info);

	*map = (struct pinned_map){.fd = bpf_obj_get_opts(path, &opts)};
	if (map->fd < 0 || bpf_obj_get_info_by_fd(map->fd, &info, &size)) {
		complain(EXIT_FAILED, "cannot open the pinned map %s: %s", path, reason(errno));
		return -1;
	}
	map->type = info.type;
	map->key_size = info.key_size;
	map->value_size = info.value_size;
	map->max_entries = info.max_entries;
	/* Only libbpf's maps of data sections have a dot in their name: odd.rodata. */
	map->is_section = strchr(info.name, '.');
	*id = info.id;
	return map->fd;
}

struct pinned_map *pinned_map(const struct probe *probe, const struct schema *s)
{
	struct pinned *p = probe->pinned;

	for (unsigned int i = 0; i < p->n_maps; i++)
		if (p->maps[i].id == s->id)
			return &p->maps[i].map;
	return NULL;
}

static bool is_array(u32 type)
{
	return type == BPF_MAP_TYPE_ARRAY || type == BPF_MAP_TYPE_PERCPU_ARRAY;
}

/* Whether one can go over the keys of such a map. */
static bool has_rows(u32 type)
{
	return is_array(type) || type == BPF_MAP_TYPE_HASH || type == BPF_MAP_TYPE_LRU_HASH ||
	       type == BPF_MAP_TYPE_PERCPU_HASH || type == BPF_MAP_TYPE_LRU_PERCPU_HASH ||
	       type == BPF_MAP_TYPE_LPM_TRIE;
}

/* NULL: it has none. */
static char *map_tag(const struct object *o, const char *map, const char *prefix)
{
	const char *text = object_tag(o, map, prefix);

	return text ? xstrdup(text) : NULL;
}

/* The kernel's idea of the map against that of the object. */
static bool same_layout(const struct probe *probe, const struct schema *s,
			const struct pinned_map *map)
{
	u32 key = s->size[PART_KEY] - (s->by_cpu ? sizeof(u32) : 0);

	if (map->key_size == key && map->value_size == s->size[PART_VALUE] * s->parts)
		return true;
	complain(EXIT_INPUT,
		 "cannot decode map %s of %s: it has keys of %u and values of %u bytes, "
		 "its "
		 "object %s says %u and %u; load the probe again",
		 s->name, probe->name, map->key_size, map->value_size, probe->pinned->object->path,
		 key, s->size[PART_VALUE]);
	return false;
}

/* What is named as a counter that is not there was never counted. */
static void drop_missing(const struct probe *probe, struct schema *s)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < s->n_fields; i++) {
		bool missing = false;

		for (unsigned int j = 0; j < probe->n_missing; j++)
			missing |= !strcmp(s->fields[i].name, probe->missing[j]);
		if (!missing)
			s->fields[kept++] = s->fields[i];
	}
	s->n_fields = kept;
}

static bool add_map(struct probe *probe, const char *name, const struct pinned_map *map, u32 id)
{
	const struct object *o = probe->pinned->object;
	bool array = is_array(map->type);
	struct schema s = {.probe = probe->name, .name = xstrdup(name), .id = id};
	struct pinned_map_entry *entry;

	switch (describe_map(o, name, array, map->max_entries, &s)) {
	case MAP_ROWS:
		break;
	case MAP_OTHER:
		return true;
	case MAP_UNKNOWN:
		complain(EXIT_INPUT,
			 "cannot decode map %s of %s: the object %s has no such map; "
			 "load the "
			 "probe again",
			 name, probe->name, o->path);
		return false;
	case MAP_BAD:
		return false;
	}
	if (!same_layout(probe, &s, map))
		return false;
	drop_missing(probe, &s);
	/* The rows of a hash exist because something made them, zero or not. */
	s.listed |= !array || (map->max_entries == 1 && !s.by_cpu);
	s.help = map_tag(o, name, "help:");
	s.metric = map_tag(o, name, "metric:");
	s.identity = map_tag(o, name, "row:");
	*APPEND(probe->maps, probe->n_maps) = s;
	entry = APPEND(probe->pinned->maps, probe->pinned->n_maps);
	*entry = (struct pinned_map_entry){id, *map};
	return true;
}

static bool open_map(struct probe *probe, const char *directory, const char *name)
{
	char *path = xasprintf("%s/%s", directory, name);
	struct pinned_map map;
	bool ok;
	u32 id;

	if (!strcmp(name, "config")) {
		probe->pinned->config_path = path;
		return true;
	}
	ok = pinned_map_open(path, BPF_F_RDONLY, &map, &id) >= 0 &&
	     (map.is_section || !has_rows(map.type) || add_map(probe, name, &map, id));
	if (ok && map.type == BPF_MAP_TYPE_RINGBUF)
		probe->pinned->ring_path = path;
	else
		free(path);
	return ok;
}

static int by_order(const void *a, const void *b)
{
	const struct schema *x = a, *y = b;

	return x->order < y->order ? -1 : x->order > y->order;
}

static bool open_maps(struct probe *probe, bool named)
{
	char *directory = xasprintf("%s/%s/maps", pin_root(), probe->name);
	unsigned int count;
	char **names = list_directory(directory, &count);
	bool ok = names;

	/* Gone between the listing and now is no error: it was unloaded. */
	if (!names && (named || errno != ENOENT))
		complain(errno == ENOENT ? EXIT_ABSENT : EXIT_FAILED,
			 "cannot read probe %s: %s: %s%s", probe->name, directory, reason(errno),
			 errno == ENOENT ? "; pinscope load makes it" : "");
	for (unsigned int i = 0; ok && i < count; i++)
		ok = object_is_internal(probe->pinned->object, names[i]) ||
		     open_map(probe, directory, names[i]);
	if (probe->n_maps)
		qsort(probe->maps, probe->n_maps, sizeof(*probe->maps), by_order);
	free(directory);
	return ok;
}

/* Those that are there are pinned in a directory of their own. */
static void look_for_counters(struct probe *probe, const char *directory)
{
	const char *name, *event;
	u32 id = 0;

	while ((name = object_tagged(probe->pinned->object, COUNTER_TAG, &id, &event))) {
		char *path = xasprintf("%s/counters/%s", directory, name);

		if (access(path, F_OK))
			*APPEND(probe->missing, probe->n_missing) = name;
		free(path);
	}
}

static void add_loss(void *arg, const struct row *row)
{
	struct probe *probe = arg;
	struct loss *loss = APPEND(probe->losses, probe->n_losses);
	const struct schema *s = probe->maps;
	const char *name;
	u64 key;

	while (!s->losses)
		s++;
	key = cell_number(s->labels, row);
	name = enum_name(s->labels->names, key);
	loss->name = name ? xstrdup(name) : xasprintf("%llu", (unsigned long long)key);
	loss->count = cell_number(s->fields, row);
}

static void read_losses(struct probe *probe)
{
	for (unsigned int i = 0; i < probe->n_maps; i++)
		if (probe->maps[i].losses) {
			pinned_walk(NULL, probe, &probe->maps[i], add_loss, probe);
			return;
		}
}

static void read_tags(struct probe *probe)
{
	const struct object *o = probe->pinned->object;
	const char *tag = object_tag(o, "LICENSE", "variant:");

	probe->variant = tag ? xstrdup(tag) : NULL;
	tag = object_tag(o, "LICENSE", "probe:");
	probe->help = tag ? xstrdup(tag) : NULL;
}

static bool is_there(const char *directory, const char *name, bool named)
{
	/* bpffs allows no dots in names. */
	bool legal = *name && !strpbrk(name, "./");

	if (legal && !access(directory, F_OK))
		return true;
	if (legal && errno != ENOENT)
		complain(EXIT_FAILED, "cannot look for probe %s in %s: %s", name, pin_root(),
			 reason(errno));
	else if (named)
		complain(EXIT_ABSENT, "probe %s is not loaded: there is no %s", name, directory);
	return false;
}

bool pinned_open(struct probe *probe, const char *name, bool named)
{
	char *directory = xasprintf("%s/%s", pin_root(), name), *path;
	bool ok = false;

	*probe = (struct probe){.name = xstrdup(name)};
	if (!is_there(directory, name, named)) {
		free(directory);
		return false;
	}
	path = object_path(name);
	probe->pinned = xcalloc(1, sizeof(*probe->pinned));
	probe->pinned->object = object_open(path);
	if (probe->pinned->object)
		look_for_counters(probe, directory);
	if (probe->pinned->object && open_maps(probe, named)) {
		read_tags(probe);
		programs_read(probe, directory);
		read_losses(probe);
		ok = !probe->pinned->config_path || config_read(probe);
	}
	free(path);
	free(directory);
	return ok;
}

static u64 clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void read_host(struct host *host)
{
	struct utsname name;

	uname(&name);
	host->name = xstrdup(name.nodename);
	host->kernel = xstrdup(name.release);
	host->version = xstrdup(VERSION);
	host->boot_id = read_line("/proc/sys/kernel/random/boot_id") ?: xstrdup("");
	host->realtime = clock_ns(CLOCK_REALTIME);
	host->monotonic = clock_ns(CLOCK_MONOTONIC);
}

static void add_probe(struct source *source, const char *name, bool named)
{
	struct probe probe;

	if (pinned_open(&probe, name, named))
		*APPEND(source->probes, source->n_probes) = probe;
}

static bool is_loaded(const char *name)
{
	char *directory = xasprintf("%s/%s", pin_root(), name);
	bool there = !access(directory, F_OK);

	free(directory);
	return there;
}

/* A name that no probe has stands for all whose names begin with it and '_'. */
static bool add_family(struct source *source, const char *family)
{
	unsigned int count = 0, before = source->n_probes;
	char **names = list_directory(pin_root(), &count);
	size_t n = strlen(family);

	for (unsigned int i = 0; names && i < count; i++)
		if (!strncmp(names[i], family, n) && names[i][n] == '_')
			add_probe(source, names[i], false);
	return source->n_probes > before;
}

void pinned_source(struct source *source, char **names, unsigned int count)
{
	bool named = count;

	*source = (struct source){.walk = pinned_walk};
	read_host(&source->host);
	if (!named)
		names = pinned_names(&count);
	for (unsigned int i = 0; i < count; i++)
		if (!named || is_loaded(names[i]) || !add_family(source, names[i]))
			add_probe(source, names[i], named);
}
