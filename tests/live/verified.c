// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: verified OBJECT...
 *
 * Loads each object and prints "NUMBER PROGRAM OBJECT": how many instructions the verifier went
 * through, from the line of statistics with which its log ends on all kernels. What this kernel
 * does not load is named on stderr.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>

#define STATS	 4 /* BPF_LOG_STATS: nothing but that line */
#define PROGRAMS 64

static char logs[PROGRAMS][4096];

/* Whether the kernel loads the object; the log of its program I is in logs[I]. */
static bool load(struct bpf_object *object)
{
	struct bpf_program *prog;
	int i = 0;

	memset(logs, 0, sizeof(logs));
	bpf_object__for_each_program(prog, object) {
		if (i == PROGRAMS)
			return false;
		bpf_program__set_log_level(prog, STATS);
		bpf_program__set_log_buf(prog, logs[i], sizeof(logs[i]));
		i++;
	}
	return !bpf_object__load(object);
}

static bool print(struct bpf_object *object, const char *path)
{
	struct bpf_program *prog;
	const char *line;
	int i = 0;

	bpf_object__for_each_program(prog, object) {
		line = strstr(logs[i++], "processed ");
		if (!line)
			return false;
		printf("%lu %s %s\n", strtoul(line + strlen("processed "), NULL, 10),
		       bpf_program__name(prog), path);
	}
	return true;
}

int main(int argc, char **argv)
{
	int status = 0;

	libbpf_set_print(NULL);
	for (int i = 1; i < argc; i++) {
		struct bpf_object *object = bpf_object__open_file(argv[i], NULL);

		if (!object || !load(object)) {
			fprintf(stderr, "verified: this kernel does not load %s\n", argv[i]);
		} else if (!print(object, argv[i])) {
			fprintf(stderr, "verified: no statistics in the log of %s\n", argv[i]);
			status = 1;
		}
		bpf_object__close(object);
	}
	return status;
}
