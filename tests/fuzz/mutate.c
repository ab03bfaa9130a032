// SPDX-License-Identifier: GPL-2.0-only
/*
 * Gives damaged copies of a file to a program, again and again, and insists that it ends
 * by itself with a documented status:
 *     mutate SEED_FILE WORK_FILE ROUNDS RANDOM_SEED PROGRAM [ARG]...
 * WORK_FILE is where the damaged copy is; on failure it is left there.
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_STATUS 5 /* enum exit_code, pinned/error.h */
#define TIME_LIMIT 20

static unsigned char *seed, *copy;
static size_t size;

static void read_seed(const char *path)
{
	FILE *file = fopen(path, "r");

	if (!file || fseek(file, 0, SEEK_END)) {
		perror(path);
		exit(2);
	}
	size = ftell(file);
	rewind(file);
	seed = malloc(size);
	copy = malloc(size);
	if (!seed || !copy || fread(seed, 1, size, file) != size)
		exit(2);
	fclose(file);
}

/* Values that bounds are wrong for. */
static unsigned int nasty(void)
{
	static const unsigned int values[] = {0,	  1,	      2,	  0x7f,
					      0xff,	  0xffff,     0x10000,	  0x7fffffff,
					      0x80000000, 0xffffffff, 0xfffffff0, 0x01000000};

	return values[random() % (sizeof(values) / sizeof(*values))];
}

static void mutate_once(size_t n, int kind)
{
	size_t at = random() % n, from = random() % n, len = random() % 64;
	unsigned int value = nasty();

	switch (kind) {
	case 0:
		copy[at] ^= 1 << random() % 8;
		break;
	case 1:
		copy[at] = random();
		break;
	case 2:
		if (at + sizeof(value) <= n)
			memcpy(copy + at / 4 * 4, &value, sizeof(value));
		break;
	case 3:
		if (at + len <= n && from + len <= n)
			memmove(copy + at, copy + from, len);
		break;
	case 4: /* so that a text is still well formed, and says something else */
		while (at + 1 < n && !isdigit(copy[at]))
			at++;
		copy[at] = "0123456789"[random() % 10];
		break;
	default: /* or hardly so */
		copy[at] = "0123456789-.\"{}[],"[random() % 18];
	}
}

static void write_copy(const char *path)
{
	size_t n = size, changes = 1 + random() % 8;
	int kind = random() % 12; /* the higher ones: a mixture */
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	memcpy(copy, seed, size);
	if (random() % 8 == 0)
		n = 1 + random() % size;
	while (changes--)
		mutate_once(n, kind < 6 ? kind : random() % 6);
	if (fd < 0 || write(fd, copy, n) != (ssize_t)n) {
		perror(path);
		exit(2);
	}
	close(fd);
}

static int run(char **argv)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, STDOUT_FILENO);
		alarm(TIME_LIMIT);
		execv(argv[0], argv);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	return status;
}

int main(int argc, char **argv)
{
	int counts[MAX_STATUS + 1] = {};

	if (argc < 6)
		return 2;
	read_seed(argv[1]);
	srandom(atoi(argv[4]));
	for (int i = 0; i < atoi(argv[3]); i++) {
		int status;

		write_copy(argv[2]);
		status = run(argv + 5);
		if (!WIFEXITED(status) || WEXITSTATUS(status) > MAX_STATUS) {
			fprintf(stderr, "round %d: wait status %#x; the input is %s\n", i, status,
				argv[2]);
			return 1;
		}
		counts[WEXITSTATUS(status)]++;
	}
	printf("%s:", argv[1]);
	for (int i = 0; i <= MAX_STATUS; i++)
		if (counts[i])
			printf(" status %d: %d", i, counts[i]);
	printf("\n");
	return 0;
}
