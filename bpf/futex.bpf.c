// SPDX-License-Identifier: GPL-2.0-only
/*
 * futex: waits for locks of processes, by process and address.
 *
 * Locks, condition variables, joins of threads and the like of user space enter the kernel only
 * to wait, and to wake who waits. A row is one address in one process: how long its threads
 * waited there (woken, timed out or interrupted), how often the value had changed before they
 * could wait (`again`), how often somebody woke there, and how many that were.
 *
 * Hooks: futex_wait (up to 6.6) or __futex_wait, futex_lock_pi, futex_wake, and from 5.16 on
 * futex_wait_multiple and futex_wait_requeue_pi; nothing runs in other system calls. Who waits at
 * several (futex_waitv) has waited at the one that woke it, or else at the first.
 *
 * Costs, in the programs alone (bpf_stats under icount, 6.1): 1,560 instructions a wait, 530 a
 * wake. Memory: 3.7 MiB with two processors.
 *
 * A row that was not used for 10 s gives its place to another that needs one; what it counted
 * goes to the rest. So processes that have exited are forgotten, but not what they counted.
 *
 * Cannot see: before 5.16, the waits of FUTEX_WAIT_REQUEUE_PI; wakes by FUTEX_WAKE_OP and FUTEX_REQUEUE, and that the latter moved a waiter to
 * another address: its wait is counted where it began. A PI lock has waits and no wakes. A lock in memory that processes share has a row in each of them, a wake is in that
 * of the waker.
 *
 * 5.10 does not let a program see the address that it is called with. There it is taken from
 * the registers that the system call was made with, on x86-64 and for processes of 64 bits.
 *
 * Variants, the better first:
 * variant pop     -DINNER_WAIT -DWAITV -DWAKE_POP
 * variant inner   -DINNER_WAIT -DWAITV
 * variant waitv   -DWAITV
 * variant outer
 * variant regs    -DREGS
 */
#include "pinscope.bpf.h"
#include "hist.bpf.h"

#define LOSSES                                                                                     \
	count_t table_full; /* no free row: counted under rest only */                             \
	count_t busy;	    /* the same, because another processor was just making the row */      \
	count_t no_memory;  /* nowhere to keep a beginning: the wait was not measured */           \
	count_t backwards   /* an end before its beginning: not recorded */

#include "loss.bpf.h"
#include "config.bpf.h"
#include "slots.bpf.h"

PROBE("lock", "waits for futexes (locks of user space), by process and address");

#define EINTR		      4
#define EAGAIN		      11
#define ETIMEDOUT	      110
#define ERESTARTSYS	      512 /* and what follows: how a signal ends a system call */
#define ERESTART_RESTARTBLOCK 516

#define IDLE_NS		      (10ULL * 1000 * 1000 * 1000)

/* Members of a row and of the rest: not a struct in the row, so that each has its name there. */
#define STATS                                                                                      \
	nsec_minihist_t wait; /* until woken, timed out or interrupted */                          \
	count_t timeouts;                                                                          \
	count_t interrupted; /* by a signal */                                                     \
	count_t again;	     /* did not wait: the value had changed */                             \
	count_t errors;	     /* did not wait, either: a bad address, a deadlock .. */              \
	count_t wakes;	     /* calls */                                                           \
	count_t woken	     /* threads that were woken by them */

struct stats {
	STATS;
};

struct use {
	u64 last;
} INTERNAL;

struct row {
	struct slot slot;
	struct use use;
	tgid_t pid;
	u32 pad;
	comm_t comm;
	cgroupid_t cgroup;
	uaddr_t address;
	mono_t first_seen_ns;
	STATS;
};

struct config {
	epoch_t epoch; /* what was begun under other settings is not finished under these */
	flag_t paused;
	tgid_t pid;
	u32 pad;
	cgroupid_t cgroup;
	nsec_setting_t min_latency; /* shorter waits are not kept */
};

struct config config CONFIG = {};

struct waits {
	nsec_hist_t woken;
	nsec_hist_t timed_out;
	nsec_hist_t interrupted;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct waits);
} waits SEC(".maps") LABEL("end") HELP("all waits, by how they ended");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8192);
	__type(key, u32);
	__type(value, struct row);
} futexes SEC(".maps") HELP("addresses that threads of a process wait or wake at");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct stats);
} rest SEC(".maps") HELP("what is not under a row of futexes: replaced, or never had one");

struct begin {
	u64 since;
	u64 epoch;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, u32); /* the thread */
	__type(value, struct begin);
} waiters SEC(".maps") INTERNAL;

/* What somebody is changing: places that are taken, by index, and rows that are made, by owner. */
MAKING(making);

static __always_inline struct stats *row_stats(struct row *row)
{
	return (struct stats *)&row->wait;
}

static __always_inline struct stats *stats_rest(void)
{
	u32 key = 0;

	return bpf_map_lookup_elem(&rest, &key);
}

static __always_inline void stats_fold(struct stats *into, const struct stats *from)
{
	minihist_fold(&into->wait, &from->wait);
	__sync_fetch_and_add(&into->timeouts, from->timeouts);
	__sync_fetch_and_add(&into->interrupted, from->interrupted);
	__sync_fetch_and_add(&into->again, from->again);
	__sync_fetch_and_add(&into->errors, from->errors);
	__sync_fetch_and_add(&into->wakes, from->wakes);
	__sync_fetch_and_add(&into->woken, from->woken);
}

static __always_inline bool own(u64 what)
{
	u32 one = 1;

	return !bpf_map_update_elem(&making, &what, &one, BPF_NOEXIST);
}

static __always_inline void disown(u64 what)
{
	bpf_map_delete_elem(&making, &what);
}

/*
 * Different for all that differ: the process is its number and when it began. The highest bit
 * keeps it apart from 0 and from an index.
 */
static __always_inline u64 owner_of(u64 address)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	u64 owner = BPF_CORE_READ(task, group_leader, start_time);

	owner ^= bpf_get_current_pid_tgid() >> 32 << 40;
	owner = (owner ^ address) * 0x9e3779b97f4a7c15ULL;
	owner ^= owner >> 32;
	return (owner * 0x9e3779b97f4a7c15ULL) | 1ULL << 63;
}

static __always_inline bool vacant(const struct row *row, u64 now)
{
	return !row->slot.owner || (s64)(now - row->use.last) > (s64)IDLE_NS;
}

static __always_inline void row_init(struct row *row, u64 owner, u64 address, u64 now)
{
	struct stats *into = stats_rest();

	if (row->slot.owner && into) {
		row->slot.owner = SLOT_FREED;
		stats_fold(into, row_stats(row));
	}
	__builtin_memset(row_stats(row), 0, sizeof(struct stats));
	row->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(&row->comm, sizeof(row->comm));
	row->cgroup = bpf_get_current_cgroup_id();
	row->address = address;
	row->first_seen_ns = row->use.last = now;
	row->slot.owner = owner;
}

/* Somebody else may have taken the place before it was ours. */
static __always_inline bool row_take(struct row *row, u32 at, u64 owner, u64 address, u64 now)
{
	bool ours;

	if (!vacant(row, now) || !own(at))
		return false;
	ours = vacant(row, now);
	if (ours)
		row_init(row, owner, address, now);
	disown(at);
	return ours;
}

static __noinline int row_place(u64 owner, u64 address, u64 now)
{
	u32 size = slots_size(&futexes), at = slot_home(owner, size);

	for (int i = 0; i < SLOT_WINDOW; i++) {
		struct row *row = bpf_map_lookup_elem(&futexes, &at);

		if (row && row_take(row, at, owner, address, now))
			return 0;
		at = slot_next(at, size);
	}
	LOSE(table_full);
	return 0;
}

static __noinline int row_make(u64 owner, u64 address, u64 now)
{
	if (!own(owner)) {
		LOSE(busy);
		return 0;
	}
	if (!slot_find(&futexes, owner))
		row_place(owner, address, now);
	disown(owner);
	return 0;
}

static __always_inline struct stats *stats_at(u64 address, u64 now)
{
	u64 owner = owner_of(address);
	struct row *row = slot_find(&futexes, owner);

	if (!row) {
		row_make(owner, address, now);
		row = slot_find(&futexes, owner);
	}
	if (!row)
		return stats_rest();
	row->use.last = now;
	return row_stats(row);
}

static __always_inline bool wanted(void)
{
	if (config.paused)
		return false;
	if (config.pid && config.pid != bpf_get_current_pid_tgid() >> 32)
		return false;
	return !config.cgroup || config.cgroup == bpf_get_current_cgroup_id();
}

static __always_inline int wait_begin(void)
{
	u32 thread = bpf_get_current_pid_tgid();
	struct begin begin = {.epoch = config.epoch};

	if (!wanted())
		return 0;
	begin.since = bpf_ktime_get_ns();
	if (bpf_map_update_elem(&waiters, &thread, &begin, BPF_ANY))
		LOSE(no_memory);
	return 0;
}

/* When the thread began to wait; 0: not to be recorded. */
static __always_inline u64 wait_began(void)
{
	u32 thread = bpf_get_current_pid_tgid();
	struct begin *begin = bpf_map_lookup_elem(&waiters, &thread);
	u64 since;

	if (!begin)
		return 0;
	since = begin->epoch == config.epoch ? begin->since : 0;
	bpf_map_delete_elem(&waiters, &thread);
	return since;
}

static __always_inline bool by_signal(int ret)
{
	return ret == -EINTR || (ret <= -ERESTARTSYS && ret >= -ERESTART_RESTARTBLOCK);
}

static __noinline int wait_record(u64 address, int ret, u64 ns, u64 now)
{
	bool timed_out = ret == -ETIMEDOUT, interrupted = by_signal(ret);
	struct waits *all;
	struct stats *stats;
	u32 slot, key = 0;

	stats = stats_at(address, now);
	if (!stats)
		return 0;
	if (ret && !timed_out && !interrupted) {
		__sync_fetch_and_add(ret == -EAGAIN ? &stats->again : &stats->errors, 1);
		return 0;
	}
	if (ns < config.min_latency)
		return 0;
	if (ret)
		__sync_fetch_and_add(timed_out ? &stats->timeouts : &stats->interrupted, 1);
	slot = hist_slot(ns);
	minihist_add_shared(&stats->wait, slot, ns);
	all = bpf_map_lookup_elem(&waits, &key);
	if (all)
		hist_add(!ret	     ? &all->woken
			 : timed_out ? &all->timed_out
				     : &all->interrupted,
			 slot, ns);
	return 0;
}

static __always_inline int wait_end(u64 address, int ret)
{
	u64 since = wait_began(), now;

	if (!since)
		return 0;
	now = bpf_ktime_get_ns();
	if (now < since)
		LOSE(backwards);
	else
		wait_record(address, ret, now - since, now);
	return 0;
}

static __always_inline int woke(u64 address, int woken)
{
	struct stats *stats;

	if (!wanted())
		return 0;
	stats = stats_at(address, bpf_ktime_get_ns());
	if (!stats)
		return 0;
	__sync_fetch_and_add(&stats->wakes, 1);
	if (woken > 0)
		__sync_fetch_and_add(&stats->woken, woken);
	return 0;
}

#ifdef REGS
#define THREAD_SIZE 16384

/* At the end of the task's stack lie the registers of the system call. */
static __always_inline u64 address_here(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	void *end = BPF_CORE_READ(task, stack) + THREAD_SIZE;
	struct pt_regs *regs = end - bpf_core_type_size(struct pt_regs);

	return BPF_CORE_READ(regs, di);
}
#define ADDRESS(argument) address_here()
#else
#define ADDRESS(argument) ((u64)(argument))
#endif

#ifdef INNER_WAIT
#define WAIT	   "__futex_wait"
#define WAIT_PROTO PROTO("int (u32 *, unsigned int, u32, struct hrtimer_sleeper *, u32)")
#else
#define WAIT	   "futex_wait"
#define WAIT_PROTO PROTO("int (u32 *, unsigned int, u32, ktime_t *, u32)")
#endif

SEC("fentry/" WAIT)
WAIT_PROTO
int BPF_PROG(futex_wait_begin)
{
	return wait_begin();
}

SEC("fexit/" WAIT)
WAIT_PROTO
int BPF_PROG(futex_wait_end, u32 *address, u32 flags, u32 value, void *timeout, u32 bits, int ret)
{
	return wait_end(ADDRESS(address), ret);
}

SEC("fentry/futex_lock_pi")
PROTO("int (u32 *, unsigned int, ktime_t *, int)")
int BPF_PROG(futex_lock_pi_begin)
{
	return wait_begin();
}

SEC("fexit/futex_lock_pi")
PROTO("int (u32 *, unsigned int, ktime_t *, int)")
int BPF_PROG(futex_lock_pi_end, u32 *address, u32 flags, void *timeout, int trylock, int ret)
{
	return wait_end(ADDRESS(address), ret);
}

#ifdef WAITV
SEC("fentry/futex_wait_requeue_pi")
PROTO("int (u32 *, unsigned int, u32, ktime_t *, u32, u32 *)")
int BPF_PROG(futex_wait_pi_begin)
{
	return wait_begin();
}

SEC("fexit/futex_wait_requeue_pi")
PROTO("int (u32 *, unsigned int, u32, ktime_t *, u32, u32 *)")
int BPF_PROG(futex_wait_pi_end, u32 *address, u32 flags, u32 value, void *timeout, u32 bits,
	     u32 *lock, int ret)
{
	return wait_end(ADDRESS(address), ret);
}

SEC("fentry/futex_wait_multiple")
PROTO("int (struct futex_vector *, unsigned int, struct hrtimer_sleeper *)")
int BPF_PROG(futex_waitv_begin)
{
	return wait_begin();
}

/* What is returned is the number of the one that woke the thread. */
SEC("fexit/futex_wait_multiple")
PROTO("int (struct futex_vector *, unsigned int, struct hrtimer_sleeper *)")
int BPF_PROG(futex_waitv_end, void *vector, u32 count, void *timeout, int ret)
{
	struct futex_vector *at = NULL;

	/* As a number, which can be calculated with. */
	bpf_probe_read_kernel(&at, sizeof(at), ctx);
	if (ret > 0)
		at = (void *)at + ret * bpf_core_type_size(struct futex_vector);
	return wait_end(BPF_CORE_READ(at, w.uaddr), ret > 0 ? 0 : ret);
}
#endif

#ifdef WAKE_POP
SEC("fexit/futex_wake")
PROTO("int (u32 *, unsigned int, void *, int, u32)")
int BPF_PROG(futex_wake_end, u32 *address, u32 flags, void *pop, int wanted, u32 bits, int woken)
{
	return woke(ADDRESS(address), woken);
}
#else
SEC("fexit/futex_wake")
PROTO("int (u32 *, unsigned int, int, u32)")
int BPF_PROG(futex_wake_end, u32 *address, u32 flags, int wanted, u32 bits, int woken)
{
	return woke(ADDRESS(address), woken);
}
#endif
