// SPDX-License-Identifier: GPL-2.0-only
/* The live configuration of a probe: pinscope get, pinscope set. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "error.h"
#include "options.h"
#include "pinned.h"
#include "setting.h"
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
		setting->value = setting_json(c, &row);
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
	why = setting_parse(find_key(probe, argument), config->value, text);
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
		misused("set", "a probe and at least one KEY=VALUE");
	open_configured(&probe, argv[0]);
	for (int i = 1; i < argc; i++)
		apply(&probe, argv[i]);
	settings_mask(&probe.pinned->config);
	settings_count_change(&probe.pinned->config);
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
		setting_print(o, c, &row);
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
		value = setting_json(c, &row);
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
		misused("get", "a probe");
	open_configured(&probe, argv[0]);
	for (int i = 1; i < argc; i++)
		find_key(&probe, argv[i]);
	out_open(&o, STDOUT_FILENO);
	(opt.how == OUTPUT_JSON ? print_json : print_text)(&o, &probe.pinned->config, argv + 1,
							   argc - 1);
	out_close(&o);
	return complaints();
}
