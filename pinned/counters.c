// SPDX-License-Identifier: GPL-2.0-only
/*
 * pinscope-reader counters: opens the perf events that an object's maps ask for. The maps keep them,
 * so that no process has to stay. Of those that this machine has, the pins move from maps/ to counters/,
 * where the reader looks for them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "counter.h"
#include "describe.h"
#include "error.h"
#include "util.h"
#include "verbs.h"

/* On each processor that is online. 0, or why one of them has no such counter. */
static int fill(int map, const char *event)
{
	int cpus = libbpf_num_possible_cpus(), err = 0, open = 0;

	for (int cpu = 0; cpu < cpus && !err; cpu++) {
		int fd = counter_open(event, cpu);

		if (fd == -ENODEV) /* not online */
			continue;
		err = fd < 0 ? -fd : bpf_map_update_elem(map, &cpu, &fd, BPF_ANY) ? errno : 0;
		open++;
		if (fd >= 0)
			close(fd);
	}
	for (int cpu = 0; err && cpu < cpus; cpu++)
		bpf_map_delete_elem(map, &cpu);
	return open ? err : ENODEV;
}

static bool settle(const char *directory, const char *name, const char *event)
{
	char *from = xasprintf("%s/maps/%s", directory, name);
	char *to = xasprintf("%s/counters/%s", directory, name);
	int map = bpf_obj_get(from), err;

	if (map < 0)
		die(EXIT_FAILED, "cannot open %s: %s", from, reason(errno));
	err = fill(map, event);
	if (err)
		printf("%s is not available: %s\n", name, counter_reason(err));
	else if (rename(from, to))
		die(EXIT_FAILED, "cannot move %s to %s: %s", from, to, reason(errno));
	close(map);
	free(from);
	free(to);
	return !err;
}

int cmd_counters(int argc, char **argv)
{
	const char *name, *event;
	unsigned int there = 0;
	struct object *o;
	char *directory;
	u32 id = 0;

	if (argc != 2)
		die(EXIT_USAGE, "which counters? usage: counters OBJECT DIRECTORY");
	o = object_open(argv[0]);
	if (!o)
		return complaints();
	directory = xasprintf("%s/counters", argv[1]);
	if (mkdir(directory, 0750))
		die(EXIT_FAILED, "cannot make %s: %s", directory, reason(errno));
	free(directory);
	while ((name = object_tagged(o, COUNTER_TAG, &id, &event)))
		there += settle(argv[1], name, event);
	object_close(o);
	return there ? EXIT_DONE : EXIT_FAILED;
}
