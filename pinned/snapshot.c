// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "snapshot.h"
#include "util.h"

void snapshot_refuse(const struct snapshot *s, const char *why)
{
	die(EXIT_INPUT, "cannot read %s as a snapshot: line %llu: %s; make one with dump --json",
	    s->path, (unsigned long long)s->line, why);
}

const char *snapshot_string(struct snapshot *s, const char *text)
{
	void *entry;

	if (!json_object_get(s->strings, text))
		json_object_set_new(s->strings, text, json_true());
	entry = json_object_iter_at(s->strings, text);
	return json_object_iter_key(entry);
}

u64 snapshot_u64(const struct snapshot *s, const json_t *value, const char *what)
{
	char why[128];

	if (json_is_integer(value) && json_integer_value(value) >= 0)
		return json_integer_value(value);
	/* Only where the line has a number that jansson's integers do not hold. */
	if (json_is_real(value) && json_real_value(value) >= 0)
		return json_real_value(value) >= 0x1p64 ? ~0ULL : (u64)json_real_value(value);
	snprintf(why, sizeof(why), "%s is no whole number", what);
	snapshot_refuse(s, why);
}

const char *snapshot_text(struct snapshot *s, const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));
	char why[128];

	if (text)
		return snapshot_string(s, text);
	snprintf(why, sizeof(why), "it has no text %s", name);
	snapshot_refuse(s, why);
}

struct row snapshot_row(const struct rows *rows, const struct schema *s, u32 i)
{
	return (struct row){.part = {rows->keys.members + (size_t)i * rows->keys.width,
				     rows->values + (size_t)i * s->size[PART_VALUE]}};
}

static json_t *parse_line(const struct snapshot *s, const char *text, size_t n)
{
	json_error_t error;
	json_t *line = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);

	if (!line && json_error_code(&error) == json_error_numeric_overflow)
		line = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL,
				  &error);
	if (!line)
		snapshot_refuse(s, error.text);
	return line;
}

static u64 count_rows(const struct snapshot *s)
{
	u64 count = 0;

	for (unsigned int i = 0; i < s->source.n_probes; i++)
		for (unsigned int j = 0; j < s->source.probes[i].n_maps; j++)
			count += s->rows[i][j].keys.count;
	return count;
}

/* Whether it was the last line. */
static bool take_line(struct snapshot *s, const json_t *line)
{
	const char *type = json_string_value(json_object_get(line, "type"));

	if (!type)
		snapshot_refuse(s, "it is no object with a type");
	if (s->line == 1) {
		snapshot_identity(s, line);
	} else if (!strcmp(type, "row")) {
		snapshot_add_row(s, line);
	} else if (!strcmp(type, "end")) {
		if (snapshot_u64(s, json_object_get(line, "rows"), "rows") != count_rows(s))
			snapshot_refuse(s, "rows are missing");
		return true;
	}
	/* Lines of a kind that came later are none of our business. */
	return false;
}

void snapshot_read(struct snapshot *s, const char *path)
{
	FILE *file = strcmp(path, "-") ? fopen(path, "re") : stdin;
	bool ended = false;
	char *text = NULL;
	size_t size = 0;
	ssize_t n;

	*s = (struct snapshot){.path = path, .strings = json_object()};
	if (!file)
		die(EXIT_FAILED, "cannot open the snapshot %s: %s", path, reason(errno));
	while ((n = getline(&text, &size, file)) > 0) {
		json_t *line;

		s->line++;
		if (ended)
			snapshot_refuse(s, "there is more behind the end");
		line = parse_line(s, text, n);
		ended = take_line(s, line);
		json_decref(line);
	}
	if (ferror(file))
		die(EXIT_FAILED, "cannot read the snapshot %s: %s", path, strerror(errno));
	if (!ended)
		snapshot_refuse(s, "the file ends here, it was cut short");
	free(text);
	fclose(file);
}
