// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "escape.h"
#include "identity.h"

/* "NAME": with the comma that it needs unless it is the first. */
static void member(struct out *o, const char *name)
{
	if (o->buf[o->len - 1] != '{')
		out_char(o, ',');
	escape_json_string(o, name);
	out_char(o, ':');
}

static void member_string(struct out *o, const char *name, const char *value)
{
	member(o, name);
	if (value)
		escape_json_string(o, value);
	else
		out_str(o, "null");
}

static void member_u64(struct out *o, const char *name, u64 value)
{
	member(o, name);
	out_u64(o, value);
}

static void open_object(struct out *o, const char *name)
{
	member(o, name);
	out_char(o, '{');
}

static void columns(struct out *o, const char *name, const struct column *c, unsigned int count)
{
	char kind[32];

	open_object(o, name);
	for (unsigned int i = 0; i < count; i++) {
		column_kind(&c[i], kind);
		member_string(o, c[i].key, kind);
	}
	out_char(o, '}');
}

/* Of the rows of places: an end of a connection, or when its object was first seen. */
static bool tells_apart(const struct column *c)
{
	return c->format == FMT_ADDRESS || c->format == FMT_PORT || c->unit == UNIT_NSEC;
}

static bool has_such_label(const struct schema *s)
{
	for (unsigned int i = 0; i < s->n_labels; i++)
		if (tells_apart(&s->labels[i]))
			return true;
	return false;
}

/* Whether a label is part of what makes a row the row it is; the others may change. */
static bool is_identity(const struct schema *s, const struct column *c)
{
	return c->part == PART_KEY || s->staged ||
	       (s->vacant && (tells_apart(c) || !has_such_label(s)));
}

static void key_names(struct out *o, const struct schema *s)
{
	const char *comma = "";

	member(o, "key");
	out_char(o, '[');
	for (unsigned int i = 0; i < s->n_labels; i++) {
		if (!is_identity(s, &s->labels[i]))
			continue;
		out_str(o, comma);
		escape_json_string(o, s->labels[i].key);
		comma = ",";
	}
	out_char(o, ']');
}

static void map(struct out *o, const struct schema *s)
{
	open_object(o, s->name);
	member_u64(o, "id", s->id);
	member_string(o, "kind", map_kind_name(s->kind));
	if (s->help)
		member_string(o, "help", s->help);
	if (s->losses) {
		member(o, "losses");
		out_str(o, "true");
	}
	if (s->staged) {
		member(o, "staged");
		out_str(o, "true");
	}
	columns(o, "labels", s->labels, s->n_labels);
	key_names(o, s);
	columns(o, "fields", s->fields, s->n_fields);
	out_char(o, '}');
}

/* null: this user may not know. */
static void programs(struct out *o, const struct probe *probe)
{
	open_object(o, "links");
	for (unsigned int i = 0; i < probe->n_programs; i++) {
		member(o, probe->programs[i].link);
		if (probe->programs[i].id)
			out_u64(o, probe->programs[i].id);
		else
			out_str(o, "null");
	}
	out_char(o, '}');
	open_object(o, "recursion_misses");
	for (unsigned int i = 0; i < probe->n_programs; i++) {
		member(o, probe->programs[i].link);
		if (probe->programs[i].misses_known)
			out_u64(o, probe->programs[i].recursion_misses);
		else
			out_str(o, "null");
	}
	out_char(o, '}');
}

static void one_probe(struct out *o, const struct probe *probe, const struct query *query)
{
	out_char(o, '{');
	member_string(o, "probe", probe->name);
	member_string(o, "variant", probe->variant);
	programs(o, probe);
	open_object(o, "maps");
	for (unsigned int i = 0; i < probe->n_maps; i++)
		if (query_wants(query, &probe->maps[i]))
			map(o, &probe->maps[i]);
	out_char(o, '}');
	open_object(o, "config");
	for (unsigned int i = 0; i < probe->n_settings; i++) {
		member(o, probe->settings[i].name);
		out_str(o, probe->settings[i].value);
	}
	out_char(o, '}');
	open_object(o, "losses");
	for (unsigned int i = 0; i < probe->n_losses; i++)
		member_u64(o, probe->losses[i].name, probe->losses[i].count);
	out_str(o, "}}");
}

void json_identity(struct print *p)
{
	const struct host *host = &p->source->host;
	struct out *o = &p->out;

	out_char(o, '{');
	member_string(o, "type", p->source->seconds ? "diff" : "identity");
	member_u64(o, "schema", SNAPSHOT_SCHEMA);
	member_string(o, "pinscope", host->version);
	member_string(o, "host", host->name);
	member_string(o, "boot_id", host->boot_id);
	member_string(o, "kernel", host->kernel);
	member_u64(o, "realtime_ns", host->realtime);
	member_u64(o, "monotonic_ns", host->monotonic);
	if (p->source->seconds) {
		member(o, "seconds");
		out_real(o, p->source->seconds, 9);
		member_u64(o, "since_realtime_ns", p->source->since);
	}
	if (host->partial) {
		member(o, "partial");
		out_str(o, "true");
	}
	member(o, "probes");
	out_char(o, '[');
	for (unsigned int i = 0; i < p->source->n_probes; i++) {
		if (i)
			out_char(o, ',');
		one_probe(o, &p->source->probes[i], p->query);
	}
	out_str(o, "]}\n");
}
