// SPDX-License-Identifier: GPL-2.0-only
/*
 * semaphore: how long the kernel's counting semaphores are waited for, by call site.
 *
 * The console's is the best known, drivers and ACPI have others. lock_contention has these
 * waits too, but not how they ended; this one runs at nothing else.
 *
 * Hooks: __down, __down_interruptible, __down_killable, __down_timeout, which run only when a
 * semaphore is not free. The call site is where down, or the like, returns to.
 *
 * Cannot see: attempts that do not wait (down_trylock); who takes a semaphore through a small
 * function of its owner: all waits for the console are at console_lock.
 */
#include "pinscope.bpf.h"
#include "hist.bpf.h"

#define LOSSES                                                                                     \
	count_t table_full; /* no free row: recorded under all and rest only */                    \
	count_t no_memory;  /* nowhere to keep a beginning: the wait was not measured */           \
	count_t backwards   /* an end before its beginning: not recorded */

#include "loss.bpf.h"
#include "config.bpf.h"

PROBE("lock default", "waits for semaphores of the kernel, by call site");

#define ETIME 62
#define EINTR 4

struct config {
	epoch_t epoch; /* what was begun under other settings is not finished under these */
	flag_t paused;
	tgid_t pid;
	u32 pad;
	nsec_setting_t min_latency; /* shorter ones are not kept */
};

struct config config CONFIG = {};

struct site {
	ksym_t site;
};

struct waits {
	nsec_minihist_t wait;
	count_t timeouts;
	count_t interrupted; /* by a signal; these two are among the waits */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, nsec_hist_t);
} all SEC(".maps") HELP("all waits");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 256);
	__type(key, struct site);
	__type(value, struct waits);
} sites SEC(".maps") HELP("waits by call site");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct waits);
} rest SEC(".maps") HELP("waits for which sites has no row left");

struct begin {
	u64 since;
	u64 epoch;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, u32); /* the thread: it waits for one at a time */
	__type(value, struct begin);
} waiters SEC(".maps") INTERNAL;

static __always_inline struct waits *waits_of(struct site site)
{
	struct waits *waits = bpf_map_lookup_elem(&sites, &site), none = {};
	u32 key = 0;

	if (waits)
		return waits;
	bpf_map_update_elem(&sites, &site, &none, BPF_NOEXIST);
	waits = bpf_map_lookup_elem(&sites, &site);
	if (waits)
		return waits;
	LOSE(table_full);
	return bpf_map_lookup_elem(&rest, &key);
}

/*
 * Behind this function, the program, what runs it, __down and down. (The frames are not skipped,
 * because 5.10 then finds fewer.)
 */
#define CALLER 5

static __noinline int record(void *ctx, u64 ns, int ret)
{
	u32 slot = hist_slot(ns), key = 0;
	struct hist *hist = bpf_map_lookup_elem(&all, &key);
	struct waits *waits;
	u64 ips[CALLER + 1] = {};

	if (hist)
		hist_add(hist, slot, ns);
	bpf_get_stack(ctx, ips, sizeof(ips), 0);
	waits = waits_of((struct site){ips[CALLER]});
	if (!waits)
		return 0;
	minihist_add_shared(&waits->wait, slot, ns);
	if (ret == -ETIME)
		__sync_fetch_and_add(&waits->timeouts, 1);
	else if (ret == -EINTR)
		__sync_fetch_and_add(&waits->interrupted, 1);
	return 0;
}

static __always_inline int wait_begin(void)
{
	u64 pid_tgid = bpf_get_current_pid_tgid();
	struct begin begin = {.epoch = config.epoch};
	u32 thread = pid_tgid;

	if (config.paused || (config.pid && config.pid != pid_tgid >> 32))
		return 0;
	begin.since = bpf_ktime_get_ns();
	if (bpf_map_update_elem(&waiters, &thread, &begin, BPF_ANY))
		LOSE(no_memory);
	return 0;
}

static __always_inline int wait_end(void *ctx, int ret)
{
	u32 thread = bpf_get_current_pid_tgid();
	struct begin *begin = bpf_map_lookup_elem(&waiters, &thread);
	u64 now = bpf_ktime_get_ns(), since;

	if (!begin)
		return 0;
	since = begin->epoch == config.epoch ? begin->since : 0;
	bpf_map_delete_elem(&waiters, &thread);
	if (!since)
		return 0;
	if (now < since)
		LOSE(backwards);
	else if (now - since >= config.min_latency)
		record(ctx, now - since, ret);
	return 0;
}

SEC("fentry/__down")
PROTO("void (struct semaphore *)")
int BPF_PROG(down_begin)
{
	return wait_begin();
}

SEC("fexit/__down")
PROTO("void (struct semaphore *)")
int BPF_PROG(down_end)
{
	return wait_end(ctx, 0);
}

SEC("fentry/__down_killable")
PROTO("int (struct semaphore *)")
int BPF_PROG(down_killable_begin)
{
	return wait_begin();
}

SEC("fexit/__down_killable")
PROTO("int (struct semaphore *)")
int BPF_PROG(down_killable_end, void *semaphore, int ret)
{
	return wait_end(ctx, ret);
}

SEC("fentry/__down_interruptible")
PROTO("int (struct semaphore *)")
int BPF_PROG(down_interruptible_begin)
{
	return wait_begin();
}

SEC("fexit/__down_interruptible")
PROTO("int (struct semaphore *)")
int BPF_PROG(down_interruptible_end, void *semaphore, int ret)
{
	return wait_end(ctx, ret);
}

SEC("fentry/__down_timeout")
PROTO("int (struct semaphore *, long)")
int BPF_PROG(down_timeout_begin)
{
	return wait_begin();
}

SEC("fexit/__down_timeout")
PROTO("int (struct semaphore *, long)")
int BPF_PROG(down_timeout_end, void *semaphore, long timeout, int ret)
{
	return wait_end(ctx, ret);
}
