// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes known rows into the maps of tests/fixture/shapes.bpf.c, under the directory
 * given; for per-CPU maps a share on every possible CPU.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "hist.h"

struct flow {
	u32 netns;
	ipaddr_t local, remote;
	u16 lport, rport;
	u32 pad;
};

struct connection {
	u32 tgid, role;
	comm_t comm;
	u64 rx_packets, rx_bytes, tx_packets, tx_bytes, rtt, cwnd;
	struct minihist latency;
};

static int cpus;

static void put(const char *dir, const char *map, const void *key, const void *value)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, map);
	fd = bpf_obj_get(path);
	if (fd < 0 || bpf_map_update_elem(fd, key, value, BPF_ANY)) {
		perror(path);
		exit(1);
	}
}

static void add_sample(struct minihist *h, u64 v)
{
	u64 rounded = (v + 512) >> MINIHIST_SQ_SHIFT;

	h->min = !h->count || v < h->min ? v : h->min;
	h->max = v > h->max ? v : h->max;
	h->count++;
	h->sum += v;
	h->sumsq += rounded * rounded;
	h->slots[minihist_slot(hist_slot(v))]++;
}

static ipaddr_t v4(u32 host)
{
	ipaddr_t a = {.addr = {[10] = 0xff, [11] = 0xff, 192, 0, 2, host}};

	return a;
}

/* Rows 1..5; the fifth is IPv6. Row n has n packets, and samples of n ms and 2n ms. */
static void connections(const char *dir)
{
	static const char *const comms[] = {"curl", "a\"b\\c\n\033]52;c;x", "\xff\xfe\xfd",
					    "sixteen bytes!!!",
					    "\t\x9b"
					    "0m\x7f"};

	for (u32 n = 1; n <= 5; n++) {
		struct flow key = {.netns = 4026531840U,
				   .local = v4(1),
				   .remote = v4(n),
				   .lport = 443,
				   .rport = 40000 + n};
		struct connection value = {.tgid = 100 + n,
					   .role = n % 2,
					   .rx_packets = n,
					   .rx_bytes = 1000 * n,
					   .rtt = 1500000,
					   .cwnd = 10};

		if (n == 5)
			memcpy(key.remote.addr, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
		memcpy(value.comm.name, comms[n - 1], strnlen(comms[n - 1], 16));
		add_sample(&value.latency, n * 1000000);
		add_sample(&value.latency, n * 2000000);
		put(dir, "connections", &key, &value);
	}
}

/* On each CPU: the client has 2 samples of 1000 ns and, on the last, one of 5000 ns. */
static void latency(const char *dir)
{
	struct hist *h = calloc(cpus, sizeof(*h));
	u32 key = 0;

	for (int cpu = 0; cpu < cpus; cpu++) {
		h[cpu].slots[hist_slot(1000)] = 2;
		h[cpu].sum = 2000;
		h[cpu].max = 1000;
	}
	h[cpus - 1].slots[hist_slot(5000)] = 1;
	h[cpus - 1].sum += 5000;
	h[cpus - 1].max = 5000;
	put(dir, "latency", &key, h);
	free(h);
}

/* CPU n has moved n packets in and nothing out; the last one packet out, too. */
static void moved(const char *dir)
{
	struct {
		u64 packets, bytes;
	} *ways = calloc(2 * cpus, sizeof(*ways));
	u32 key = 0;

	for (int cpu = 0; cpu < cpus; cpu++)
		ways[2 * cpu].packets = cpu;
	ways[2 * cpus - 1].packets = 1;
	put(dir, "moved", &key, ways);
	free(ways);
}

struct lane {
	u64 used;
	comm_t comm;
	u64 hits, misses;
};

/* In the first value the fast lane is used, with a hit ratio of 3/4; in the second the slow one, of nothing. */
static void lanes(const char *dir)
{
	struct lane *lanes = calloc(2 * cpus, sizeof(*lanes));
	u32 key = 0;

	for (int cpu = 0; cpu < cpus; cpu++)
		lanes[2 * cpu] = (struct lane){1, {"a"}, 3, 1};
	put(dir, "lanes", &key, lanes);
	memset(lanes, 0, 2 * cpus * sizeof(*lanes));
	lanes[1] = (struct lane){1, {"b"}, 0, 0};
	key = 1;
	put(dir, "lanes", &key, lanes);
	free(lanes);
}

static void counters(const char *dir)
{
	u64 *counts = calloc(cpus, sizeof(*counts));
	comm_t comm = {"x\"y"};
	u32 busy = 1;

	for (int cpu = 0; cpu < cpus; cpu++)
		counts[cpu] = 3;
	put(dir, "events", &comm, counts);
	put(dir, "losses", &busy, counts);
	free(counts);
}

int main(int argc, char **argv)
{
	cpus = libbpf_num_possible_cpus();
	if (argc != 2 || cpus < 1)
		return 2;
	connections(argv[1]);
	latency(argv[1]);
	moved(argv[1]);
	lanes(argv[1]);
	counters(argv[1]);
	printf("%d\n", cpus);
	return 0;
}
