/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/* The entries of a directory, sorted, without those that start with a dot; NULL: errno. */
char **list_directory(const char *path, unsigned int *count);
/* The first line of a file without its newline, or NULL. */
char *read_line(const char *path);
