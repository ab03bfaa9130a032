// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs a loaded program on a raw tracepoint as if the tracepoint had been passed.
 *
 *   raw_tp PROGRAM_ID ARGUMENT...
 *
 * (bpftool prog run asks for output, which the kernel refuses for this kind.)
 */
#include <stdio.h>
#include <stdlib.h>

#include <bpf/bpf.h>

#include "types.h"

int main(int argc, char **argv)
{
	int fd = argc > 1 ? bpf_prog_get_fd_by_id(atoi(argv[1])) : -1;
	u64 args[12] = {};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args, .ctx_size_in = sizeof(args));

	for (int i = 2; i < argc && i < 14; i++)
		args[i - 2] = strtoull(argv[i], NULL, 0);
	if (fd < 0 || bpf_prog_test_run_opts(fd, &opts)) {
		perror("raw_tp");
		return 1;
	}
	return 0;
}
