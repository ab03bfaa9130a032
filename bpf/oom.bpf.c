// SPDX-License-Identifier: GPL-2.0-only
/*
 * oom: what the kernel killed because memory had run out: whom, on whose behalf, under which limit.
 *
 * `kills` counts exactly what the kernel counts (oom_kill of /proc/vmstat); `recent` has a row for
 * each of the last ones: the victim with its cgroup and what it had in memory and in swap, the process
 * whose allocation could not be met (of a kernel thread where somebody asked for it: order -1), the
 * limit that was reached, in pages of memory and swap, and of which cgroup it was if it was one's.
 *
 * Hooks: oom_kill_process, __oom_kill_process, mark_oom_victim. The kernel kills under one lock for
 * all, so that what is known of a kill lies in one place. Costs nothing while memory is enough.
 *
 * Cannot see: processes that were ending anyway, which the kernel spares; those that user space kills
 * (systemd-oomd, earlyoom) or that end because an allocation failed. Up to 6.1 pages are those of the
 * kernel's own message, without some tens that each thread has not added up yet. With memory.oom.group
 * the kernel may kill the first process twice, and count it so.
 */
#include "pinscope.bpf.h"

#define LOSSES count_t replaced /* rows of older kills whose place a newer one took */

#include "loss.bpf.h"

PROBE("mem default", "out-of-memory kills: the victim, who triggered it, the limit");

/* In the order of enum oom_constraint. */
enum scope {
	SCOPE_GLOBAL,
	SCOPE_CPUSET,
	SCOPE_MEMORY_POLICY,
	SCOPE_MEMCG,
};

struct counts {
	count_t global;
	count_t cpuset;
	count_t memory_policy;
	count_t memcg;
};

#define SCOPES (sizeof(struct counts) / sizeof(count_t))

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct counts);
} kills SEC(".maps") LABEL("scope") HELP("processes killed for want of memory, by what ran out");

/* Of the victim, and what the limit is. */
struct pages {
	gauge_t anon;
	gauge_t file;
	gauge_t shmem;
	gauge_t swap;
	gauge_t limit;
};

struct in_use {
	u64 in_use;
} INTERNAL;

struct kill {
	struct in_use in_use;
	mono_t time_ns;
	tgid_t pid;
	comm_t comm;
	cgroupid_t cgroup;
	tgid_t trigger_pid;
	comm_t trigger_comm;
	enum scope scope;
	s32 order; /* the trigger wanted 2^order pages */
	cgroupid_t limit_cgroup;
	s64 oom_score_adj;
	struct pages pages;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 128);
	__type(key, u32);
	__type(value, struct kill);
} recent SEC(".maps") HELP("the latest kills");

/* What is known before the victim is. One kill at a time: the kernel's oom_lock is held. */
struct now {
	u64 kills;
	u64 limit;
	u64 limit_cgroup;
	u32 scope;
	s32 order;
	u32 killing;
	u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct now);
} now SEC(".maps") INTERNAL;

static __always_inline struct now *now_get(void)
{
	u32 key = 0;

	return bpf_map_lookup_elem(&now, &key);
}

extern const void nr_cpu_ids __ksym __weak;
extern const void __per_cpu_offset __ksym __weak;

#define CPUS_MAX 1024

/* What processors have counted and not added up yet. */
static __noinline s64 counter_parts(u64 counters)
{
	u32 cpus = 0;
	s64 sum = 0;

	bpf_probe_read_kernel(&cpus, sizeof(cpus), &nr_cpu_ids);
	for (u32 cpu = 0; cpu < CPUS_MAX && cpu < cpus; cpu++) {
		u64 offset = 0;
		s32 part = 0;

		bpf_probe_read_kernel(&offset, sizeof(offset),
				      &__per_cpu_offset + cpu * sizeof(offset));
		bpf_probe_read_kernel(&part, sizeof(part), (void *)(counters + offset));
		sum += part;
	}
	return sum;
}

struct mm_struct___6_2 {
	struct percpu_counter rss_stat[4];
} __attribute__((preserve_access_index));

static __always_inline s64 mm_counter(struct mm_struct *mm, int member)
{
	struct mm_struct___6_2 *newer = (void *)mm;
	struct percpu_counter *counter;

	if (bpf_core_type_exists(struct mm_rss_stat))
		return BPF_CORE_READ(mm, rss_stat.count[member].counter);
	counter = (void *)mm + bpf_core_field_offset(newer->rss_stat) +
		  member * bpf_core_type_size(struct percpu_counter);
	return BPF_CORE_READ(counter, count) + counter_parts((u64)BPF_CORE_READ(counter, counters));
}

static __always_inline u64 mm_pages(struct mm_struct *mm, int member)
{
	s64 pages = mm_counter(mm, member);

	return pages > 0 ? pages : 0;
}

static __always_inline void kill_read(struct kill *kill, struct task_struct *victim)
{
	struct mm_struct *mm = victim->mm;

	kill->time_ns = bpf_ktime_get_ns();
	kill->pid = victim->tgid;
	kill->cgroup = victim->cgroups->dfl_cgrp->kn->id;
	kill->oom_score_adj = victim->signal->oom_score_adj;
	BPF_CORE_READ_INTO(&kill->comm, victim, group_leader, comm);
	kill->trigger_pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(&kill->trigger_comm, sizeof(kill->trigger_comm));
	kill->pages.anon = mm_pages(mm, MM_ANONPAGES);
	kill->pages.file = mm_pages(mm, MM_FILEPAGES);
	kill->pages.shmem = mm_pages(mm, MM_SHMEMPAGES);
	kill->pages.swap = mm_pages(mm, MM_SWAPENTS);
}

static __always_inline void kill_keep(struct now *now, struct task_struct *victim)
{
	u32 at = now->kills++ % ((struct bpf_map *)&recent)->max_entries;
	struct kill *kill = bpf_map_lookup_elem(&recent, &at);

	if (!kill)
		return;
	if (kill->in_use.in_use)
		LOSE(replaced);
	kill_read(kill, victim);
	kill->scope = now->scope;
	kill->order = now->order;
	kill->pages.limit = now->limit;
	kill->limit_cgroup = now->limit_cgroup;
	kill->in_use.in_use = 1;
}

static __always_inline void kill_count(u32 scope)
{
	u32 key = 0;
	u64 *counts = bpf_map_lookup_elem(&kills, &key);

	barrier_var(scope);
	if (counts && scope < SCOPES)
		__sync_fetch_and_add(&counts[scope], 1);
}

SEC("fentry/oom_kill_process")
PROTO("void (struct oom_control *, const char *)")
int BPF_PROG(oom_begin, struct oom_control *oc)
{
	struct now *now = now_get();

	if (!now)
		return 0;
	now->scope = oc->constraint;
	now->order = oc->order;
	now->limit = oc->totalpages;
	now->limit_cgroup = oc->memcg->css.cgroup->kn->id;
	return 0;
}

/* For the victim, and with memory.oom.group for each other process of its cgroup. */
SEC("fentry/__oom_kill_process")
PROTO("void (struct task_struct *, const char *)")
int BPF_PROG(oom_victim, struct task_struct *victim)
{
	struct now *now = now_get();

	if (now)
		now->killing = 1;
	return 0;
}

/* The thread that still has the memory. Processes that were ending anyway are marked, too. */
SEC("fentry/mark_oom_victim")
PROTO("void (struct task_struct *)")
int BPF_PROG(oom_killed, struct task_struct *victim)
{
	struct now *now = now_get();

	if (!now || !now->killing)
		return 0;
	kill_count(now->scope);
	kill_keep(now, victim);
	return 0;
}

SEC("fexit/__oom_kill_process")
PROTO("void (struct task_struct *, const char *)")
int BPF_PROG(oom_end, struct task_struct *victim, const char *message)
{
	struct now *now = now_get();

	if (now)
		now->killing = 0;
	return 0;
}
