// SPDX-License-Identifier: GPL-2.0-only
/*
 * lock_order: in which order mutexes are taken, and so the deadlocks that have not happened yet.
 *
 * A row of edges says that a task that held the mutex `from` waited for the mutex `to`, and by which
 * call chain it did so first. Where such edges make a circle, tasks that go along it at the same time
 * wait for each other for ever; `show` prints every such cycle with its chains. It does not take a
 * deadlock to see it, only each of the orders once, at any time.
 *
 * A mutex is an address and a life: initialised again, it is another mutex, so that what has been freed
 * and given out again makes no cycle. A row is used again by a later life of both addresses.
 *
 * Hooks: entry of mutex_lock, mutex_lock_interruptible, mutex_lock_killable, mutex_trylock (for which
 * nobody waits, but which may be held then) and mutex_unlock, and of what initialises a mutex. Whether
 * a task holds a mutex is what the mutex says, its owner, so an attempt that failed, or an event
 * that was missed, makes no edge that is not.
 *
 * Costs 3,294 instructions a byte there and back through pipes (6.1, the whole path); an older build
 * 1,621 while paused. A thread that is not in the sample was not measured. klockstat (libbpf-tools) adds
 * 48,746 to the same. 5.4 MiB at most.
 *
 * Cannot see: spin locks, rw-semaphores and mutexes of other kinds (ww_mutex, rt_mutex); orders that
 * differ only between mutexes of the same kind, not between the same two; that a cycle cannot
 * close because some other lock is always held around it; objects that their allocator hands out
 * again without initialising them. More than 8 mutexes held at once (`too_deep`).
 *
 * Variants, the better first:
 * variant generic   -DTASK_STORAGE -DINIT_GENERIC
 * variant storage   -DTASK_STORAGE
 * variant hash
 */
#include "pinscope.bpf.h"

#define LOSSES                                                                                     \
	count_t table_full; /* waited while holding another, but there is no row for that */       \
	count_t too_deep;   /* holds more than are kept track of */                                \
	count_t no_memory   /* nowhere to keep what the task holds */

#include "loss.bpf.h"

PROBE("lock", "the order in which mutexes are taken, and cycles in it: deadlocks to come");

#define HELD_MAX 8

struct held {
	u32 count;
	u32 pad;
	u64 locks[HELD_MAX]; /* in the order they were taken */
};

struct config {
	flag_t paused;
	tgid_t pid;	 /* of this process only; 0: any */
	number_t sample; /* of 1 in this many threads, by their number; 0 and 1: all */
};

struct config config SEC(".data.config") = {
	.sample = 1,
};

struct pair {
	ksym_t from;
	ksym_t to;
};

struct edge {
	mono_t from_since; /* when it was initialised; 0: before it had an edge */
	mono_t to_since;
	count_t times;
	mono_t first_ns;
	tgid_t pid; /* at the first time, as is the chain */
	comm_t comm;
	u32 pad;
	kstack_t chain;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct pair);
	__type(value, struct edge);
} edges SEC(".maps") EDGES HELP("a mutex was held (from) while another was waited for (to)");

/* When the mutexes that have an edge were last initialised. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, u64);
	__type(value, u64);
} lives SEC(".maps") INTERNAL;

#ifdef TASK_STORAGE
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct held);
} holders SEC(".maps") INTERNAL NEEDS("field:task_struct.bpf_storage");

static __always_inline struct held *held_find(void)
{
	return bpf_task_storage_get(&holders, bpf_get_current_task_btf(), NULL, 0);
}

static __always_inline struct held *held_make(void)
{
	return bpf_task_storage_get(&holders, bpf_get_current_task_btf(), NULL,
				    BPF_LOCAL_STORAGE_GET_F_CREATE);
}

static __always_inline void held_drop(void)
{
}
#else
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, struct held);
} holders SEC(".maps") INTERNAL;

static __always_inline struct held *held_find(void)
{
	u64 task = bpf_get_current_task();

	return bpf_map_lookup_elem(&holders, &task);
}

static __always_inline struct held *held_make(void)
{
	u64 task = bpf_get_current_task();
	struct held none = {};

	bpf_map_update_elem(&holders, &task, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&holders, &task);
}

/* There is room for those that hold something only. */
static __always_inline void held_drop(void)
{
	u64 task = bpf_get_current_task();

	bpf_map_delete_elem(&holders, &task);
}
#endif

#define OWNER_FLAGS 7ULL /* the low bits of mutex.owner */

static __always_inline bool is_mine(u64 lock)
{
	struct mutex *mutex = (struct mutex *)lock;

	return (BPF_CORE_READ(mutex, owner.counter) & ~OWNER_FLAGS) == bpf_get_current_task();
}

static __always_inline u64 *life_of(u64 lock)
{
	u64 *life = bpf_map_lookup_elem(&lives, &lock), none = 0;

	if (life)
		return life;
	bpf_map_update_elem(&lives, &lock, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&lives, &lock);
}

static __always_inline struct edge *edge_of(struct pair *pair)
{
	struct edge *edge = bpf_map_lookup_elem(&edges, pair), none = {};

	if (edge)
		return edge;
	bpf_map_update_elem(&edges, pair, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&edges, pair);
}

/* Two of this program and the trampoline: the chain begins with the mutex function. */
#define OWN_FRAMES 3

static __always_inline void edge_begin(void *ctx, struct edge *edge, u64 from_since, u64 to_since)
{
	edge->times = 0;
	edge->from_since = from_since;
	edge->to_since = to_since;
	edge->first_ns = bpf_ktime_get_ns();
	edge->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(&edge->comm, sizeof(edge->comm));
	bpf_get_stack(ctx, &edge->chain, sizeof(edge->chain), OWN_FRAMES);
}

static __noinline int waits(void *ctx, u64 from, u64 to)
{
	struct pair pair = {from, to};
	u64 *from_since = life_of(from), *to_since = life_of(to);
	struct edge *edge = edge_of(&pair);

	if (!edge || !from_since || !to_since) {
		LOSE(table_full);
		return 0;
	}
	if (!edge->first_ns || edge->from_since != *from_since || edge->to_since != *to_since)
		edge_begin(ctx, edge, *from_since, *to_since);
	__sync_fetch_and_add(&edge->times, 1);
	return 0;
}

/* What the task held before it takes `lock`: how many. */
static __always_inline u32 look_at_held(void *ctx, struct held *held, u64 lock, bool wait)
{
	u32 count = held->count, kept = 0;

	for (u32 i = 0; i < HELD_MAX && i < count; i++) {
		u64 from = held->locks[i];

		if (!is_mine(from))
			continue;
		if (wait)
			waits(ctx, from, lock);
		held->locks[kept++ % HELD_MAX] = from;
	}
	return kept;
}

static __always_inline bool is_wanted(void)
{
	u64 id = bpf_get_current_pid_tgid();

	if (config.paused || (config.pid && config.pid != id >> 32))
		return false;
	return config.sample <= 1 || !((u32)id % config.sample);
}

static __always_inline int takes(void *ctx, struct mutex *mutex, bool wait)
{
	struct held *held;
	u32 count = 0;

	if (!is_wanted())
		return 0;
	held = held_find();
	if (held && held->count)
		count = look_at_held(ctx, held, (u64)mutex, wait);
	else if (!held)
		held = held_make();
	if (!held) {
		LOSE(no_memory);
		return 0;
	}
	if (count < HELD_MAX)
		held->locks[count++ % HELD_MAX] = (u64)mutex;
	else
		LOSE(too_deep);
	held->count = count;
	return 0;
}

SEC("fentry/mutex_lock")
PROTO("void (struct mutex *)")
int BPF_PROG(mutex_waits, struct mutex *mutex)
{
	return takes(ctx, mutex, true);
}

SEC("fentry/mutex_lock_interruptible")
PROTO("int (struct mutex *)")
int BPF_PROG(mutex_waits_int, struct mutex *mutex)
{
	return takes(ctx, mutex, true);
}

SEC("fentry/mutex_lock_killable")
PROTO("int (struct mutex *)")
int BPF_PROG(mutex_waits_kill, struct mutex *mutex)
{
	return takes(ctx, mutex, true);
}

SEC("fentry/mutex_trylock")
PROTO("int (struct mutex *)")
int BPF_PROG(mutex_tries, struct mutex *mutex)
{
	return takes(ctx, mutex, false);
}

SEC("fentry/mutex_unlock")
PROTO("void (struct mutex *)")
int BPF_PROG(mutex_unlocks, struct mutex *mutex)
{
	struct held *held = is_wanted() ? held_find() : NULL;
	u32 count = held ? held->count : 0, kept = 0;

	if (!count)
		return 0;
	for (u32 i = 0; i < HELD_MAX && i < count; i++)
		if (held->locks[i] != (u64)mutex)
			held->locks[kept++ % HELD_MAX] = held->locks[i];
	held->count = kept;
	if (!kept)
		held_drop();
	return 0;
}

#ifdef INIT_GENERIC
SEC("fentry/mutex_init_generic")
PROTO("void (struct mutex *)")
#else
SEC("fentry/__mutex_init")
PROTO("void (struct mutex *, const char *, struct lock_class_key *)")
#endif
int BPF_PROG(mutex_begins, struct mutex *mutex)
{
	u64 lock = (u64)mutex, *life = bpf_map_lookup_elem(&lives, &lock);

	if (life)
		*life = bpf_ktime_get_ns();
	return 0;
}
