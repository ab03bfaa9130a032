// SPDX-License-Identifier: GPL-2.0-only
/*
 * rcu_stall: stalls of RCU, grace periods that some processor or task did not let end in time.
 *
 * One hook, rcu_stall_warning: the kernel's own report, made once a stall and again while it
 * lasts. A row is what one processor reported:
 *
 *   self       this processor is the one that stalls, and the process the one it was running
 *   other      another processor or task stalls; the process is anybody
 *   expedited  the same of an expedited grace period, reported by the thread that waits for it
 *   unknown    a report that this probe has no name for
 *
 * Up to 5.11 there is no such tracepoint. There the hook is a check that each report makes, of the
 * thread that runs grace periods: no kind, no flavour, and nothing of expedited grace periods.
 *
 * Costs nothing while nothing stalls. 1 KiB a CPU.
 *
 * Cannot see: how long the stall lasted in the end; stalls below the kernel's own limit
 * (rcupdate.rcu_cpu_stall_timeout), and those it keeps quiet about (rcu_cpu_stall_suppress).
 *
 * Variants, the better first:
 * variant kinds   -DKINDS
 * variant any
 */
#include "pinscope.bpf.h"

PROBE("cpu lock default", "stalls of RCU: how many, when, and where they were found");

struct stall {
	count_t stalls;
	mono_t last_ns;
	tgid_t pid; /* what ran there, at the last one */
	comm_t comm;
#ifdef KINDS
	char flavour[20]; /* of RCU, at the last one */
#else
	u32 pad;
#endif
};

struct kinds {
#ifdef KINDS
	struct stall self;
	struct stall other;
	struct stall expedited;
	struct stall unknown;
#else
	struct stall any;
#endif
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct kinds);
} stalls SEC(".maps") LABEL("kind") BY_CPU HELP("stalls, by the processor that reported them");

static __always_inline struct kinds *kinds_here(void)
{
	u32 key = 0;

	return bpf_map_lookup_elem(&stalls, &key);
}

static __always_inline void count(struct stall *stall)
{
	stall->stalls++;
	stall->last_ns = bpf_ktime_get_ns();
	stall->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(&stall->comm, sizeof(stall->comm));
}

#ifdef KINDS
/* The message is one of SelfDetected, StallDetected, ExpeditedStall. */
static __always_inline struct stall *of_kind(struct kinds *kinds, const char *message)
{
	char start[2] = {};

	bpf_probe_read_kernel(start, sizeof(start), message);
	if (start[0] == 'E')
		return &kinds->expedited;
	if (start[0] != 'S')
		return &kinds->unknown;
	return start[1] == 'e' ? &kinds->self : &kinds->other;
}

SEC("tp_btf/rcu_stall_warning")
PROTO("void (const char *, const char *)")
int BPF_PROG(rcu_stalled, const char *flavour, const char *message)
{
	struct kinds *kinds = kinds_here();
	struct stall *stall;

	if (!kinds)
		return 0;
	stall = of_kind(kinds, message);
	count(stall);
	bpf_probe_read_kernel_str(stall->flavour, sizeof(stall->flavour), flavour);
	return 0;
}
#else
SEC("fentry/rcu_check_gp_kthread_starvation")
PROTO("void ()")
int BPF_PROG(rcu_stalled)
{
	struct kinds *kinds = kinds_here();

	if (kinds)
		count(&kinds->any);
	return 0;
}
#endif
