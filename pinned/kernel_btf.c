// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/btf.h>
#include <stdlib.h>

#include "kernel_btf.h"

struct btf *kernel_btf_read(void)
{
	const char *file = getenv("PINSCOPE_BTF");

	return file ? btf__parse(file, NULL) : btf__load_vmlinux_btf();
}
