// SPDX-License-Identifier: GPL-2.0-only
/*
 * links: the links pinned in a directory. bpftool pins a program it could not attach
 * in the place of its link and exits 0, so load asks here. (bpftool itself could
 * tell: `link show pinned` takes one run per link and exits 255 even when it found
 * one, and listing by path needs CAP_SYS_ADMIN, which loading does not.)
 */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "verbs.h"

/* What an fd of BPF_OBJ_GET is, the kernel says in its name: anon_inode:bpf_link, bpf-prog. */
static int is_link(int fd)
{
	char path[64], name[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, name, sizeof(name) - 1);
	name[n > 0 ? n : 0] = '\0';
	return strstr(name, "link") != NULL;
}

static int print_link(const char *dir, const char *name)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	char path[4096];
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = bpf_obj_get(path);
	if (fd < 0 || !is_link(fd) || bpf_obj_get_info_by_fd(fd, &info, &len)) {
		err = fd < 0 ? errno : EINVAL;
		fprintf(stderr, "pinscope: program %s is not attached: %s.\n", name,
			fd < 0 ? strerror(err) : "its pin is no link");
	} else {
		printf("{\"link\":\"%s\",\"id\":%u,\"prog_id\":%u}\n", name, info.id,
		       info.prog_id);
	}
	if (fd >= 0)
		close(fd);
	return err;
}

int cmd_links(int argc, char **argv)
{
	struct dirent *file;
	int failed = 0;
	DIR *dir;

	if (argc != 2) {
		fprintf(stderr, "usage: pinscope-reader links DIRECTORY\n");
		return 2;
	}
	dir = opendir(argv[1]);
	if (!dir) {
		fprintf(stderr, "pinscope: cannot read the links in %s: %s.\n", argv[1],
			strerror(errno));
		return 1;
	}
	while ((file = readdir(dir)))
		if (file->d_name[0] != '.' && print_link(argv[1], file->d_name))
			failed = 1;
	closedir(dir);
	return failed;
}
