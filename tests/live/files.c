// SPDX-License-Identifier: GPL-2.0-only
/*
 * Known calls on files, and what the kernel and a clock say of them.
 *
 *   files DIRECTORY TIMES
 *
 * Does each of the calls below TIMES times on files in DIRECTORY, one of which is a fifo that keeps
 * its reader waiting, and prints /proc/self/io and how long the reads, writes and syncs took.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 100

static long long spent[3]; /* ns of reads, writes, syncs */

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void check(const char *what, long long want, long long got)
{
	if (want == got)
		return;
	fprintf(stderr, "files: %s: %lld, not %lld: %s\n", what, got, want, strerror(errno));
	exit(1);
}

/* CALL must return WANT; its time is added to those of its kind. */
#define DO(kind, want, call)                                                                       \
	do {                                                                                       \
		long long started = now(), got = (call);                                           \
                                                                                                   \
		spent[kind] += now() - started;                                                    \
		check(#call, want, got);                                                           \
	} while (0)

static void write_and_read(void)
{
	char buf[4096] = "";
	struct iovec two[] = {{buf, 10}, {buf, 20}};
	int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600), other = open("file", O_WRONLY);

	DO(1, 1000, write(fd, buf, 1000));
	DO(1, 500, pwrite(fd, buf, 500, 1000));
	DO(1, 30, writev(fd, two, 2));
	DO(2, 0, fsync(fd));
	DO(2, 0, fdatasync(fd));
	DO(2, 0, fdatasync(fd));
	DO(0, 1500, pread(fd, buf, sizeof(buf), 0)); /* asks for more than there is */
	DO(0, 30, preadv(fd, two, 2, 0));
	DO(0, 0, pread(fd, buf, sizeof(buf), 5000));
	DO(0, -1, read(other, buf, sizeof(buf)));
	check("open what is not there", -1, open("nothing", O_RDONLY));
	close(other);
	close(fd);
}

/* The child writes after a while; opened for both, the fifo keeps nobody waiting for the other. */
static void wait_for_child(void)
{
	char c = 0;
	int fd = open("fifo", O_RDWR);
	pid_t child = fork();

	if (!child) {
		usleep(WAIT_MS * 1000);
		_exit(write(fd, &c, 1) != 1);
	}
	DO(0, 1, read(fd, &c, 1));
	waitpid(child, NULL, 0);
	close(fd);
}

/* With what this read adds itself. Not by stdio, which would read it in two calls. */
static void report(void)
{
	char io[4096];
	int fd = open("/proc/self/io", O_RDONLY);
	ssize_t size = read(fd, io, sizeof(io) - 1);

	if (size < 0)
		exit(1);
	io[size] = 0;
	printf("%sown: %zd\nread_ns: %lld\nwrite_ns: %lld\nsync_ns: %lld\n", io, size, spent[0],
	       spent[1], spent[2]);
}

int main(int argc, char **argv)
{
	if (argc < 3 || chdir(argv[1]) || (mkfifo("fifo", 0600) && errno != EEXIST))
		return 2;
	for (int i = 0; i < atoi(argv[2]); i++) {
		write_and_read();
		wait_for_child();
	}
	report();
	return 0;
}
