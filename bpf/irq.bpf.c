// SPDX-License-Identifier: GPL-2.0-only
/*
 * irq: how long hard interrupt handlers run, how long softirqs wait and run; per CPU.
 *
 *   irqs.time        one call of a handler, by its name and the number of its interrupt; handlers
 *                    that share a line have a row each
 *   softirqs.delay   from the raise of a softirq to its entry. Raising what is pending already
 *                    changes nothing, so it is the first raise since the last entry that counts.
 *   softirqs.time    from its entry to its exit
 *
 * All are times on the clock: the hard interrupts that hit a softirq are part of its time.
 *
 * Hooks: irq_handler_entry, irq_handler_exit, softirq_raise, softirq_entry, softirq_exit.
 *
 * Costs 621 instructions a softirq (6.1, two a request with both ends on this host), 238 paused;
 * the three empty hooks are 195 of that and the three clocks 144, so the aim, half of what softirqs
 * (libbpf-tools) takes without the delay (404), cannot be met. A handler's two programs take 363,
 * those of hardirqs 918 (by the kernel's statistics, which count themselves in). 39 KiB a CPU.
 *
 * Cannot see: interrupts that have no handler of their own in the kernel's tables (the local timer
 * and the calls between processors of x86); the threads of threaded handlers. A softirq raised
 * again after the kernel took what was pending, and before its entry, runs twice with one raise
 * known: `delay` may count less than `time`. What is under way when the probe is loaded,
 * resumed or set otherwise is left out.
 */
#include "pinscope.bpf.h"
#include "hist.bpf.h"
#include "loss.bpf.h"
#include "config.bpf.h"
#include "slots.bpf.h"

PROBE("net cpu", "hard interrupt handlers' time, softirqs' delay and time, per CPU");

struct config {
	epoch_t epoch; /* what was begun under other settings is not finished under these */
	flag_t paused;
	nsec_setting_t min_latency; /* shorter ones are not kept */
};

struct config config CONFIG = {};

/* What is under way. Vectors and handlers run one at a time on a CPU, so each has one writer. */
struct vector_state {
	u64 raised; /* 0: not pending */
	u64 began;  /* 0: not running */
	u64 epoch;
} INTERNAL;

struct vector {
	nsec_minihist_t delay;
	nsec_minihist_t time;
	struct vector_state state; /* not first: it says nothing about whether there is a row */
};

/* In the order of the kernel's numbers for them, under the names of /proc/softirqs. */
struct vectors {
	struct vector hi;
	struct vector timer;
	struct vector net_tx;
	struct vector net_rx;
	struct vector block;
	struct vector irq_poll;
	struct vector tasklet;
	struct vector sched;
	struct vector hrtimer;
	struct vector rcu;
};

#define VECTORS (sizeof(struct vectors) / sizeof(struct vector))

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct vectors);
} softirqs SEC(".maps") LABEL("vector") BY_CPU
	HELP("delay from raise to entry, time from entry to exit");

struct call {
	u64 began; /* 0: not running */
	u64 epoch;
} INTERNAL;

struct calls {
	nsec_minihist_t time;
	struct call now;
};

struct origin {
	u64 name; /* where it was read from */
} INTERNAL;

struct handler {
	struct slot slot; /* owner: its struct irqaction */
	struct origin origin;
	irq_t irq;
	u32 pad;
	char name[32];
	mono_t first_seen_ns;
	nsec_minihist_t time; /* these two: struct calls */
	struct call now;
};

static __always_inline struct calls *handler_calls(struct handler *row)
{
	return (struct calls *)&row->time;
}

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 128);
	__type(key, u32);
	__type(value, struct handler);
} irqs SEC(".maps") BY_CPU HELP("calls of the handlers of hard interrupts");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct calls);
} rest SEC(".maps") BY_CPU HELP("calls of handlers that found no row in irqs");

/* What has one writer at a time needs no atomics: softirqs do not nest, nor do handlers. */
static __always_inline void record(struct minihist *hist, u64 since, u64 now)
{
	u64 value = now - since;

	barrier_var(hist); /* one pointer, which clang would make anew for each member */
	if (now < since)
		LOSE(backwards);
	else if (value >= config.min_latency)
		minihist_add(hist, hist_slot(value), value);
}

static __always_inline struct vector *vector_of(u32 nr)
{
	u32 key = 0;
	struct vectors *vectors;
	struct vector *vector;

	if (config.paused)
		return NULL;
	vectors = bpf_map_lookup_elem(&softirqs, &key);
	barrier_var(nr);
	if (!vectors || nr >= VECTORS)
		return NULL;
	vector = (struct vector *)vectors + nr;
	barrier_var(vector);
	if (vector->state.epoch != config.epoch)
		vector->state = (struct vector_state){.epoch = config.epoch};
	return vector;
}

SEC("tp_btf/softirq_raise")
PROTO("void (unsigned int)")
int BPF_PROG(softirq_raise, unsigned int nr)
{
	struct vector *vector = vector_of(nr);

	if (vector && !vector->state.raised)
		vector->state.raised = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/softirq_entry")
PROTO("void (unsigned int)")
int BPF_PROG(softirq_entry, unsigned int nr)
{
	struct vector *vector = vector_of(nr);
	u64 raised, now;

	if (!vector)
		return 0;
	/* An interrupt may raise it again as soon as this is 0. */
	raised = vector->state.raised;
	vector->state.raised = 0;
	now = bpf_ktime_get_ns();
	if (raised)
		record(&vector->delay, raised, now);
	vector->state.began = now;
	return 0;
}

SEC("tp_btf/softirq_exit")
PROTO("void (unsigned int)")
int BPF_PROG(softirq_exit, unsigned int nr)
{
	struct vector *vector = vector_of(nr);

	if (vector && vector->state.began)
		record(&vector->time, vector->state.began, bpf_ktime_get_ns());
	if (vector)
		vector->state.began = 0;
	return 0;
}

static __always_inline void handler_init(struct handler *row, struct irqaction *action, u32 irq)
{
	row->slot.owner = (u64)action;
	row->origin.name = (u64)action->name;
	row->irq = irq;
	row->first_seen_ns = bpf_ktime_get_ns();
	bpf_probe_read_kernel_str(row->name, sizeof(row->name), action->name);
}

/* On its own CPU, with interrupts off: nobody else looks for a place. */
static __noinline int handler_make(struct irqaction *action, u32 irq)
{
	u32 size = slots_size(&irqs), at = slot_home((u64)action, size);

	for (int i = 0; i < SLOT_WINDOW; i++) {
		struct handler *row = bpf_map_lookup_elem(&irqs, &at);

		if (row && !row->slot.owner) {
			handler_init(row, action, irq);
			return 0;
		}
		at = slot_next(at, size);
	}
	return 0;
}

static __always_inline struct handler *handler_get(struct irqaction *action, u32 irq)
{
	struct handler *row = slot_find(&irqs, (u64)action);

	if (row && row->irq == irq && row->origin.name == (u64)action->name)
		return row;
	if (row) /* another handler, where one was that is gone; its row stays */
		row->slot.owner = SLOT_FREED;
	handler_make(action, irq);
	return slot_find(&irqs, (u64)action);
}

/* Where its calls are kept: in its row, or with the rest. */
static __always_inline struct calls *calls_of(struct handler *row)
{
	u32 key = 0;

	return row ? handler_calls(row) : bpf_map_lookup_elem(&rest, &key);
}

SEC("tp_btf/irq_handler_entry")
PROTO("void (int, struct irqaction *)")
int BPF_PROG(irq_handler_entry, int irq, struct irqaction *action)
{
	struct handler *row;
	struct calls *calls;

	if (config.paused)
		return 0;
	row = handler_get(action, irq);
	if (!row)
		LOSE(table_full);
	calls = calls_of(row);
	if (!calls)
		return 0;
	calls->now.epoch = config.epoch;
	calls->now.began = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/irq_handler_exit")
PROTO("void (int, struct irqaction *, int)")
int BPF_PROG(irq_handler_exit, int irq, struct irqaction *action)
{
	struct calls *calls;

	if (config.paused)
		return 0;
	calls = calls_of(slot_find(&irqs, (u64)action));
	if (!calls || !calls->now.began)
		return 0;
	if (calls->now.epoch == config.epoch)
		record(&calls->time, calls->now.began, bpf_ktime_get_ns());
	calls->now.began = 0;
	return 0;
}
