// SPDX-License-Identifier: GPL-2.0-only
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "files.h"
#include "pinned.h"
#include "util.h"

/* Opening a link needs write permission, and a program by its id CAP_SYS_ADMIN. */
static void read_link(struct program *program, const char *path)
{
	struct bpf_link_info info = {};
	u32 size = sizeof(info);
	int fd = bpf_obj_get(path);

	if (fd < 0)
		return;
	if (!bpf_obj_get_info_by_fd(fd, &info, &size))
		program->id = info.prog_id;
	close(fd);
}

static void read_misses(struct program *program)
{
	struct bpf_prog_info info = {};
	u32 size = sizeof(info);
	int fd = program->id ? bpf_prog_get_fd_by_id(program->id) : -1;

	if (fd < 0)
		return;
	/* Kernels before 5.12 do not count them. */
	if (!bpf_obj_get_info_by_fd(fd, &info, &size) &&
	    size > offsetof(struct bpf_prog_info, recursion_misses)) {
		program->misses_known = true;
		program->recursion_misses = info.recursion_misses;
	}
	close(fd);
}

void programs_read(struct probe *probe, const char *directory)
{
	char *links = xasprintf("%s/links", directory);
	unsigned int count;
	char **names = list_directory(links, &count);

	for (unsigned int i = 0; i < count; i++) {
		struct program *program = APPEND(probe->programs, probe->n_programs);
		char *path = xasprintf("%s/%s", links, names[i]);

		program->link = names[i];
		read_link(program, path);
		read_misses(program);
		free(path);
	}
	free(names);
	free(links);
}
