// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rows come and go in the table of tests/fixture/flows.bpf.c until killed: deletes and
 * makes the odd ones of ROWS, over and over. Even ones stay. churn PINNED_MAP ROWS
 */
#include <stdlib.h>

#include <bpf/bpf.h>

#include "types.h"

int main(int argc, char **argv)
{
	u32 rows = argc > 2 ? atoi(argv[2]) : 0;
	int fd = rows ? bpf_obj_get(argv[1]) : -1;
	u64 key[6] = {}, value[12] = {};

	if (fd < 0)
		return 2;
	for (u32 i = 0;; i = (i + 1) % rows) {
		key[0] = i;
		value[4] = i;
		if (i % 2)
			bpf_map_delete_elem(fd, key);
		if (bpf_map_update_elem(fd, key, value, BPF_ANY))
			return 1;
	}
}
