// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "util.h"

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char **list_directory(const char *path, unsigned int *count)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char **names = NULL;

	*count = 0;
	if (!dir)
		return NULL;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			*APPEND(names, *count) = xstrdup(entry->d_name);
	closedir(dir);
	if (!names)
		return xcalloc(1, sizeof(*names));
	qsort(names, *count, sizeof(*names), by_name);
	return names;
}

char *read_line(const char *path)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t n = file ? getline(&line, &size, file) : -1;

	if (file)
		fclose(file);
	if (n < 0) {
		free(line);
		return NULL;
	}
	if (n && line[n - 1] == '\n')
		line[n - 1] = 0;
	return line;
}
