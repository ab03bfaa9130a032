// SPDX-License-Identifier: GPL-2.0-only
/* Fills the table of tests/fixture/flows.bpf.c: fill PINNED_MAP ROWS */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "types.h"

struct flow {
	netns_t netns;
	ipaddr_t local, remote;
	port_t lport, rport;
	u32 pad;
};

struct connection {
	tgid_t tgid;
	ifindex_t ifindex;
	comm_t comm;
	u64 numbers[9];
};

#define CHUNK 4096

static void make_row(u32 i, struct flow *flow, struct connection *value)
{
	u64 seed = i * 0x9e3779b97f4a7c15ULL;

	memset(flow, 0, sizeof(*flow));
	flow->netns = 4026531840U;
	flow->local.addr[10] = flow->local.addr[11] = 0xff;
	memcpy(flow->local.addr + 12, "\x0a\x01\x02\x03", 4);
	/* One in eight is IPv6. */
	if (i % 8) {
		flow->remote.addr[10] = flow->remote.addr[11] = 0xff;
	} else {
		memcpy(flow->remote.addr, "\x20\x01\x0d\xb8", 4);
	}
	memcpy(flow->remote.addr + 12, &i, sizeof(i));
	flow->lport = 443;
	flow->rport = 32768 + i % 28000;
	value->tgid = 1000 + i % 5000;
	value->ifindex = 2;
	snprintf(value->comm.name, sizeof(value->comm.name), "worker/%u", i % 100);
	for (int j = 0; j < 9; j++)
		value->numbers[j] = seed >> (24 + 4 * j);
}

int main(int argc, char **argv)
{
	static struct flow keys[CHUNK];
	static struct connection values[CHUNK];
	u32 rows = argc > 2 ? atoi(argv[2]) : 0, done = 0;
	int fd = argc > 2 ? bpf_obj_get(argv[1]) : -1;

	if (fd < 0 || !rows) {
		fprintf(stderr, "usage: fill PINNED_MAP ROWS\n");
		return 2;
	}
	while (done < rows) {
		u32 count = 0;

		while (count < CHUNK && done < rows) {
			make_row(done++, &keys[count], &values[count]);
			count++;
		}
		if (bpf_map_update_batch(fd, keys, values, &count, NULL)) {
			perror("fill: update");
			return 1;
		}
	}
	return 0;
}
