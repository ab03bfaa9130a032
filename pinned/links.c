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
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
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

static void print_link(const char *dir, const char *name)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = bpf_obj_get(path);
	if (fd < 0)
		complain(EXIT_FAILED, "cannot open the link %s: %s", path, reason(errno));
	else if (!is_link(fd) || bpf_obj_get_info_by_fd(fd, &info, &len))
		complain(EXIT_FAILED, "program %s is pinned but not attached: %s is no link", name,
			 path);
	else
		printf("{\"link\":\"%s\",\"id\":%u,\"prog_id\":%u}\n", name, info.id, info.prog_id);
	if (fd >= 0)
		close(fd);
}

int cmd_links(int argc, char **argv)
{
	struct dirent *file;
	DIR *dir;

	if (argc != 1)
		die(EXIT_USAGE, "list the links of what? usage: links DIRECTORY");
	dir = opendir(argv[0]);
	if (!dir)
		die(EXIT_FAILED, "cannot read the links in %s: %s", argv[0], reason(errno));
	while ((file = readdir(dir)))
		if (file->d_name[0] != '.')
			print_link(argv[0], file->d_name);
	closedir(dir);
	return complaints();
}
