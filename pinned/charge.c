// SPDX-License-Identifier: GPL-2.0-only
/*
 * The formulas are those of the map_mem_usage operations of the kernel (6.4 on:
 * htab_map_mem_usage() in kernel/bpf/hashtab.c, array_map_mem_usage() in arraymap.c,
 * ringbuf_map_mem_usage() in ringbuf.c, queue_stack_map_mem_usage(), trie_mem_usage()),
 * which is what "memlock" in a map's fdinfo and bytes_memlock in bpftool show there;
 * tests/live/memory.bats compares the two for each type. 5.10 charges the same, in pages;
 * 5.11 to 6.3 show only entries x value size in fdinfo, though they take as much.
 * A map that allocates on demand (BPF_F_NO_PREALLOC, LPM tries) is counted full.
 * Storage in sockets, tasks and cgroups belongs to those and grows with their number:
 * only the map itself is counted.
 */
#include <linux/bpf.h>
#include <unistd.h>

#include "charge.h"

typedef unsigned long long bytes;

/* Sizes on x86-64 where BTF cannot tell (names that several structs share). */
#define HTAB_ELEM     48 /* struct htab_elem: header of each row */
#define BUCKET	      16 /* struct bucket of hashtab.c, struct bpf_local_storage_map_bucket */
#define LLIST_NODE    8	 /* per row, when rows come from the BPF allocator */
#define HTAB_LOCKS    8	 /* HASHTAB_MAP_LOCK_COUNT, an int each per CPU */
#define RINGBUF_META  3	 /* pages: consumer, producer, struct bpf_ringbuf */
#define LPM_TRIE_NODE 40 /* struct lpm_trie_node, without its key */

static bytes round_up(bytes n, bytes to)
{
	return (n + to - 1) / to * to;
}

static bytes power_of_two(bytes n)
{
	bytes p = 1;

	while (p < n)
		p *= 2;
	return p;
}

static bytes hash_charge(struct kernel *k, const struct bpf_map *map, int cpus)
{
	enum bpf_map_type type = bpf_map__type(map);
	int lru = type == BPF_MAP_TYPE_LRU_HASH || type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
	int percpu = type == BPF_MAP_TYPE_PERCPU_HASH || type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
	bytes entries = bpf_map__max_entries(map), value = round_up(bpf_map__value_size(map), 8);
	bytes row = kernel_sizeof(k, "htab_elem", HTAB_ELEM) + round_up(bpf_map__key_size(map), 8);
	bytes sum = kernel_sizeof(k, "bpf_htab", 512) + BUCKET * power_of_two(entries);

	sum += sizeof(int) * HTAB_LOCKS * cpus;
	row += percpu ? sizeof(void *) + value * cpus : value;
	if (bpf_map__map_flags(map) & BPF_F_NO_PREALLOC)
		return sum +
		       entries * (row + LLIST_NODE + (percpu ? LLIST_NODE + sizeof(void *) : 0));
	if (!lru && !percpu) /* a spare row per CPU, so that an update need not allocate */
		sum += cpus * (row + sizeof(void *));
	else if (bpf_map__map_flags(map) & BPF_F_NO_COMMON_LRU)
		entries = round_up(entries, cpus); /* dealt out in equal numbers */
	return sum + entries * row;
}

static bytes array_charge(struct kernel *k, const struct bpf_map *map, int cpus)
{
	bytes page = sysconf(_SC_PAGESIZE), entries = bpf_map__max_entries(map);
	bytes value = round_up(bpf_map__value_size(map), 8);
	bytes head = kernel_sizeof(k, "bpf_array", 320);

	if (bpf_map__type(map) == BPF_MAP_TYPE_PERCPU_ARRAY)
		return head + entries * (sizeof(void *) + value * cpus);
	if (bpf_map__map_flags(map) & BPF_F_MMAPABLE)
		return round_up(head, page) + round_up(entries * value, page);
	return head + entries * value;
}

static bytes ringbuf_charge(struct kernel *k, const struct bpf_map *map)
{
	bytes page = sysconf(_SC_PAGESIZE), data = bpf_map__max_entries(map) / page;
	bytes meta = RINGBUF_META;

	return kernel_sizeof(k, "bpf_ringbuf_map", 256) + (meta + data) * page +
	       (meta + 2 * data) * sizeof(void *);
}

/* BPF_MAP_TYPE_CGRP_STORAGE, of Linux 6.2: the headers of Debian 12 do not have it. */
enum {
	CGRP_STORAGE = 32
};

bytes map_charge(struct kernel *k, const struct bpf_map *map, int cpus)
{
	bytes entries = bpf_map__max_entries(map), key = bpf_map__key_size(map);
	bytes value = bpf_map__value_size(map);

	switch ((int)bpf_map__type(map)) {
	case BPF_MAP_TYPE_HASH:
	case BPF_MAP_TYPE_PERCPU_HASH:
	case BPF_MAP_TYPE_LRU_HASH:
	case BPF_MAP_TYPE_LRU_PERCPU_HASH:
	case BPF_MAP_TYPE_HASH_OF_MAPS:
		return hash_charge(k, map, cpus);
	case BPF_MAP_TYPE_RINGBUF:
		return ringbuf_charge(k, map);
	case BPF_MAP_TYPE_QUEUE:
	case BPF_MAP_TYPE_STACK:
		return kernel_sizeof(k, "bpf_queue_stack", 320) + (entries + 1) * value;
	case BPF_MAP_TYPE_LPM_TRIE:
		return kernel_sizeof(k, "lpm_trie", 320) +
		       entries * (round_up(LPM_TRIE_NODE + key - 4 + value, 8));
	case BPF_MAP_TYPE_STACK_TRACE:
		return kernel_sizeof(k, "bpf_stack_map", 320) +
		       power_of_two(entries) * sizeof(void *) +
		       entries * (kernel_sizeof(k, "stack_map_bucket", 16) + value);
	case BPF_MAP_TYPE_SK_STORAGE:
	case BPF_MAP_TYPE_TASK_STORAGE:
	case CGRP_STORAGE:
	case BPF_MAP_TYPE_INODE_STORAGE:
		return kernel_sizeof(k, "bpf_local_storage_map", 448) +
		       BUCKET * power_of_two(cpus > 2 ? cpus : 2);
	case BPF_MAP_TYPE_PERF_EVENT_ARRAY:
		return kernel_sizeof(k, "bpf_array", 320) + cpus * sizeof(void *);
	default:
		return array_charge(k, map, cpus);
	}
}
