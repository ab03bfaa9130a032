// SPDX-License-Identifier: GPL-2.0-only
/*
 * swap: pages that are swapped in and out, faults that wait for them, and time spent making room.
 *
 *   read      a page fault that had to read from swap: do_swap_page from its entry to its return,
 *             the tries together if there were several
 *   hit       one that found its page still in memory (the swap cache, a page on its way out)
 *   write     a folio handed to the swap device: all of the write where the device does it at once
 *             (zram, brd), else until it is queued
 *   reclaim   a process frees pages itself because the machine has too few (direct reclaim)
 *   memcg     the same because its cgroup is at its limit or above memory.high
 *
 * A row of procs has all that the process did, for itself or for others: `in` with what was
 * read ahead, `out` what its reclaim (or kswapd, which has a row) wrote. Pages are those of
 * pswpin and pswpout in /proc/vmstat, and those read that zswap had or that were all zero.
 *
 * Hooks: do_swap_page, swap_readpage (swap_read_folio), __swap_writepage, migration_entry_wait, and the
 * events mm_vmscan_direct_reclaim_*, mm_vmscan_memcg_reclaim_*, mm_vmscan_kswapd_wake. Costs nothing
 * while nothing is swapped or reclaimed (measured at page faults); a page read back costs 930 instructions, one
 * written 764 (6.1, zram, by the kernel's bpf_stats).
 *
 * Cannot see: how long an asynchronous device takes to write; what is stored in zswap and written
 * nowhere; the time of what is under way when the probe is loaded, resumed or set otherwise.
 *
 * Variants, the better first:
 * variant ctx     -DFOLIO -DCTX
 * variant plug    -DFOLIO -DPLUG
 * variant folio   -DFOLIO
 * variant end_io  -DEND_IO
 * variant page
 */
#include "pinscope.bpf.h"

struct span {
	count_t count;
	nsec_t time;
};

struct amount {
	count_t pages;
	bytes_t bytes;
};

/* The spans in the order of enum what. */
#define PROC_STATS                                                                                 \
	struct span read;                                                                          \
	struct span hit;                                                                           \
	struct span write;                                                                         \
	struct span reclaim;                                                                       \
	struct span memcg_reclaim;                                                                 \
	struct amount in;                                                                          \
	struct amount out

#define LOSSES                                                                                     \
	PROC_LOSSES;                                                                               \
	count_t taken;	  /* not recorded: another thread took the place of its start */           \
	count_t backwards /* an end before its start: not recorded */

/* What a thread is in, each since when; 0: it is not. */
#define THREAD_STATE                                                                               \
	struct attempt fault;                                                                      \
	u64 has_read; /* that fault */                                                             \
	u64 writes;                                                                                \
	u64 reclaims

#include "hist.bpf.h"
#include "procs.bpf.h"
#include "attempt.bpf.h"
#include "threads.bpf.h"
#include "folio.bpf.h"

#define PAGE_SHIFT 12

PROBE("mem default", "swapping in and out, and time spent making room in memory");

enum what {
	WHAT_READ,
	WHAT_HIT,
	WHAT_WRITE,
	WHAT_RECLAIM,
	WHAT_MEMCG_RECLAIM,
	WHATS,
};

struct config {
	struct proc_filter filter;
};

struct config config SEC(".data.config") = {};

struct times {
	nsec_hist_t read;
	nsec_hist_t hit;
	nsec_hist_t write;
	nsec_hist_t reclaim;
	nsec_hist_t memcg_reclaim;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct times);
} time SEC(".maps") LABEL("what")
	HELP("how long faults took that read or found their page, writes, reclaim");

struct moved {
	struct amount in;
	struct amount out;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct moved);
} pages SEC(".maps") LABEL("direction") HELP("what was read from swap and written to it");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, count_t);
} kswapd SEC(".maps") METRIC("pinscope_swap_kswapd_wakeups")
	HELP("how often kswapd was woken to make room");

static __noinline int record(u32 what, u64 since)
{
	u64 now = bpf_ktime_get_ns(), ns = now - since;
	u32 key = 0;
	struct hist *times = bpf_map_lookup_elem(&time, &key);
	struct span *spans = (struct span *)stats_of_current();

	if (now < since) {
		LOSE(backwards);
		return 0;
	}
	barrier_var(what);
	if (!times || !spans || what >= WHATS)
		return 0;
	hist_add(&times[what], hist_slot(ns), ns);
	__sync_fetch_and_add(&spans[what].count, 1);
	__sync_fetch_and_add(&spans[what].time, ns);
	return 0;
}

/* The current thread, to begin something. NULL: that is not to be kept. */
static __always_inline struct thread *begin(void)
{
	return filter_current(&config.filter) ? thread_begin(config.filter.epoch) : NULL;
}

/* The current thread in what it has begun; NULL: nothing that is known. */
static __always_inline struct thread *begun(void)
{
	bool taken;
	struct thread *thread = thread_end(config.filter.epoch, &taken);

	return filter_current(&config.filter) ? thread : NULL;
}

/* The same at the end, where it is missed. */
static __always_inline struct thread *end(void)
{
	bool taken;
	struct thread *thread = thread_end(config.filter.epoch, &taken);

	if (!filter_current(&config.filter))
		return NULL;
	if (taken)
		LOSE(taken);
	return thread;
}

static __always_inline void span_end(u32 what, u64 *since)
{
	if (*since)
		record(what, *since);
	*since = 0;
}

static __always_inline u32 fault_flags(struct vm_fault *vmf)
{
	struct vm_fault___enum *newer = (void *)vmf;

	return bpf_core_field_exists(newer->flags) ? newer->flags : vmf->flags;
}

SEC("fentry/do_swap_page")
PROTO("unsigned int (struct vm_fault *)")
int BPF_PROG(fault_begin, struct vm_fault *vmf)
{
	struct thread *thread = begin();

	if (thread && attempt_begin(&thread->fault, vmf->address, fault_flags(vmf)))
		thread->has_read = 0;
	return 0;
}

/* The entry of the page table is none of swap: the page is on its way to another place in memory. */
SEC("fentry/migration_entry_wait")
PROTO("void (struct mm_struct *)")
int BPF_PROG(fault_migrates)
{
	struct thread *thread = begun();

	if (thread)
		thread->fault.since = 0;
	return 0;
}

SEC("fexit/do_swap_page")
PROTO("unsigned int (struct vm_fault *)")
int BPF_PROG(fault_end, struct vm_fault *vmf, unsigned int result)
{
	struct thread *thread;

	if (attempt_goes_on(fault_flags(vmf), result))
		return 0;
	thread = end();
	if (thread)
		span_end(thread->has_read ? WHAT_READ : WHAT_HIT, &thread->fault.since);
	return 0;
}

static __always_inline struct moved *moved_here(void)
{
	u32 key = 0;

	return bpf_map_lookup_elem(&pages, &key);
}

static __always_inline void amount_add(struct amount *amount, u64 pages)
{
	__sync_fetch_and_add(&amount->pages, pages);
	__sync_fetch_and_add(&amount->bytes, pages << PAGE_SHIFT);
}

static __always_inline int page_read(const void *folio)
{
	struct thread *thread = begun();
	struct moved *moved = moved_here();
	struct stats *stats;

	if (!moved || !filter_current(&config.filter))
		return 0;
	if (thread)
		thread->has_read = 1;
	stats = stats_of_current();
	amount_add(&moved->in, folio_pages(folio));
	if (stats)
		amount_add(&stats->in, folio_pages(folio));
	return 0;
}

#ifdef CTX
SEC("fentry/swap_read_folio")
PROTO("void (struct swap_io_ctx *, struct folio *)")
int BPF_PROG(swap_read, void *io, struct folio *folio)
{
	return page_read(folio);
}
#elif defined FOLIO
SEC("fentry/swap_read_folio")
PROTO("void (struct folio *)")
int BPF_PROG(swap_read, struct folio *folio)
{
	return page_read(folio);
}
#else
SEC("fentry/swap_readpage")
PROTO("int (struct page *)")
int BPF_PROG(swap_read, struct page *page)
{
	return page_read(page);
}
#endif

#ifdef CTX
#define WRITE_PROTO "void (struct swap_io_ctx *, struct folio *)"
#define WRITE_ARGS  void *io, void *folio
#elif defined PLUG
#define WRITE_PROTO "void (struct folio *, struct swap_iocb **)"
#define WRITE_ARGS  void *folio, void *arg
#elif defined FOLIO
#define WRITE_PROTO "void (struct folio *, struct writeback_control *)"
#define WRITE_ARGS  void *folio, void *arg
#elif defined END_IO
#define WRITE_PROTO "int (struct page *, struct writeback_control *, void *)"
#define WRITE_ARGS  void *folio, void *arg, void *end_io, int result
#else
#define WRITE_PROTO "int (struct page *, struct writeback_control *)"
#define WRITE_ARGS  void *folio, void *arg, int result
#endif

#ifdef CTX
#define WRITTEN void *io, void *folio
#else
#define WRITTEN void *folio
#endif

SEC("fentry/__swap_writepage")
PROTO(WRITE_PROTO)
int BPF_PROG(write_begin, WRITTEN)
{
	struct thread *thread = begin();
	struct moved *moved = moved_here();
	struct stats *stats;

	if (!thread || !moved)
		return 0;
	stats = stats_of_current();
	amount_add(&moved->out, folio_pages(folio));
	if (stats)
		amount_add(&stats->out, folio_pages(folio));
	thread->writes = bpf_ktime_get_ns();
	return 0;
}

SEC("fexit/__swap_writepage")
PROTO(WRITE_PROTO)
int BPF_PROG(write_end, WRITE_ARGS)
{
	struct thread *thread = end();

	if (thread)
		span_end(WHAT_WRITE, &thread->writes);
	return 0;
}

static __always_inline int reclaim_begin(void)
{
	struct thread *thread = begin();

	if (thread)
		thread->reclaims = bpf_ktime_get_ns();
	return 0;
}

static __always_inline int reclaim_end(u32 what)
{
	struct thread *thread = end();

	if (thread)
		span_end(what, &thread->reclaims);
	return 0;
}

SEC("tp_btf/mm_vmscan_direct_reclaim_begin")
PROTO("void ()")
int BPF_PROG(direct_reclaim_begin)
{
	return reclaim_begin();
}

SEC("tp_btf/mm_vmscan_direct_reclaim_end")
PROTO("void ()")
int BPF_PROG(direct_reclaim_end)
{
	return reclaim_end(WHAT_RECLAIM);
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_begin")
PROTO("void ()")
int BPF_PROG(memcg_reclaim_begin)
{
	return reclaim_begin();
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_end")
PROTO("void ()")
int BPF_PROG(memcg_reclaim_end)
{
	return reclaim_end(WHAT_MEMCG_RECLAIM);
}

SEC("tp_btf/mm_vmscan_kswapd_wake")
PROTO("void ()")
int BPF_PROG(kswapd_wake)
{
	u32 key = 0;
	count_t *wakeups = bpf_map_lookup_elem(&kswapd, &key);

	if (wakeups && !config.filter.paused)
		__sync_fetch_and_add(wakeups, 1);
	return 0;
}
