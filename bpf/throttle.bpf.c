// SPDX-License-Identifier: GPL-2.0-only
/*
 * throttle: how often and how long the processes of each cgroup were kept off a processor because
 * the cgroup had used up its quota (cpu.max).
 *
 *   throttled     one stretch on one processor, by the scheduler's own clock, counted when it ends
 *   nr_periods, nr_throttled   what cpu.stat says since the cgroup exists, as of the last stretch
 *
 * Hooks:
 *   unthrottle_cfs_rq   entry and return: the end of a stretch; the kernel has noted its begin
 *   cgroup_rmdir        the end of a cgroup: its numbers go to `rest`
 *
 * Costs nothing but at the end of a stretch, at most one a processor and period: 501 instructions there
 * (6.1, by the kernel's bpf_stats).
 * 250 KiB of kernel memory.
 *
 * Cannot see: a stretch that has not ended; limits of realtime processes; the time that those
 * cgroups lose of which only an ancestor is limited is the ancestor's.
 */
#include "pinscope.bpf.h"

#define LOSSES count_t table_full /* stretches that are in the rest, because there is no free row */

#include "hist.bpf.h"
#include "loss.bpf.h"

PROBE("cpu default", "CPU quota: stretches in which a cgroup was throttled, and their time");

struct config {
	epoch_t epoch;
	flag_t paused;
};

struct config config SEC(".data.config") = {};

struct key {
	cgroupid_t cgroup;
};

struct quota {
	nsec_minihist_t throttled;
	count_t nr_periods;
	count_t nr_throttled;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct key);
	__type(value, struct quota);
} cgroups SEC(".maps") HELP("cgroups that were throttled");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct quota);
} rest SEC(".maps") HELP("what is not under a row of cgroups: removed, or never had one");

/* What is being ended on this processor, with its interrupts off. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} begun SEC(".maps") INTERNAL;

static __noinline int quota_make(struct key *key)
{
	struct quota zero = {};

	return bpf_map_update_elem(&cgroups, key, &zero, BPF_NOEXIST);
}

static __always_inline struct quota *quota_of(u64 cgroup)
{
	struct key key = {cgroup};
	struct quota *quota = bpf_map_lookup_elem(&cgroups, &key);
	u32 zero = 0;

	if (!quota) {
		quota_make(&key);
		quota = bpf_map_lookup_elem(&cgroups, &key);
	}
	if (quota)
		return quota;
	LOSE(table_full);
	return bpf_map_lookup_elem(&rest, &zero);
}

SEC("fentry/unthrottle_cfs_rq")
PROTO("void (struct cfs_rq *)")
int BPF_PROG(unthrottle, struct cfs_rq *cfs_rq)
{
	u32 key = 0;
	u64 *since = bpf_map_lookup_elem(&begun, &key);

	if (since)
		*since = cfs_rq->throttled_clock;
	return 0;
}

/* Newer kernels may have put it off, and know stretches in which nothing had to wait. */
SEC("fexit/unthrottle_cfs_rq")
PROTO("void (struct cfs_rq *)")
int BPF_PROG(unthrottled, struct cfs_rq *cfs_rq)
{
	struct cfs_bandwidth *bandwidth = &cfs_rq->tg->cfs_bandwidth;
	struct quota *quota;
	u32 key = 0;
	u64 ns, *since = bpf_map_lookup_elem(&begun, &key);

	if (config.paused || !since || !*since || BPF_CORE_READ_BITFIELD(cfs_rq, throttled))
		return 0;
	quota = quota_of(cfs_rq->tg->css.cgroup->kn->id);
	if (!quota)
		return 0;
	ns = cfs_rq->rq->clock - *since;
	minihist_add_shared(&quota->throttled, hist_slot(ns), ns);
	quota->nr_periods = bandwidth->nr_periods;
	quota->nr_throttled = bandwidth->nr_throttled;
	return 0;
}

SEC("tp_btf/cgroup_rmdir")
PROTO("void (struct cgroup *)")
int BPF_PROG(cgroup_removed, struct cgroup *cgroup)
{
	struct key key = {cgroup->kn->id};
	u32 zero = 0;
	struct quota *from = bpf_map_lookup_elem(&cgroups, &key);
	struct quota *into = bpf_map_lookup_elem(&rest, &zero);

	if (!from || !into)
		return 0;
	minihist_fold(&into->throttled, &from->throttled);
	__sync_fetch_and_add(&into->nr_periods, from->nr_periods);
	__sync_fetch_and_add(&into->nr_throttled, from->nr_throttled);
	bpf_map_delete_elem(&cgroups, &key);
	return 0;
}
