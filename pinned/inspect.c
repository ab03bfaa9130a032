// SPDX-License-Identifier: GPL-2.0-only
/*
 * inspect: what objects say of themselves, whether this kernel has what they ask
 * for, and what memory they will take. Needs no privilege and loads nothing.
 */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "charge.h"
#include "counter.h"
#include "error.h"
#include "fits.h"
#include "shape.h"
#include "verbs.h"

#define WHY_LEN	    512
#define CONFIG_MAP  ".data.config"
#define CONFIG_NAME "config"

struct inspection {
	struct kernel *kernel;
	const struct bpf_object *object;
	const struct btf *btf; /* of the object */
	json_t *out;
	char reason[WHY_LEN]; /* first requirement that is not met */
	unsigned long long memory;
};

/* The tags of one variable or function are those whose target bears its name. */
static const char *next_tag(const struct btf *btf, const char *target, __u32 *id)
{
	__u32 n = btf__type_cnt(btf);

	while (++*id < n) {
		const struct btf_type *t = btf__type_by_id(btf, *id);

		if (!btf_is_decl_tag(t) || btf_decl_tag(t)->component_idx != -1)
			continue;
		if (!target ||
		    !strcmp(target,
			    btf__name_by_offset(btf, btf__type_by_id(btf, t->type)->name_off)))
			return btf__name_by_offset(btf, t->name_off);
	}
	return NULL;
}

/* Text behind the prefix, of the first such tag. */
static const char *find_tag(const struct btf *btf, const char *target, const char *prefix)
{
	size_t len = strlen(prefix);
	const char *tag;
	__u32 id = 0;

	while ((tag = next_tag(btf, target, &id)))
		if (!strncmp(tag, prefix, len))
			return tag + len;
	return NULL;
}

static json_t *text(const char *s)
{
	return s ? json_string(s) : json_null();
}

static void put_verdict(struct inspection *in, json_t *entry, bool ok, const char *why)
{
	json_object_set_new(entry, "ok", json_boolean(ok));
	json_object_set_new(entry, "reason", ok ? json_null() : json_string(why));
	if (!ok && !*in->reason)
		snprintf(in->reason, sizeof(in->reason), "%s", why);
}

static json_t *inspect_programs(struct inspection *in)
{
	json_t *list = json_array(), *entry;
	struct bpf_program *prog;
	char why[WHY_LEN];

	bpf_object__for_each_program(prog, in->object) {
		const char *name = bpf_program__name(prog),
			   *section = bpf_program__section_name(prog);
		const char *proto = find_tag(in->btf, name, "proto:");

		entry = json_pack("{s:s, s:s}", "name", name, "section", section);
		put_verdict(in, entry,
			    kernel_has_hook(in->kernel, section, proto, why, sizeof(why)), why);
		json_array_append_new(list, entry);
	}
	return list;
}

static bool listed(const json_t *list, const char *need)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(list, i,
			   entry) if (!strcmp(json_string_value(json_object_get(entry, "need")),
					      need)) return true;
	return false;
}

static json_t *inspect_needs(struct inspection *in)
{
	json_t *list = json_array(), *entry;
	char why[WHY_LEN];
	const char *tag;
	__u32 id = 0;

	while ((tag = next_tag(in->btf, NULL, &id))) {
		if (strncmp(tag, "needs:", 6) || listed(list, tag + 6))
			continue;
		entry = json_pack("{s:s}", "need", tag + 6);
		put_verdict(in, entry, kernel_has_need(in->kernel, tag + 6, why, sizeof(why)), why);
		json_array_append_new(list, entry);
	}
	return list;
}

/* A probe can do without some of its counters, not without all. */
static void inspect_counters(struct inspection *in)
{
	const char *tag;
	__u32 id = 0;
	int err = 0;

	while ((tag = next_tag(in->btf, NULL, &id))) {
		if (strncmp(tag, COUNTER_TAG, strlen(COUNTER_TAG)))
			continue;
		err = counter_missing(tag + strlen(COUNTER_TAG));
		if (!err)
			return;
	}
	if (err && !*in->reason)
		snprintf(in->reason, sizeof(in->reason), "its counters are not available: %s",
			 counter_reason(err));
}

/* Two maps of the same shape can take each other's place with what is in them. */
static json_t *shape(const struct btf *btf, const struct bpf_map *map, bool config)
{
	__s32 value = bpf_map__btf_value_type_id(map);

	if (config)
		value = btf__find_by_name_kind(btf, CONFIG_MAP, BTF_KIND_DATASEC);
	return json_sprintf("%u:%u:%u:%u:%x:%llx:%llx", bpf_map__type(map), bpf_map__key_size(map),
			    bpf_map__value_size(map), bpf_map__max_entries(map),
			    bpf_map__map_flags(map), shape_hash(btf, bpf_map__btf_key_type_id(map)),
			    shape_hash(btf, value > 0 ? value : 0));
}

static json_t *inspect_map(struct inspection *in, const struct bpf_map *map)
{
	const char *name = bpf_map__name(map), *type = libbpf_bpf_map_type_str(bpf_map__type(map));
	unsigned long long memory = map_charge(in->kernel, map, libbpf_num_possible_cpus());
	bool config = !strcmp(name, CONFIG_MAP);
	bool counter = find_tag(in->btf, name, COUNTER_TAG);
	bool internal = bpf_map__is_internal(map) || find_tag(in->btf, name, "internal") || counter;

	if (config)
		name = CONFIG_NAME;
	in->memory += memory;
	return json_pack("{s:s, s:s, s:i, s:i, s:i, s:I, s:b, s:b, s:o, s:o}", "name", name, "type",
			 type ?: "unknown", "key_size", bpf_map__key_size(map), "value_size",
			 bpf_map__value_size(map), "max_entries", bpf_map__max_entries(map),
			 "memory_bytes", (json_int_t)memory, "internal", internal && !config,
			 "counter", counter, "shape", shape(in->btf, map, config), "help",
			 text(find_tag(in->btf, name, "help:")));
}

static json_t *inspect_maps(struct inspection *in)
{
	json_t *list = json_array();
	const struct bpf_map *map;

	bpf_object__for_each_map(map, in->object)
		json_array_append_new(list, inspect_map(in, map));
	return list;
}

/* The words of the tag. */
static json_t *groups(const char *words)
{
	json_t *list = json_array();
	size_t length;

	for (words = words ?: ""; *words; words += length + (words[length] == ' ')) {
		length = strcspn(words, " ");
		json_array_append_new(list, json_stringn(words, length));
	}
	return list;
}

/* .../<probe>/<N>-<variant>.bpf.o as the Makefile builds it, or <probe>.bpf.o as load keeps it. */
static void put_names(struct inspection *in, const char *path)
{
	const char *file = strrchr(path, '/'), *dir = path, *p;
	const char *variant = find_tag(in->btf, NULL, "variant:");
	size_t number;

	file = file ? file + 1 : path;
	number = strspn(file, "0123456789");
	if (number && file[number] == '-' && file > path) {
		for (p = path; p < file - 1; p++)
			if (*p == '/')
				dir = p + 1;
		json_object_set_new(in->out, "probe", json_stringn(dir, file - 1 - dir));
		file += number + 1;
	} else {
		json_object_set_new(in->out, "probe", json_stringn(file, strcspn(file, ".")));
		file = "default";
	}
	json_object_set_new(in->out, "variant",
			    variant ? json_string(variant)
				    : json_stringn(file, strcspn(file, ".")));
	json_object_set_new(in->out, "help", text(find_tag(in->btf, NULL, "probe:")));
	json_object_set_new(in->out, "groups", groups(find_tag(in->btf, NULL, "groups:")));
}

static void inspect_object(struct kernel *kernel, const struct bpf_object *object, const char *path)
{
	struct inspection in = {
		.kernel = kernel,
		.object = object,
		.btf = bpf_object__btf(object),
		.out = json_object(),
	};
	json_t *programs = inspect_programs(&in), *needs = inspect_needs(&in);
	json_t *maps = inspect_maps(&in);

	inspect_counters(&in);
	json_object_set_new(in.out, "object", json_string(path));
	put_names(&in, path);
	json_object_set_new(in.out, "ok", json_boolean(!*in.reason));
	json_object_set_new(in.out, "reason", text(*in.reason ? in.reason : NULL));
	json_object_set_new(in.out, "programs", programs);
	json_object_set_new(in.out, "needs", needs);
	json_object_set_new(in.out, "maps", maps);
	json_object_set_new(in.out, "memory_bytes", json_integer(in.memory));
	json_dumpf(in.out, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(in.out);
}

/* What `resize` would make of the object: options are pairs of --map-entries and MAP=N. */
static bool resize_maps(struct bpf_object *object, const char *path, char **options, int n)
{
	unsigned int entries;
	struct bpf_map *map;
	char name[64];
	int i;

	for (i = 1; i < n; i += 2) { /* the MAP=N of each pair */
		map = sscanf(options[i], "%63[^=]=%u", name, &entries) == 2
			      ? bpf_object__find_map_by_name(object, name)
			      : NULL;
		if (map && !bpf_map__set_max_entries(map, entries))
			continue;
		complain(EXIT_USAGE,
			 "cannot size a map of %s by \"%s\": write MAP=N, with "
			 "a MAP of it and N at least 1",
			 path, options[i]);
		return false;
	}
	return true;
}

static void inspect_file(struct kernel *kernel, const char *path, char **options, int n)
{
	struct bpf_object *object = bpf_object__open(path);
	char why[128] = "it has no .BTF section";

	if (!object)
		libbpf_strerror(errno, why, sizeof(why));
	if (!object || !bpf_object__btf(object))
		complain(EXIT_INPUT,
			 "%s is no BPF object with BTF (%s): build it again with `make`", path,
			 why);
	else if (resize_maps(object, path, options, n))
		inspect_object(kernel, object, path);
	bpf_object__close(object);
}

/* libbpf's own words would stand before our sentence. */
static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level, (void)format, (void)args;
	return 0;
}

int cmd_inspect(int argc, char **argv)
{
	struct kernel *kernel;
	int i, options = 0;

	while (options + 1 < argc && !strcmp(argv[options], "--map-entries"))
		options += 2;
	if (options >= argc)
		die(EXIT_USAGE, "inspect which objects? usage: inspect [--map-entries "
				"MAP=N]... OBJECT...");
	libbpf_set_print(silent);
	kernel = kernel_open();
	for (i = options; i < argc; i++)
		inspect_file(kernel, argv[i], argv, options);
	kernel_close(kernel);
	return complaints();
}
