// SPDX-License-Identifier: GPL-2.0-only
/*
 * hw_cache: what the processor's own counters say of caches and TLB, per process, exactly.
 *
 *   l1d     level 1 data cache: loads, and those that missed
 *   llc     last level cache: the same
 *   dtlb    translation of data addresses: the same
 *
 * One hook beside those of procs.bpf.h, sched_switch: each counter is read as a task leaves the processor, and the difference to
 * the reading before is that task's, with the interrupts that hit it. Nothing is sampled, and
 * nothing scaled: the counters are pinned, so each counts always or is not there. `load` opens one
 * of each per processor (perf_event_open), and the maps keep them open; there is no process.
 *
 * A counter that not all processors have, or that others have taken, is not available: `load`
 * says why, and no output has a column for it. Without any (most virtual machines) there is no probe.
 *
 * Costs 960 instructions a switch with three counters of the kernel in place of the processor's, and one
 * that is not there (1,917 a byte there and back through pipes; 6.1, the whole path). What reading
 * counters of hardware costs is not measured, for want of a machine that has them. 1.6 MiB, and
 * beyond what `load` foretells the kernel's perf events, six for each processor.
 *
 * Cannot see: what a process that is still running did since it was last switched; processors that
 * were not online when the probe was loaded, or have been away since (they count under `no_counter`,
 * one for each task that leaves them); what other threads of a core did to its caches.
 */
#include "pinscope.bpf.h"

/* X(NAME, EVENT); other builds count other events. */
#ifndef COUNTERS
/* PERF_TYPE_HW_CACHE; in the second number the cache, and 0x10000 where it is misses. */
#define COUNTERS(X)                                                                                \
	X(l1d_loads, "3 0x00000")                                                                  \
	X(l1d_misses, "3 0x10000")                                                                 \
	X(llc_loads, "3 0x00002")                                                                  \
	X(llc_misses, "3 0x10002")                                                                 \
	X(dtlb_loads, "3 0x00003")                                                                 \
	X(dtlb_misses, "3 0x10003")
#endif

#define MEMBER(name, event) count_t name;
#define PROC_STATS	    COUNTERS(MEMBER)
#define LOSSES                                                                                     \
	PROC_LOSSES;                                                                               \
	count_t no_counter /* times a task left a processor without counters */

#include "procs.bpf.h"

PROBE("cpu", "cache and TLB loads and misses of each process, by the processor's counters");

struct config {
	struct proc_filter filter;
};

struct config config SEC(".data.config") = {};

#define MAP(name, event)                                                                           \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);                                       \
		__uint(map_flags, BPF_F_PRESERVE_ELEMS);                                           \
		__uint(key_size, sizeof(u32));                                                     \
		__uint(value_size, sizeof(u32));                                                   \
	} name SEC(".maps") COUNTER(event);

COUNTERS(MAP)

/* The readings as the current task came. */
struct readings {
	u32 epoch;
	u32 pad;
	struct stats counters;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct readings);
} readings SEC(".maps") INTERNAL;

/* When a counter was read first: `load` opens them after this program has begun to run. */
static u64 first_read;

#define OPENING_NS (1000 * 1000 * 1000) /* they are opened one by one */

static __always_inline void note(bool any)
{
	if (any && !first_read)
		first_read = bpf_ktime_get_ns();
	else if (!any && first_read && bpf_ktime_get_ns() - first_read > OPENING_NS)
		LOSE(no_counter);
}

/* By how much a counter grew since `last`, which becomes what it is now. */
static __always_inline u64 grown(void *counter, u64 *last, bool *any)
{
	struct bpf_perf_event_value now;
	u64 was = *last;

	if (bpf_perf_event_read_value(counter, BPF_F_CURRENT_CPU, &now, sizeof(now)))
		return 0;
	*any = true;
	*last = now.counter;
	return now.counter - was;
}

SEC("tp_btf/sched_switch")
PROTO("void (bool, struct task_struct *, struct task_struct *)")
int BPF_PROG(task_left, u8 preempt, struct task_struct *task, struct task_struct *next)
{
	bool ours = filter_task(&config.filter, task), any = false;
	struct stats grew, *into;
	struct readings *last;
	u32 key = 0;

	if (!ours && !filter_task(&config.filter, next))
		return 0;
	last = bpf_map_lookup_elem(&readings, &key);
	if (!last)
		return 0;
#define READ(name, event) grew.name = grown(&name, &last->counters.name, &any);
	COUNTERS(READ)
	note(any);
	/* Came under other settings: it may have been anybody's. */
	if (last->epoch != config.filter.epoch) {
		last->epoch = config.filter.epoch;
		return 0;
	}
	into = ours && any ? stats_of_task(task) : NULL;
	if (into)
		stats_fold(into, &grew);
	return 0;
}
