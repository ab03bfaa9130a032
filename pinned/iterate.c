// SPDX-License-Identifier: GPL-2.0-only
/*
 * pinscope-reader iterate: pins an iterator over a map, so that `cat` prints its rows.
 * bpftool can do that only for an object that has nothing else in it.
 */
#include <errno.h>

#include <bpf/bpf.h>

#include "error.h"
#include "verbs.h"

static int open_pin(const char *path)
{
	int fd = bpf_obj_get(path);

	if (fd < 0)
		die(EXIT_FAILED, "cannot open %s: %s", path, reason(errno));
	return fd;
}

int cmd_iterate(int argc, char **argv)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts);
	union bpf_iter_link_info info = {};
	int program, link;

	if (argc != 3)
		die(EXIT_USAGE, "iterate over what? usage: iterate PROGRAM MAP FILE");
	program = open_pin(argv[0]);
	info.map.map_fd = open_pin(argv[1]);
	opts.iter_info = &info;
	opts.iter_info_len = sizeof(info);
	link = bpf_link_create(program, 0, BPF_TRACE_ITER, &opts);
	if (link < 0)
		die(EXIT_FAILED, "cannot attach %s to the map %s: %s", argv[0], argv[1],
		    reason(errno));
	if (bpf_obj_pin(link, argv[2]))
		die(EXIT_FAILED, "cannot pin %s: %s", argv[2], reason(errno));
	return EXIT_DONE;
}
