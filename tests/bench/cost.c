// SPDX-License-Identifier: GPL-2.0-only
/* Runs a command and says on stderr: wall seconds, peak resident KiB. */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct timespec from, to;
	struct rusage usage;
	int status;

	clock_gettime(CLOCK_MONOTONIC, &from);
	if (argc > 1 && !fork()) {
		execvp(argv[1], argv + 1);
		_exit(127);
	}
	wait4(-1, &status, 0, &usage);
	clock_gettime(CLOCK_MONOTONIC, &to);
	fprintf(stderr, "%.4f %ld\n", to.tv_sec - from.tv_sec + (to.tv_nsec - from.tv_nsec) / 1e9,
		usage.ru_maxrss);
	return !WIFEXITED(status) || WEXITSTATUS(status);
}
