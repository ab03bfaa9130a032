// SPDX-License-Identifier: GPL-2.0-only
/*
 * page_faults: minor and major page faults and those that failed, by process, and the time each took.
 *
 *   minor    the page was in memory, or needed none of its contents read
 *   major    it had to be read, or waited for: the kernel's own rule, so that the counts are those of
 *            /proc/PID/stat and getrusage
 *   errors   the kernel could not provide it (errors has the reasons), with no time of its own
 *
 * One hook, handle_mm_fault, at its entry and its return. What it returned decides, not how it was
 * called. A fault that is tried again, after the lock on the address space was given back to wait for
 * the page, is one fault, and its time runs from the first try.
 *
 * `kernel_mode` counts the faults that the kernel met while it read or wrote the memory of a process, `gup`
 * those that it asked for itself, to get at pages (O_DIRECT, mlock, MAP_POPULATE, ptrace); they count
 * for the process that ran. `writes` are those that wanted to write.
 *
 * When a fault began is kept in a place by the number of its thread (threads.bpf.h). Of two threads
 * that share one and fault at once, the first is counted without its time (`untimed`).
 *
 * Costs 703 instructions a fault, of which the empty hooks are 296; 345 paused (6.1, whole path; the
 * first touch of a page takes 6,746). A tenth of the shortest fault: not in the default group.
 *
 * Cannot see: faults that never get as far as handle_mm_fault, an address where nothing is mapped above
 * all; huge pages of hugetlbfs that the kernel asked for itself. A fault that is not tried again,
 * because of a signal, is none, as for the kernel. What is under way when the probe is
 * loaded, resumed or set otherwise is left out.
 */
#include "pinscope.bpf.h"

/* Members of a row, in the order in which they are printed. */
#define PROC_STATS                                                                                 \
	count_t minor;                                                                             \
	count_t major;                                                                             \
	count_t errors;                                                                            \
	count_t kernel_mode;                                                                       \
	count_t gup;                                                                               \
	count_t writes;                                                                            \
	nsec_t minor_time;                                                                         \
	nsec_t major_time

#define LOSSES                                                                                     \
	PROC_LOSSES;                                                                               \
	count_t untimed;  /* counted without a time: another thread took the place of its start */ \
	count_t backwards /* an end before its start: counted, but no time recorded */

/* The fault that a thread is in. */
#define THREAD_STATE struct attempt fault

#include "hist.bpf.h"
#include "procs.bpf.h"
#include "attempt.bpf.h"
#include "threads.bpf.h"

PROBE("mem", "minor and major page faults and their times, by process");

struct config {
	struct proc_filter filter;
};

struct config config SEC(".data.config") = {};

struct times {
	nsec_hist_t minor;
	nsec_hist_t major;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct times);
} time SEC(".maps") LABEL("fault") HELP("how long page faults took");

struct reasons {
	count_t oom;
	count_t sigbus;
	count_t sigsegv;
	count_t hwpoison;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct reasons);
} errors SEC(".maps") LABEL("reason") HELP("page faults that failed, by reason");

SEC("fentry/handle_mm_fault")
PROTO("unsigned int (struct vm_area_struct *, unsigned long, unsigned int, struct pt_regs *)")
int BPF_PROG(fault_begin, struct vm_area_struct *vma, unsigned long address, unsigned int flags)
{
	struct thread *thread;

	if (!filter_current(&config.filter))
		return 0;
	thread = thread_begin(config.filter.epoch);
	if (thread)
		attempt_begin(&thread->fault, address, flags);
	return 0;
}

static __noinline int count_error(struct stats *stats, u32 result)
{
	u32 key = 0;
	struct reasons *reasons = bpf_map_lookup_elem(&errors, &key);

	if (!reasons || !stats)
		return 0;
	__sync_fetch_and_add(&stats->errors, 1);
	if (result & VM_FAULT_OOM)
		__sync_fetch_and_add(&reasons->oom, 1);
	else if (result & VM_FAULT_SIGSEGV)
		__sync_fetch_and_add(&reasons->sigsegv, 1);
	else if (result & VM_FAULT_SIGBUS)
		__sync_fetch_and_add(&reasons->sigbus, 1);
	else
		__sync_fetch_and_add(&reasons->hwpoison, 1);
	return 0;
}

#define VM_FAULT_ERROR                                                                             \
	(VM_FAULT_OOM | VM_FAULT_SIGBUS | VM_FAULT_SIGSEGV | VM_FAULT_HWPOISON |                   \
	 VM_FAULT_HWPOISON_LARGE)

static __always_inline void record(struct stats *stats, bool major, u64 ns)
{
	u32 key = 0;
	struct times *times = bpf_map_lookup_elem(&time, &key);

	if (times)
		hist_add(major ? &times->major : &times->minor, hist_slot(ns), ns);
	__sync_fetch_and_add(major ? &stats->major_time : &stats->minor_time, ns);
}

/* `since`: 0 if that is not known. */
static __always_inline void count(struct stats *stats, u32 flags, u32 result, u64 since)
{
	bool major = result & VM_FAULT_MAJOR || flags & FAULT_FLAG_TRIED;
	u64 now;

	__sync_fetch_and_add(major ? &stats->major : &stats->minor, 1);
	if (flags & FAULT_FLAG_WRITE)
		__sync_fetch_and_add(&stats->writes, 1);
	if (!since)
		return;
	now = bpf_ktime_get_ns();
	if (now < since)
		LOSE(backwards);
	else
		record(stats, major, now - since);
}

/* Whether the fault that ends is to be counted, and since when it ran if that is known. */
static __always_inline bool ended(u64 *since)
{
	bool taken;
	struct thread *thread = thread_end(config.filter.epoch, &taken);

	*since = 0;
	if (thread) {
		*since = thread->fault.since;
		thread->fault.since = 0;
	} else if (taken) {
		LOSE(untimed);
	}
	return *since || taken;
}

SEC("fexit/handle_mm_fault")
PROTO("unsigned int (struct vm_area_struct *, unsigned long, unsigned int, struct pt_regs *)")
int BPF_PROG(fault_end, struct vm_area_struct *vma, unsigned long address, unsigned int flags,
	     struct pt_regs *regs, unsigned int result)
{
	struct stats *stats;
	u64 since;

	if (attempt_goes_on(flags, result) || !filter_current(&config.filter))
		return 0;
	if (!ended(&since) || result & VM_FAULT_RETRY)
		return 0;
	stats = stats_of_current();
	if (!stats)
		return 0;
	if (result & VM_FAULT_ERROR) {
		count_error(stats, result);
		return 0;
	}
	if (!regs)
		__sync_fetch_and_add(&stats->gup, 1);
	else if (!(flags & FAULT_FLAG_USER))
		__sync_fetch_and_add(&stats->kernel_mode, 1);
	count(stats, flags, result, since);
	return 0;
}
