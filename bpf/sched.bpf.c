// SPDX-License-Identifier: GPL-2.0-only
/*
 * sched: where the time of each process goes: on a processor, waiting for one, or off it and why;
 * how long its threads wait from wakeup to run; switches and migrations.
 *
 *   wakeup_latency  from a wakeup (or the first one, of a new thread) to the processor
 *   oncpu           running
 *   runnable        waiting for a processor: woken, or made to leave one
 *   sleep           interruptible: for a timer, a pipe, a packet ...; stopped
 *   futex           interruptible, in futex(): a lock or a condition of user space
 *   io              for a block device, or what the kernel counts as that (iowait)
 *   lock            for a mutex, a semaphore or the like in the kernel
 *   blocked         any other uninterruptible wait
 *
 * Each stretch of time is counted when it ends: what sleeps now has not counted that yet.
 *
 * Hooks:
 *   sched_switch                       a thread leaves the processor to another
 *   sched_wakeup, sched_wakeup_new     a thread becomes runnable
 *   sched_migrate_task                 ... on another processor
 *   contention_begin, contention_end   the running thread cannot have a lock at once
 *
 * What each thread has been doing since when is in a flat table by the address of its task_struct
 * (slots.bpf.h) until its last switch, so that no other thread is ever taken for it. The
 * scheduler's locks see to one writer at a time. Voluntary and involuntary switches are the kernel's
 * own count.
 *
 * Costs 1,581 instructions a round of a byte through two pipes, which is two switches and two
 * wakeups (6.1, whole path; runqlat in the same boot 3,168). Before the switches were taken from the
 * kernel's counts it was 1,547, and 1,355 where min_latency keeps all out of the histograms, 662
 * where the pid is another, 388 paused. 5 MiB of kernel memory.
 *
 * Cannot see: the futexes of 32-bit processes (they are under sleep); waits that began before the
 * probe was loaded, resumed or set otherwise. The last switch of a thread whose pid is in use again is
 * in the rest.
 *
 * Variants, the better first:
 * variant contention -DCONTENTION
 * variant switch
 */
#include "pinscope.bpf.h"
#include "hist.bpf.h"

/* Without the tracepoints of contention, waits for locks are under `blocked`. */
#ifdef CONTENTION
#define LOCK_WAIT nsec_t lock;
#else
#define LOCK_WAIT
#endif

#ifdef __TARGET_ARCH_x86
#define FUTEX_WAIT nsec_t futex;
#else
#define FUTEX_WAIT
#endif

#define PROC_STATS                                                                                 \
	nsec_minihist_t wakeup_latency;                                                            \
	count_t voluntary;   /* switches: the thread waits for something */                        \
	count_t involuntary; /* it would have gone on */                                           \
	count_t migrations;  /* of its threads, to another processor */                            \
	nsec_t oncpu;                                                                              \
	nsec_t runnable;                                                                           \
	nsec_t sleep;                                                                              \
	FUTEX_WAIT                                                                                 \
	nsec_t io;                                                                                 \
	LOCK_WAIT                                                                                  \
	nsec_t blocked

#define LOSSES                                                                                     \
	PROC_LOSSES;                                                                               \
	count_t untracked; /* switches of threads for which there was no place in `threads` */     \
	count_t backwards  /* an end before its start: not recorded */

#define STATS_FOLD
#include "procs.bpf.h"

PROBE("cpu", "time on and off the processors by cause, wakeup latency, switches, migrations");

/* What a thread does. */
enum doing {
	DOING_UNKNOWN,
	DOING_RUN,
	DOING_WAIT, /* for a processor, which it had to leave */
	DOING_SLEEP,
	DOING_FUTEX,
	DOING_IO,
	DOING_LOCK,
	DOING_BLOCKED,
};

struct thread {
	struct slot slot;
	u64 since;     /* of `doing` */
	u64 woken;     /* 0: it is not; since then it waits for a processor */
	u32 epoch;     /* of the settings under which all this began */
	u32 voluntary; /* the kernel's counts at the last switch */
	u32 involuntary;
	u32 doing;
	u32 in_lock;
	u32 pad;
};

struct config {
	struct proc_filter filter;
	nsec_setting_t min_latency; /* shorter ones are not in the histograms */
};

struct config config SEC(".data.config") = {};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, nsec_hist_t);
} wakeup_latency SEC(".maps") HELP("from wakeup to run, all processes");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, struct thread);
} threads SEC(".maps") INTERNAL;

CLAIMS(thread_claims, 16384);

static __always_inline void stats_fold(struct stats *into, const struct stats *from)
{
	minihist_fold(&into->wakeup_latency, &from->wakeup_latency);
	__sync_fetch_and_add(&into->voluntary, from->voluntary);
	__sync_fetch_and_add(&into->involuntary, from->involuntary);
	__sync_fetch_and_add(&into->migrations, from->migrations);
	__sync_fetch_and_add(&into->oncpu, from->oncpu);
	__sync_fetch_and_add(&into->runnable, from->runnable);
	__sync_fetch_and_add(&into->sleep, from->sleep);
#ifdef __TARGET_ARCH_x86
	__sync_fetch_and_add(&into->futex, from->futex);
#endif
	__sync_fetch_and_add(&into->io, from->io);
#ifdef CONTENTION
	__sync_fetch_and_add(&into->lock, from->lock);
#endif
	__sync_fetch_and_add(&into->blocked, from->blocked);
}

static __always_inline void thread_forget(struct thread *thread)
{
	thread->doing = DOING_UNKNOWN;
	thread->woken = 0;
	thread->epoch = config.filter.epoch;
}

static __noinline int thread_make(u64 owner)
{
	struct thread *thread = slot_claim(&threads, &thread_claims, owner);

	if (!thread) {
		LOSE(untracked);
		return 0;
	}
	thread_forget(thread);
	thread->in_lock = 0;
	thread->slot.owner = owner;
	return 0;
}

static __always_inline struct thread *thread_get(struct task_struct *task)
{
	struct thread *thread = slot_find(&threads, (u64)task);

	if (!thread) {
		thread_make((u64)task);
		thread = slot_find(&threads, (u64)task);
	}
	if (thread && thread->epoch != config.filter.epoch)
		thread_forget(thread);
	return thread;
}

/* NULL: not to be kept. A process may come to the filter's cgroup, and go. */
static __always_inline struct thread *thread_wanted(struct task_struct *task)
{
	struct thread *thread;

	if (!task->pid)
		return NULL;
	if (filter_task(&config.filter, task))
		return thread_get(task);
	if (config.filter.active & FILTER_CGROUP) {
		thread = slot_find(&threads, (u64)task);
		if (thread)
			thread_forget(thread);
	}
	return NULL;
}

static __always_inline u32 task_state(struct task_struct *task)
{
	if (bpf_core_field_exists(task->__state))
		return task->__state;
	return ((struct task_struct___5_13 *)task)->state;
}

/* One of the system calls that wait for a futex. */
static __always_inline bool in_futex(struct task_struct *task)
{
#ifdef __TARGET_ARCH_x86
	u64 nr;

	if (!task->mm)
		return false;
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		nr = ((struct pt_regs *)bpf_task_pt_regs(task))->orig_ax;
	else
		nr = BPF_CORE_READ((struct pt_regs *)(task->stack + THREAD_SIZE -
						      bpf_core_type_size(struct pt_regs)),
				   orig_ax);
	return nr == NR_futex || nr == NR_futex_waitv || nr == NR_futex_wait;
#else
	return false;
#endif
}

/* What a thread does that leaves the processor. */
static __always_inline u32 leaves_to(struct thread *thread, struct task_struct *task, bool preempt)
{
	u32 state = task_state(task);

	if (preempt || !state)
		return DOING_WAIT;
	if (BPF_CORE_READ_BITFIELD(task, in_iowait))
		return DOING_IO;
	if (thread->in_lock)
		return DOING_LOCK;
	if (state & TASK_UNINTERRUPTIBLE && !(state & TASK_NOLOAD))
		return DOING_BLOCKED;
	return state & TASK_INTERRUPTIBLE && in_futex(task) ? DOING_FUTEX : DOING_SLEEP;
}

static __always_inline u64 elapsed(u64 since, u64 now)
{
	if (now >= since)
		return now - since;
	LOSE(backwards);
	return 0;
}

/* The pid of what has ended may be another's already. */
static __always_inline struct stats *stats_of_dead(struct task_struct *task)
{
	struct proc *proc = proc_find(task->tgid);

	return proc && proc->started_ns == task->group_leader->start_time ? proc_stats(proc)
									  : stats_rest();
}

/* The kernel has just counted this switch. */
static __always_inline void count_switches(struct thread *thread, struct task_struct *task,
					   struct stats *stats)
{
	u32 voluntary = task->nvcsw, involuntary = task->nivcsw;

	if (stats && voluntary != thread->voluntary)
		__sync_fetch_and_add(&stats->voluntary, voluntary - thread->voluntary);
	if (stats && involuntary != thread->involuntary)
		__sync_fetch_and_add(&stats->involuntary, involuntary - thread->involuntary);
	thread->voluntary = voluntary;
	thread->involuntary = involuntary;
}

static __always_inline void thread_leaves(struct task_struct *task, bool preempt, u64 now)
{
	struct thread *thread = thread_wanted(task);
	struct stats *stats = NULL;

	if (!thread)
		return;
	if (thread->doing)
		stats = task_state(task) & TASK_DEAD ? stats_of_dead(task) : stats_of_task(task);
	if (stats && thread->doing == DOING_RUN)
		__sync_fetch_and_add(&stats->oncpu, elapsed(thread->since, now));
	count_switches(thread, task, stats);
	thread->doing = leaves_to(thread, task, preempt);
	thread->since = now;
	thread->woken = 0;
}

static __always_inline u64 *stats_off(struct stats *stats, u32 doing)
{
	switch (doing) {
	case DOING_WAIT:
		return &stats->runnable;
	case DOING_SLEEP:
		return &stats->sleep;
#ifdef __TARGET_ARCH_x86
	case DOING_FUTEX:
		return &stats->futex;
#endif
	case DOING_IO:
		return &stats->io;
#ifdef CONTENTION
	case DOING_LOCK:
		return &stats->lock;
#endif
	default:
		return &stats->blocked;
	}
}

static __always_inline void record_wakeup(struct stats *stats, u64 ns)
{
	struct hist *all;
	u32 slot, key = 0;

	if (ns < config.min_latency)
		return;
	slot = hist_slot(ns);
	all = bpf_map_lookup_elem(&wakeup_latency, &key);
	if (all)
		hist_add(all, slot, ns);
	minihist_add_shared(&stats->wakeup_latency, slot, ns);
}

static __always_inline void thread_comes(struct task_struct *task, u64 now)
{
	struct thread *thread = thread_wanted(task);
	struct stats *stats;
	u64 ended;

	if (!thread)
		return;
	stats = thread->doing != DOING_RUN ? stats_of_task(task) : NULL;
	if (!thread->doing) {
		count_switches(thread, task, NULL);
	} else if (stats) {
		ended = thread->woken ? thread->woken : now;
		__sync_fetch_and_add(stats_off(stats, thread->doing),
				     elapsed(thread->since, ended));
	}
	if (stats && thread->woken) {
		u64 ns = elapsed(thread->woken, now);

		__sync_fetch_and_add(&stats->runnable, ns);
		record_wakeup(stats, ns);
	}
	thread->doing = DOING_RUN;
	thread->since = now;
	thread->woken = 0;
}

SEC("tp_btf/sched_switch")
PROTO("void (bool, struct task_struct *, struct task_struct *)")
int BPF_PROG(sched_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	struct thread *dead;
	u64 now;

	if (!(config.filter.active & FILTER_PAUSED)) {
		now = bpf_ktime_get_ns();
		thread_leaves(prev, preempt, now);
		thread_comes(next, now);
	}
	if (task_state(prev) & TASK_DEAD) {
		dead = slot_find(&threads, (u64)prev);
		if (dead)
			slot_drop(&dead->slot, &thread_claims);
	}
	return 0;
}

/* What is not asleep can be woken, too; that changes nothing. */
static __always_inline int woken(struct task_struct *task, bool asleep)
{
	struct thread *thread = thread_wanted(task);

	if (thread && !thread->woken && (asleep ? thread->doing > DOING_WAIT : !thread->doing))
		thread->woken = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/sched_wakeup")
PROTO("void (struct task_struct *)")
int BPF_PROG(sched_wakeup, struct task_struct *task)
{
	return woken(task, true);
}

SEC("tp_btf/sched_wakeup_new")
PROTO("void (struct task_struct *)")
int BPF_PROG(sched_wakeup_new, struct task_struct *task)
{
	return woken(task, false);
}

SEC("tp_btf/sched_migrate_task")
PROTO("void (struct task_struct *, int)")
int BPF_PROG(sched_migrate_task, struct task_struct *task)
{
	struct stats *stats = filter_task(&config.filter, task) ? stats_of_task(task) : NULL;

	if (stats)
		__sync_fetch_and_add(&stats->migrations, 1);
	return 0;
}

#ifdef CONTENTION
static __always_inline int in_lock(bool in)
{
	struct thread *thread = slot_find(&threads, bpf_get_current_task());

	if (thread)
		thread->in_lock = in;
	return 0;
}

SEC("tp_btf/contention_begin")
PROTO("void (void *, unsigned int)")
int BPF_PROG(contention_begin, void *lock, unsigned int flags)
{
	return flags & LCB_F_SPIN ? 0 : in_lock(true);
}

SEC("tp_btf/contention_end")
PROTO("void (void *, int)")
int BPF_PROG(contention_end, void *lock)
{
	return in_lock(false);
}
#endif
