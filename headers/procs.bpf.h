/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A table with a row for each process, which costs an event one find in a flat array (slots.bpf.h).
 *
 * Before it includes this, the probe defines PROC_STATS, the members it counts. If they are not all
 * sums of 64 bits it defines STATS_FOLD too, and afterwards stats_fold, which adds one struct stats
 * to another with atomics. What it then counts in stats_of_current() or stats_of_task(), with
 * atomics, is under the row of that process, or in `rest` if there is no room for one.
 *
 * Name and cgroup are taken when the row is made and when the process gets a name (by exec, most
 * of all), not per event. A process that has exited keeps its row, to which what it still does is
 * counted, until the place is needed or its pid is that of another process, which has a row of its
 * own. Then the numbers go to `rest`: the sum of both maps never shrinks.
 *
 * States: the row of a process is found by slot.owner. Its place is taken while its index is in
 * `claims`, from the first event to the exit; who wants it afterwards must win it there.
 */
#pragma once

#include "pinscope.bpf.h"

#define PROC_LOSSES                                                                                \
	count_t table_full; /* events that are in the rest, because there is no free row */        \
	count_t busy	    /* the same, because another processor was just making the row */

/* A probe with more defines LOSSES as PROC_LOSSES and those. */
#ifndef LOSSES
#define LOSSES PROC_LOSSES
#endif

#include "loss.bpf.h"
#include "slots.bpf.h"

enum state {
	STATE_ALIVE,
	STATE_EXITED,
};

struct proc {
	struct slot slot;
	tgid_t pid;
	enum state state;
	comm_t comm;
	cgroupid_t cgroup;
	mono_t started_ns;
	PROC_STATS;
};

struct stats {
	PROC_STATS;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8192);
	__type(key, u32);
	__type(value, struct proc);
} procs SEC(".maps") ROW("pid started_ns") HELP("processes, alive and recently exited");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct stats);
} rest SEC(".maps") HELP("what is not under a row of procs: exited and replaced, or never had one");

CLAIMS(claims, 8192);

MAKING(making); /* several threads of a process may want its row at once */

#ifdef STATS_FOLD
static void stats_fold(struct stats *into, const struct stats *from);
#else
/* Unrolled, so that of what the compiler knows to be zero nothing is left. */
static __always_inline void stats_fold(struct stats *into, const struct stats *from)
{
	const u64 *what = (const u64 *)from;
	u64 *to = (u64 *)into;

#pragma unroll
	for (u32 i = 0; i < sizeof(*into) / sizeof(*to); i++)
		if (what[i])
			__sync_fetch_and_add(&to[i], what[i]);
}
#endif

static __always_inline struct stats *proc_stats(struct proc *proc)
{
	return (struct stats *)(&proc->started_ns + 1);
}

static __always_inline struct stats *stats_rest(void)
{
	u32 key = 0;

	return bpf_map_lookup_elem(&rest, &key);
}

/* slot_home leaves out the 6 lowest bits; 0 is the idle tasks, which have a row, too. */
static __always_inline u64 proc_owner(u32 tgid)
{
	return (u64)tgid << 6 | 2;
}

static __always_inline struct proc *proc_find(u32 tgid)
{
	return slot_find(&procs, proc_owner(tgid));
}

static __always_inline bool proc_claim(u32 at, u64 owner)
{
	return !bpf_map_update_elem(&claims, &at, &owner, BPF_NOEXIST);
}

/* First a place never used, then one whose process has exited. */
static __always_inline struct proc *proc_place(u64 owner)
{
	u32 size = slots_size(&procs), at = slot_home(owner, size);

	for (int i = 0; i < 2 * SLOT_WINDOW; i++) {
		struct proc *proc = bpf_map_lookup_elem(&procs, &at);
		bool again = i >= SLOT_WINDOW;

		if (proc && (again ? proc->state == STATE_EXITED : !proc->slot.owner) &&
		    proc_claim(at, owner)) {
			proc->slot.index = at;
			return proc;
		}
		at = i == SLOT_WINDOW - 1 ? slot_home(owner, size) : slot_next(at, size);
	}
	return NULL;
}

static __always_inline void proc_reset(struct proc *proc)
{
	struct stats *into = stats_rest();

	proc->slot.owner = SLOT_FREED;
	if (into)
		stats_fold(into, proc_stats(proc));
	__builtin_memset(proc_stats(proc), 0, sizeof(struct stats));
}

static __always_inline void proc_init(struct proc *proc, struct task_struct *task, u32 tgid)
{
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);

	if (proc->slot.owner)
		proc_reset(proc);
	proc->pid = tgid;
	proc->state = STATE_ALIVE;
	proc->started_ns = BPF_CORE_READ(leader, start_time);
	proc->cgroup = BPF_CORE_READ(leader, cgroups, dfl_cgrp, kn, id);
	BPF_CORE_READ_INTO(&proc->comm, leader, comm);
	proc->slot.owner = proc_owner(tgid);
}

/*
 * What begins to count as it ends would keep its row for ever: it goes to the rest. (The first idle
 * task has no such number, and no end.)
 */
static __noinline int proc_make(struct task_struct *task, u32 tgid)
{
	u64 owner = proc_owner(tgid);
	struct proc *proc;
	u32 one = 1;

	if (tgid && !BPF_CORE_READ(task, signal, live.counter))
		return 0;
	if (bpf_map_update_elem(&making, &owner, &one, BPF_NOEXIST)) {
		LOSE(busy);
		return 0;
	}
	if (!proc_find(tgid)) {
		proc = proc_place(owner);
		if (proc)
			proc_init(proc, task, tgid);
		else
			LOSE(table_full);
	}
	bpf_map_delete_elem(&making, &owner);
	return 0;
}

static __always_inline struct stats *stats_known(u32 tgid)
{
	struct proc *proc = proc_find(tgid);

	return proc ? proc_stats(proc) : NULL;
}

static __always_inline struct stats *stats_made(struct task_struct *task, u32 tgid)
{
	proc_make(task, tgid);
	return stats_known(tgid) ?: stats_rest();
}

/* Of the process that runs. */
static __always_inline struct stats *stats_of_current(void)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32;

	return stats_known(tgid) ?: stats_made((void *)bpf_get_current_task(), tgid);
}

/* Of a task that the verifier knows. */
static __always_inline struct stats *stats_of_task(struct task_struct *task)
{
	u32 tgid = task->tgid;

	return stats_known(tgid) ?: stats_made(task, tgid);
}

/* A pid that begins anew leaves the row of its last process. */
SEC("tp_btf/sched_process_fork")
PROTO("void (struct task_struct *, struct task_struct *)")
int BPF_PROG(proc_forked, struct task_struct *parent, struct task_struct *child)
{
	struct proc *proc = child->pid == child->tgid ? proc_find(child->tgid) : NULL;
	u32 at;

	if (!proc)
		return 0;
	at = proc->slot.index;
	if (proc_claim(at, SLOT_FREED)) {
		proc->slot.owner = SLOT_FREED;
		bpf_map_delete_elem(&claims, &at);
	}
	return 0;
}

SEC("tp_btf/sched_process_exit")
PROTO("void (struct task_struct *)")
int BPF_PROG(proc_exited, struct task_struct *task)
{
	struct proc *proc = task->signal->live.counter ? NULL : proc_find(task->tgid);
	u32 at;

	if (!proc || proc->state == STATE_EXITED)
		return 0;
	proc->state = STATE_EXITED;
	at = proc->slot.index;
	bpf_map_delete_elem(&claims, &at);
	return 0;
}

/* No tp_btf: 5.10 takes no pointers to characters there. */
SEC("raw_tp/task_rename")
PROTO("void (struct task_struct *, const char *)")
int BPF_PROG(proc_renamed, struct task_struct *task, const char *comm)
{
	u32 tgid = BPF_CORE_READ(task, tgid);
	struct proc *proc = BPF_CORE_READ(task, pid) == (int)tgid ? proc_find(tgid) : NULL;

	if (!proc)
		return 0;
	proc->cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
	bpf_probe_read_kernel_str(&proc->comm, sizeof(proc->comm), comm);
	return 0;
}

/* What is kept, by the process; what a probe's settings may begin with. */
struct proc_filter {
	epoch_t epoch; /* what was begun under other settings is not finished under these */
	mask_t active; /* the reader keeps it: which of the following are set */
	flag_t paused; /* keep nothing */
	tgid_t pid;
	cgroupid_t cgroup; /* its cgroup (v2), not counting child groups */
};

enum {
	FILTER_PAUSED = 1 << 0,
	FILTER_PID = 1 << 1,
	FILTER_CGROUP = 1 << 2,
};

static __always_inline bool filter_current(const struct proc_filter *filter)
{
	u32 active = filter->active;

	if (!active)
		return true;
	if (active & FILTER_PAUSED)
		return false;
	if (active & FILTER_PID && filter->pid != bpf_get_current_pid_tgid() >> 32)
		return false;
	return !(active & FILTER_CGROUP) || filter->cgroup == bpf_get_current_cgroup_id();
}

static __always_inline bool filter_task(const struct proc_filter *filter, struct task_struct *task)
{
	u32 active = filter->active;

	if (!active)
		return true;
	if (active & FILTER_PAUSED)
		return false;
	if (active & FILTER_PID && filter->pid != (u32)task->tgid)
		return false;
	return !(active & FILTER_CGROUP) || filter->cgroup == task->cgroups->dfl_cgrp->kn->id;
}
