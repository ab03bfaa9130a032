// SPDX-License-Identifier: GPL-2.0-only
/*
 * The event stream of a probe, one JSON object a record. Each record starts with the
 * BTF id of its own struct, so the object says how to print it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "error.h"
#include "options.h"
#include "pinned.h"
#include "print.h"
#include "util.h"
#include "verbs.h"

#define POLL_MS 200

/* What is known of one type of record: its columns, and a printer made ready for them. */
struct record {
	u32 type;
	bool bad; /* said once, then left out */
	struct schema schema;
	struct print print;
};

struct stream {
	struct probe *probe;
	unsigned int n_records;
	struct record **records;
};

static struct record *new_record(struct stream *s, u32 type)
{
	struct record *r = xcalloc(1, sizeof(*r));

	*APPEND(s->records, s->n_records) = r;
	r->type = type;
	r->schema.probe = s->probe->name;
	r->schema.event = true;
	r->bad = !describe_record(s->probe->pinned->object, type, &r->schema);
	if (r->bad)
		return r;
	r->print.schema = &r->schema;
	r->print.to = &json_printer;
	out_open(&r->print.out, STDOUT_FILENO);
	r->print.to->begin_map(&r->print);
	return r;
}

static struct record *find_record(struct stream *s, u32 type)
{
	for (unsigned int i = 0; i < s->n_records; i++)
		if (s->records[i]->type == type)
			return s->records[i];
	return new_record(s, type);
}

static int take(void *arg, void *data, size_t size)
{
	struct stream *s = arg;
	struct row row = {.part = {NULL, data}};
	struct record *r;

	if (size < sizeof(u32))
		return 0;
	r = find_record(s, load_number(data, sizeof(u32)));
	if (r->bad)
		return 0;
	if (size < r->schema.size[PART_VALUE]) {
		complain(EXIT_INPUT, "a record %s of %s has %zu bytes, its object says %u",
			 r->schema.name, s->probe->name, size, r->schema.size[PART_VALUE]);
		r->bad = true;
		return 0;
	}
	r->print.to->row(&r->print, &row);
	/* At once, so that records of different types keep their order. */
	out_flush(&r->print.out);
	return 0;
}

int cmd_tail(int argc, char **argv)
{
	struct ring_buffer *ring;
	struct pinned_map map;
	struct stream stream = {};
	struct probe probe;
	int err = 0;
	u32 id;

	parse_options("tail", &argc, &argv);
	if (argc != 1)
		misused("tail", "one probe");
	if (!pinned_open(&probe, argv[0], true))
		return complaints();
	if (!probe.pinned->ring_path)
		die(EXIT_FAILED, "probe %s has no event stream", argv[0]);
	stream.probe = &probe;
	if (pinned_map_open(probe.pinned->ring_path, 0, &map, &id) < 0)
		return complaints();
	ring = ring_buffer__new(map.fd, take, &stream, NULL);
	if (!ring)
		die(EXIT_FAILED, "cannot read the event stream of %s: %s", argv[0], reason(errno));
	while (err >= 0 || err == -EINTR)
		err = ring_buffer__poll(ring, POLL_MS);
	die(EXIT_FAILED, "cannot wait for events of %s: %s", argv[0], reason(-err));
}
