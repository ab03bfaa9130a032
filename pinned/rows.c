// SPDX-License-Identifier: GPL-2.0-only
/*
 * Iterators pinned beside a map (docs/objects.md): MAP_scan gives rows to what has none yet,
 * MAP_rows writes the rows as they are now, each a key and a value.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "rows.h"
#include "util.h"

#define BUFFER (64 * 1024)

/* An iterator that has passed a million objects without a word says EAGAIN, and goes on. */
static ssize_t read_on(int fd, void *to, size_t size)
{
	ssize_t n;

	do
		n = read(fd, to, size);
	while (n < 0 && (errno == EAGAIN || errno == EINTR));
	return n;
}

/* -1: there is no such file, or why not was said. */
static int open_iterator(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 && errno != ENOENT)
		complain(EXIT_FAILED, "cannot open %s: %s", path, reason(errno));
	return fd;
}

void rows_scan(const char *path)
{
	int fd = open_iterator(path);
	char unused[256];

	if (fd < 0)
		return;
	if (read_on(fd, unused, sizeof(unused)) < 0)
		complain(EXIT_FAILED, "cannot read %s: %s", path, reason(errno));
	close(fd);
}

bool rows_read(const char *path, u32 key_size, u32 value_size,
	       void (*give)(void *arg, u8 *key, u8 *value), void *arg)
{
	size_t size = key_size + value_size, room = size + BUFFER, held = 0, at;
	int fd = open_iterator(path);
	u8 *buffer, *value;
	ssize_t n;

	if (fd < 0)
		return false;
	buffer = xmalloc(room);
	value = xmalloc(value_size); /* aligned */
	while ((n = read_on(fd, buffer + held, room - held)) > 0) {
		held += n;
		for (at = 0; held - at >= size; at += size) {
			memcpy(value, buffer + at + key_size, value_size);
			give(arg, buffer + at, value);
		}
		held -= at;
		memmove(buffer, buffer + at, held);
	}
	if (n < 0)
		complain(EXIT_FAILED, "cannot read %s: %s", path, reason(errno));
	free(value);
	free(buffer);
	close(fd);
	return true;
}
