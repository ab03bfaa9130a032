// SPDX-License-Identifier: GPL-2.0-only
/*
 * lock_contention: how long the kernel's locks are waited for, by kind of lock and call site.
 *
 * A wait lasts from where the kernel finds that it cannot have the lock at once to where it has
 * it or gives up; how long a lock is held is not measured. The call site is where the function
 * that takes the lock returns to.
 *
 * Hooks: contention_begin, contention_end (5.19 and later). Nothing runs when a lock is free.
 * Both can come in any context: a wait that sleeps is known by its lock and task, one that
 * spins by its lock and processor, on which those of interrupts lie upon those that they
 * interrupt.
 *
 * Finding the call site means to walk the stack, which takes longer than many a spin lock is
 * held. It is done at the end, so that it is no part of the wait, and only if that was longer
 * than min_site (10 us), so that what it adds to the time that the lock is held stays small
 * beside the wait. Shorter ones are under the site 0x0.
 *
 * Costs, in the programs alone (bpf_stats under icount, 6.1): about 2,000 instructions a wait
 * for a mutex, 8,000 with its call site. Memory: 2 MiB with two processors.
 *
 * Cannot see: waits that the kernel does not announce, which are those that spin for a rwsem
 * and get it without sleeping, and those of the first in line for a spin lock (by its pending
 * bit; on virtual machines with paravirtual spin locks there are none of these); who waits for
 * a PI futex (probe futex); from 6.8 on, the writer of a percpu_rwsem that waits for its readers
 * and not for another writer. (Of rtmutexes no wait of a known time was had: outside of realtime
 * kernels little but I2C uses them.) With a filter
 * on pid or cgroup, what spins in an interrupt is taken for whom it hits. A lock that is taken
 * through a small function of its user has that as call site (raw_spin_rq_lock_nested,
 * console_lock).
 *
 * Before there were those tracepoints (5.10), slow-path functions of the locks that sleep are
 * hooked. Nothing is ever attached to functions of spin locks, so the spinning kinds are
 * missing there, and rtmutex; and a wait is all of the slow path, with spinning in it, even
 * where the lock was free again at once. From 5.11 on these functions have other prototypes: up to
 * 5.18 there is no variant.
 *
 * Variants, the better first:
 * variant tracepoint
 * variant slowpath   -DSLOWPATH
 */
#include "pinscope.bpf.h"
#include "hist.bpf.h"

#define LOSSES                                                                                     \
	count_t table_full; /* no free row: recorded under its kind and in rest */                 \
	count_t no_memory;  /* nowhere to keep a beginning: the wait was not measured */           \
	count_t backwards   /* an end before its beginning: not recorded */

#include "loss.bpf.h"
#include "config.bpf.h"

PROBE("lock", "waits for locks of the kernel, by kind of lock and call site");

/* Those that sleep come first. */
enum kind {
	KIND_MUTEX,
	KIND_RWSEM_READ,
	KIND_RWSEM_WRITE,
	KIND_PERCPU_READ,
	KIND_PERCPU_WRITE,
	KIND_SEMAPHORE,
	KIND_RTMUTEX,
	KIND_SPIN,
	KIND_RWLOCK_READ,
	KIND_RWLOCK_WRITE,
};

struct site {
	enum kind kind;
	u32 pad;
	ksym_t site;
	cgroupid_t cgroup;
};

struct config {
	epoch_t epoch; /* what was begun under other settings is not finished under these */
	flag_t paused;
	number_t sample; /* 1 in this many waits; 0 and 1: all */
	tgid_t pid;	 /* of the waiter; in interrupts that is whom they hit */
	cgroupid_t cgroup;
	nsec_setting_t min_latency; /* shorter ones are not kept */
	nsec_setting_t min_site;    /* the call site of shorter ones is not looked for: 0 */
	flag_t by_cgroup;	    /* a row for each cgroup that sleeps for the lock */
	u32 pad;
};

struct config config CONFIG = {
	.sample = 1,
	.min_site = 10 * 1000,
};

/* Two, because a value of all would be too large for a per-CPU map. */
struct sleeps {
	nsec_hist_t mutex;
	nsec_hist_t rwsem_read;
	nsec_hist_t rwsem_write;
	nsec_hist_t percpu_read;
	nsec_hist_t percpu_write;
	nsec_hist_t semaphore;
#ifndef SLOWPATH
	nsec_hist_t rtmutex;
#endif
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct sleeps);
} sleeps SEC(".maps") LABEL("kind") HELP("waits for locks whose waiters sleep");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 2048);
	__type(key, struct site);
	__type(value, nsec_minihist_t);
} sites SEC(".maps") HELP("waits by kind of lock and call site");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, nsec_minihist_t);
} rest SEC(".maps") HELP("waits for which sites has no row left");

struct wait {
	u64 lock;
	u64 since; /* 0: left out by sampling or a filter */
	u32 kind;
	u32 epoch;
};

/* Who sleeps, and for what: a wait may lie in another (a percpu_rwsem's for a grace period). */
struct sleeper {
	u64 lock;
	u64 tid;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, struct sleeper);
	__type(value, struct wait);
} sleepers SEC(".maps") INTERNAL;

#ifndef SLOWPATH
struct spins {
	nsec_hist_t spin;
	nsec_hist_t rwlock_read;
	nsec_hist_t rwlock_write;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct spins);
} spins SEC(".maps") LABEL("kind") HELP("waits for locks whose waiters spin");

#define NESTING 4 /* task, softirq, hard interrupt, NMI */

struct spinning {
	u64 depth;
	struct wait waits[NESTING];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct spinning);
} spinners SEC(".maps") INTERNAL;
#endif

/* Between these lie all functions that take locks, and the scheduler. */
extern const void __sched_text_start __ksym;
extern const void __lock_text_end __ksym;
extern const void _stext __ksym;
extern const void _etext __ksym;

#define FRAMES_OURS 3 /* this function, the program, and what runs it */
#define FRAMES	    8 /* the tracepoint's and the lock's own, and the caller; on 5.10 with ours */

static __always_inline bool takes_locks(u64 ip)
{
	return ip >= (u64)&__sched_text_start && ip < (u64)&__lock_text_end;
}

/* The trampoline of another program that traces such a function: no function of the kernel, called by one of these. */
static __always_inline bool is_trampoline(u64 ip, u64 caller)
{
	return takes_locks(caller) && (ip < (u64)&_stext || ip >= (u64)&_etext);
}

/*
 * The first function outside, behind those that take the lock. 0: not found. On kernels with
 * slow paths some of those lie elsewhere: the one that is hooked, and what calls it for some kinds.
 */
static __always_inline u64 call_site(void *ctx, u32 kind)
{
	u64 ips[FRAMES] = {};
#ifdef SLOWPATH
	bool inside = true;
	u64 ours = FRAMES_OURS + (kind == KIND_PERCPU_READ || kind == KIND_SEMAPHORE ? 2 : 1);
#else
	bool inside = false;
	u64 ours = FRAMES_OURS;
#endif

	bpf_get_stack(ctx, ips, sizeof(ips), ours);
	for (int i = 0; i < FRAMES; i++) {
		if (takes_locks(ips[i]))
			inside = true;
		else if (inside && !(i + 1 < FRAMES && is_trampoline(ips[i], ips[i + 1])))
			return ips[i];
	}
	return 0;
}

static __always_inline bool wanted(void)
{
	if (config.pid && config.pid != bpf_get_current_pid_tgid() >> 32)
		return false;
	if (config.cgroup && config.cgroup != bpf_get_current_cgroup_id())
		return false;
	return config.sample <= 1 || !(bpf_get_prandom_u32() % config.sample);
}

static __always_inline void wait_begin(struct wait *wait, void *lock, u32 kind)
{
	wait->lock = (u64)lock;
	wait->kind = kind;
	wait->epoch = config.epoch;
	wait->since = wanted() ? bpf_ktime_get_ns() : 0;
}

static __always_inline struct minihist *row_of(const struct site *site)
{
	struct minihist *row = bpf_map_lookup_elem(&sites, site), none = {};
	u32 key = 0;

	if (row)
		return row;
	bpf_map_update_elem(&sites, site, &none, BPF_NOEXIST);
	row = bpf_map_lookup_elem(&sites, site);
	if (row)
		return row;
	LOSE(table_full);
	return bpf_map_lookup_elem(&rest, &key);
}

#define KINDS(type) (sizeof(struct type) / sizeof(struct hist))

/* The barriers: clang knows the bounds and may check late, the verifier wants it early. */
static __always_inline struct hist *hist_at(void *map, u32 at, u32 size)
{
	u32 key = 0;
	struct hist *all = bpf_map_lookup_elem(map, &key);

	barrier_var(at);
	if (!all || at >= size)
		return NULL;
	barrier_var(all);
	return all + at;
}

static __always_inline struct hist *hist_of(u32 kind)
{
#ifndef SLOWPATH
	if (kind >= KIND_SPIN)
		return hist_at(&spins, kind - KIND_SPIN, KINDS(spins));
#endif
	return hist_at(&sleeps, kind, KINDS(sleeps));
}

/* Global, so that the verifier looks at it once, and not at all that follows for each slot. */
__noinline u32 slot_of(u64 ns)
{
	return hist_slot(ns);
}

static __always_inline void record(void *ctx, u32 kind, u64 ns)
{
	struct site site = {.kind = kind};
	struct hist *all = hist_of(kind);
	u32 slot = slot_of(ns);
	struct minihist *row;

	if (all)
		hist_add(all, slot, ns);
	if (ns >= config.min_site)
		site.site = call_site(ctx, kind);
	if (config.by_cgroup && kind < KIND_SPIN)
		site.cgroup = bpf_get_current_cgroup_id();
	row = row_of(&site);
	if (row)
		minihist_add_shared(row, slot, ns);
}

static __noinline int wait_end(void *ctx, const struct wait *wait)
{
	u64 now;

	if (!wait->since || wait->epoch != config.epoch)
		return 0;
	now = bpf_ktime_get_ns();
	if (now < wait->since)
		LOSE(backwards);
	else if (now - wait->since >= config.min_latency)
		record(ctx, wait->kind, now - wait->since);
	return 0;
}

static __always_inline struct sleeper sleeper_of(void *lock)
{
	return (struct sleeper){(u64)lock, (u32)bpf_get_current_pid_tgid()};
}

static __always_inline int sleep_begin(void *lock, u32 kind)
{
	struct sleeper key = sleeper_of(lock);
	struct wait wait = {};

	if (config.paused)
		return 0;
	wait_begin(&wait, lock, kind);
	if (bpf_map_update_elem(&sleepers, &key, &wait, BPF_ANY))
		LOSE(no_memory);
	return 0;
}

static __always_inline int sleep_end(void *ctx, void *lock)
{
	struct sleeper key = sleeper_of(lock);
	struct wait *wait = bpf_map_lookup_elem(&sleepers, &key);

	if (!wait)
		return 0;
	wait_end(ctx, wait);
	bpf_map_delete_elem(&sleepers, &key);
	return 0;
}

#ifdef SLOWPATH
/* A function that returns `ret` (its PROTO) when lock, its first argument, was waited for. */
#define SLOW(function, kind, ret, lock)                                                            \
	SEC("fentry/" #function)                                                                   \
	PROTO(ret " (" lock ")")                                                                   \
	int BPF_PROG(function##_begin, void *sem)                                                  \
	{                                                                                          \
		return sleep_begin(sem, kind);                                                     \
	}                                                                                          \
                                                                                                   \
	SEC("fexit/" #function)                                                                    \
	PROTO(ret " (" lock ")")                                                                   \
	int BPF_PROG(function##_end, void *sem)                                                    \
	{                                                                                          \
		return sleep_end(ctx, sem);                                                        \
	}

SLOW(__mutex_lock_slowpath, KIND_MUTEX, "void", "struct mutex *")
SLOW(__mutex_lock_killable_slowpath, KIND_MUTEX, "int", "struct mutex *")
SLOW(__mutex_lock_interruptible_slowpath, KIND_MUTEX, "int", "struct mutex *")
SLOW(rwsem_down_read_slowpath, KIND_RWSEM_READ, "struct rw_semaphore *",
     "struct rw_semaphore *, int")
SLOW(rwsem_down_write_slowpath, KIND_RWSEM_WRITE, "struct rw_semaphore *",
     "struct rw_semaphore *, int")
SLOW(percpu_down_write, KIND_PERCPU_WRITE, "void", "struct percpu_rw_semaphore *")
SLOW(__down, KIND_SEMAPHORE, "void", "struct semaphore *")
SLOW(__down_killable, KIND_SEMAPHORE, "int", "struct semaphore *")
SLOW(__down_interruptible, KIND_SEMAPHORE, "int", "struct semaphore *")
SLOW(__down_timeout, KIND_SEMAPHORE, "int", "struct semaphore *, long")

SEC("fentry/percpu_rwsem_wait")
PROTO("void (struct percpu_rw_semaphore *, bool)")
int BPF_PROG(percpu_rwsem_wait_begin, void *sem, u8 reader)
{
	return reader ? sleep_begin(sem, KIND_PERCPU_READ) : 0;
}

SEC("fexit/percpu_rwsem_wait")
PROTO("void (struct percpu_rw_semaphore *, bool)")
int BPF_PROG(percpu_rwsem_wait_end, void *sem, u8 reader)
{
	return reader ? sleep_end(ctx, sem) : 0;
}
#else
/* The depth changes first, so that an interrupt finds a place of its own. */
static __always_inline int spin_begin(void *lock, u32 kind)
{
	u32 key = 0;
	struct spinning *spinning = bpf_map_lookup_elem(&spinners, &key);
	u64 depth;

	if (!spinning || config.paused)
		return 0;
	depth = spinning->depth;
	if (depth >= NESTING) { /* the ends of these were not seen */
		LOSE(no_memory);
		depth = 0;
	}
	spinning->depth = depth + 1;
	wait_begin(&spinning->waits[depth], lock, kind);
	return 0;
}

/* False: it is none that spins. */
static __always_inline bool spin_end(void *ctx, void *lock)
{
	u32 key = 0;
	struct spinning *spinning = bpf_map_lookup_elem(&spinners, &key);
	u64 at = NESTING;

	if (!spinning)
		return false;
	for (u64 i = 0; i < NESTING; i++)
		if (i < spinning->depth && spinning->waits[i].lock == (u64)lock)
			at = i;
	barrier_var(at);
	if (at >= NESTING)
		return false;
	wait_end(ctx, &spinning->waits[at]);
	spinning->depth = at;
	return true;
}

static __always_inline u32 kind_of(u32 flags)
{
	bool read = flags & LCB_F_READ;

	if (flags & LCB_F_MUTEX)
		return KIND_MUTEX;
	if (flags & LCB_F_PERCPU)
		return read ? KIND_PERCPU_READ : KIND_PERCPU_WRITE;
	if (flags & LCB_F_RT)
		return KIND_RTMUTEX;
	if (!(flags & (LCB_F_READ | LCB_F_WRITE)))
		return flags & LCB_F_SPIN ? KIND_SPIN : KIND_SEMAPHORE;
	if (flags & LCB_F_SPIN)
		return read ? KIND_RWLOCK_READ : KIND_RWLOCK_WRITE;
	return read ? KIND_RWSEM_READ : KIND_RWSEM_WRITE;
}

/* A mutex says again that it begins each time it changes from sleeping to spinning or back. */
static __always_inline bool goes_on(void *lock, u32 flags)
{
	struct sleeper key = sleeper_of(lock);

	if (!(flags & LCB_F_MUTEX))
		return false;
	return !(flags & LCB_F_SPIN) || bpf_map_lookup_elem(&sleepers, &key);
}

SEC("tp_btf/contention_begin")
PROTO("void (void *, unsigned int)")
int BPF_PROG(contention_begin, void *lock, u32 flags)
{
	u32 kind = kind_of(flags);

	if (kind >= KIND_SPIN)
		return spin_begin(lock, kind);
	return goes_on(lock, flags) ? 0 : sleep_begin(lock, kind);
}

SEC("tp_btf/contention_end")
PROTO("void (void *, int)")
int BPF_PROG(contention_end, void *lock)
{
	return spin_end(ctx, lock) ? 0 : sleep_end(ctx, lock);
}
#endif
