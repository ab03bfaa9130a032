// SPDX-License-Identifier: GPL-2.0-only
/* The live configuration of a probe: pinscope get, pinscope set. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "error.h"
#include "escape.h"
#include "options.h"
#include "pinned.h"
#include "units.h"
#include "util.h"
#include "verbs.h"

/* Opens the configuration and reads it; false after having said why not. */
static bool read_value(struct probe *probe)
{
	struct pinned *p = probe->pinned;
	struct pinned_map map;
	u32 id, zero = 0;
	bool ok = true;

	if (pinned_map_open(p->config_path, BPF_F_RDONLY, &map, &id) < 0)
		return false;
	p->config.value = xcalloc(1, map.value_size);
	if (map.key_size != sizeof(u32) || map.value_size != p->config.size) {
		complain(EXIT_INPUT,
			 "cannot decode the configuration of %s: it has %u bytes, its "
			 "object "
			 "%s says %u; load the probe again",
			 probe->name, map.value_size, p->object->path, p->config.size);
		ok = false;
	} else if (bpf_map_lookup_elem(map.fd, &zero, p->config.value)) {
		complain(EXIT_FAILED, "cannot read the configuration of %s: %s", probe->name,
			 reason(errno));
		ok = false;
	}
	close(map.fd);
	return ok;
}

/* Kept by `set` itself, and shown to nobody. */
static bool is_kept(const struct column *c)
{
	return c->format == FMT_MASK || c->format == FMT_EPOCH;
}

/* As `set` accepts it. */
static void print_setting(struct out *o, const struct column *c, const struct row *row)
{
	struct text text;

	switch (c->format) {
	case FMT_FLAG:
		out_str(o, cell_number(c, row) ? "on" : "off");
		break;
	case FMT_PREFIX:
		print_prefix(o, cell(c, row), load_number(cell(c, row) + 16, 4));
		break;
	case FMT_ADDRESS:
		print_address(o, cell(c, row));
		break;
	case FMT_CHARS:
		text = cell_text(c, row);
		escape_tsv(o, text.p, text.len);
		break;
	case FMT_ENUM:
		out_str(o, enum_name(c->names, cell_number(c, row)) ?: "?");
		break;
	case FMT_SIGNED:
		out_s64(o, cell_number(c, row));
		break;
	default:
		print_exact(o, cell_number(c, row), c->unit);
	}
}

static char *json_setting(const struct column *c, const struct row *row)
{
	struct out o, plain;
	char *text;

	out_open(&o, -1);
	if (c->format == FMT_FLAG) {
		out_str(&o, cell_number(c, row) ? "true" : "false");
	} else if (c->format == FMT_SIGNED) {
		out_s64(&o, cell_number(c, row));
	} else if (c->format == FMT_NUMBER || c->format == FMT_PORT) {
		out_u64(&o, cell_number(c, row));
	} else {
		out_open(&plain, -1);
		print_setting(&plain, c, row);
		out_char(&o, '"');
		escape_json(&o, plain.buf, plain.len);
		out_char(&o, '"');
		out_close(&plain);
	}
	text = out_text(&o);
	out_close(&o);
	return text;
}

bool config_read(struct probe *probe)
{
	struct config *config = &probe->pinned->config;
	struct row row = {};

	if (!describe_config(probe->pinned->object, config) || !read_value(probe))
		return false;
	row.part[PART_VALUE] = config->value;
	for (unsigned int i = 0; i < config->n_columns; i++) {
		const struct column *c = &config->columns[i];
		struct setting *setting;

		if (is_kept(c))
			continue;
		setting = APPEND(probe->settings, probe->n_settings);
		setting->name = xstrdup(c->key);
		setting->value = json_setting(c, &row);
	}
	return true;
}

static void known_keys(const struct config *config, struct out *o)
{
	for (unsigned int i = 0; i < config->n_columns; i++)
		if (!is_kept(&config->columns[i]))
			out_printf(o, " %s", config->columns[i].name);
	out_char(o, 0);
}

static const struct column *find_key(const struct probe *probe, const char *key)
{
	const struct config *config = &probe->pinned->config;
	struct out known;

	for (unsigned int i = 0; i < config->n_columns; i++)
		if (!is_kept(&config->columns[i]) &&
		    (!strcmp(config->columns[i].name, key) || !strcmp(config->columns[i].key, key)))
			return &config->columns[i];
	out_open(&known, -1);
	known_keys(config, &known);
	die(EXIT_USAGE, "probe %s has no configuration key %s; it has:%s", probe->name, key,
	    known.buf);
}

static const char *set_number(const struct column *c, u8 *at, const char *text)
{
	u64 v, max = c->size < 8 ? (1ULL << (8 * c->size)) - 1 : ~0ULL;
	const char *why = parse_whole(text, c->unit, &v);

	if (why)
		return why;
	if (v > max)
		return c->size == 2   ? "it is above 65535"
		       : c->size == 4 ? "it is above 4294967295"
				      : "it is too large";
	store_number(at, c->size, v);
	return NULL;
}

static const char *set_flag(const struct column *c, u8 *at, const char *text)
{
	static const char *const on[] = {"on", "true", "yes", "1", NULL};
	static const char *const off[] = {"off", "false", "no", "0", NULL};

	for (int i = 0; on[i]; i++) {
		if (strcmp(text, on[i]) && strcmp(text, off[i]))
			continue;
		store_number(at, c->size, !strcmp(text, on[i]));
		return NULL;
	}
	return "it is neither on nor off";
}

static const char *set_prefix(const struct column *c, u8 *at, const char *text)
{
	u8 addr[16] = {};
	u32 bits = 0;

	if (strcmp(text, "any") && strcmp(text, "0") && !parse_prefix(text, addr, &bits))
		return "it is no address or prefix, as 10.0.0.0/8, 2001:db8::/32 or any";
	if (c->format == FMT_ADDRESS && bits && bits != 128)
		return "it is not a single address";
	memcpy(at, addr, sizeof(addr));
	if (c->format == FMT_PREFIX)
		store_number(at + sizeof(addr), 4, bits);
	return NULL;
}

static const char *set_chars(const struct column *c, u8 *at, const char *text)
{
	if (strlen(text) >= c->size)
		return "it is too long";
	memset(at, 0, c->size);
	memcpy(at, text, strlen(text));
	return NULL;
}

static const char *set_enum(const struct column *c, u8 *at, const char *text)
{
	for (unsigned int i = 0; i < c->names->count; i++)
		if (!strcmp(c->names->items[i].name, text)) {
			store_number(at, c->size, c->names->items[i].value);
			return NULL;
		}
	return "it is none of the names this key knows";
}

/* NULL, or why the value cannot be stored. */
static const char *set_value(const struct column *c, u8 *value, const char *text)
{
	u8 *at = value + c->offset;

	switch (c->format) {
	case FMT_FLAG:
		return set_flag(c, at, text);
	case FMT_PREFIX:
	case FMT_ADDRESS:
		return set_prefix(c, at, text);
	case FMT_CHARS:
		return set_chars(c, at, text);
	case FMT_ENUM:
		return set_enum(c, at, text);
	case FMT_NUMBER:
	case FMT_PORT:
		return set_number(c, at, text);
	default:
		return "keys of its type cannot be set";
	}
}

static void set_masks(const struct config *config)
{
	u8 *value = config->value;

	for (unsigned int i = 0; i < config->n_masks; i++) {
		const struct mask *mask = &config->masks[i];
		u32 bits = 0;

		for (unsigned int j = 0; j < mask->count; j++)
			for (u32 k = 0; k < mask->members[j].size; k++)
				if (value[mask->members[j].offset + k])
					bits |= 1U << j;
		store_number(value + mask->offset, sizeof(bits), bits);
	}
}

static void count_change(const struct config *config)
{
	for (unsigned int i = 0; i < config->n_columns; i++) {
		const struct column *c = &config->columns[i];

		if (c->format == FMT_EPOCH)
			store_number(config->value + c->offset, c->size,
				     load_number(config->value + c->offset, c->size) + 1);
	}
}

static void open_configured(struct probe *probe, const char *name)
{
	if (!pinned_open(probe, name, true))
		exit(complaints());
	if (!probe->pinned->config_path)
		die(EXIT_FAILED, "probe %s has no configuration", name);
}

static void apply(const struct probe *probe, char *argument)
{
	const struct config *config = &probe->pinned->config;
	char *text = strchr(argument, '=');
	const char *why;

	if (!text)
		die(EXIT_USAGE, "cannot set %s: say key=value", argument);
	*text++ = 0;
	why = set_value(find_key(probe, argument), config->value, text);
	if (why)
		die(EXIT_USAGE, "cannot set %s of %s to %s: %s; nothing was changed", argument,
		    probe->name, text, why);
}

int cmd_set(int argc, char **argv)
{
	struct pinned_map map;
	struct probe probe;
	u32 id, zero = 0;

	parse_options("set", &argc, &argv);
	if (argc < 2)
		misused("set");
	open_configured(&probe, argv[0]);
	for (int i = 1; i < argc; i++)
		apply(&probe, argv[i]);
	set_masks(&probe.pinned->config);
	count_change(&probe.pinned->config);
	if (pinned_map_open(probe.pinned->config_path, 0, &map, &id) < 0)
		return complaints();
	if (bpf_map_update_elem(map.fd, &zero, probe.pinned->config.value, 0))
		die(EXIT_FAILED, "cannot write the configuration of %s: %s", argv[0],
		    reason(errno));
	return complaints();
}

static bool wanted(const struct column *c, char **keys, int count)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(keys[i], c->name) || !strcmp(keys[i], c->key))
			return true;
	return !count && !is_kept(c);
}

static void print_text(struct out *o, const struct config *config, char **keys, int count)
{
	struct row row = {.part = {[PART_VALUE] = config->value}};

	for (unsigned int i = 0; i < config->n_columns; i++) {
		const struct column *c = &config->columns[i];

		if (!wanted(c, keys, count))
			continue;
		out_printf(o, "%s=", c->name);
		print_setting(o, c, &row);
		out_char(o, '\n');
	}
}

static void print_json(struct out *o, const struct config *config, char **keys, int count)
{
	struct row row = {.part = {[PART_VALUE] = config->value}};
	const char *comma = "{";

	for (unsigned int i = 0; i < config->n_columns; i++) {
		const struct column *c = &config->columns[i];
		char *value;

		if (!wanted(c, keys, count))
			continue;
		value = json_setting(c, &row);
		out_printf(o, "%s\"%s\":%s", comma, c->key, value);
		free(value);
		comma = ",";
	}
	out_str(o, *comma == '{' ? "{}\n" : "}\n");
}

int cmd_get(int argc, char **argv)
{
	struct options opt = parse_options("get", &argc, &argv);
	struct probe probe;
	struct out o;

	if (!argc)
		misused("get");
	open_configured(&probe, argv[0]);
	for (int i = 1; i < argc; i++)
		find_key(&probe, argv[i]);
	out_open(&o, STDOUT_FILENO);
	(opt.how == OUTPUT_JSON ? print_json : print_text)(&o, &probe.pinned->config, argv + 1,
							   argc - 1);
	out_close(&o);
	return complaints();
}
