// SPDX-License-Identifier: GPL-2.0-only
/*
 * cpu_power: how often and how long each processor is in each idle state (C-state), and at each
 * frequency.
 *
 *   idle         one stay in an idle state, by its number in sysfs (cpuidle/stateN); where there
 *                is no cpuidle driver, state1 is the processor's own way to wait
 *   frequencies  how often a frequency was begun, and the time at it, counted when the next begins
 *
 * Hooks: cpu_idle at both ends of a stay, cpu_frequency. Costs 186 instructions at each end (6.1, by the
 * kernel's bpf_stats); on a busy processor nothing.
 *
 * Cannot see: frequencies that the hardware chooses by itself (HWP, CPPC and most virtual machines): the
 * kernel then reports none, and `frequencies` stays empty. The state is the one that was asked for;
 * the hardware may choose a lighter one. What is under way is not counted yet.
 */
#include "pinscope.bpf.h"

#define LOSSES                                                                                     \
	count_t table_full; /* frequencies for which there is no row */                            \
	count_t backwards   /* an end before its start: not recorded */

#include "hist.bpf.h"
#include "loss.bpf.h"

PROBE("cpu default", "idle states and frequencies of each processor");

struct config {
	epoch_t epoch; /* what was begun under other settings is not finished under these */
	flag_t paused;
};

struct config config SEC(".data.config") = {};

struct stays {
	nsec_minihist_t residency;
};

/* By the kernel's numbers for them (CPUIDLE_STATE_MAX). */
struct states {
	struct stays state0;
	struct stays state1;
	struct stays state2;
	struct stays state3;
	struct stays state4;
	struct stays state5;
	struct stays state6;
	struct stays state7;
	struct stays state8;
	struct stays state9;
};

#define STATES	   (sizeof(struct states) / sizeof(struct stays))
#define STATE_LEFT (~0U)

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct states);
} idle SEC(".maps") LABEL("state") BY_CPU HELP("stays in each idle state");

/* What a processor is in, or at. */
struct present {
	u64 since; /* 0: nothing that is known */
	u32 what;  /* idle state, or kHz */
	u32 epoch;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct present);
} idle_present SEC(".maps") INTERNAL;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024);
	__type(key, u32);
	__type(value, struct present);
} frequency_present SEC(".maps") INTERNAL;

struct frequency {
	u32 cpu;
	u32 khz;
};

struct at_frequency {
	count_t begun;
	nsec_t time;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, struct frequency);
	__type(value, struct at_frequency);
} frequencies SEC(".maps")
	HELP("frequencies; none where the kernel does not choose them (hardware does, or a host)");

/* How long it was what it is; 0: that is not known. */
static __always_inline u64 present_time(const struct present *present, u64 now)
{
	if (!present->since || present->epoch != config.epoch)
		return 0;
	if (now >= present->since)
		return now - present->since;
	LOSE(backwards);
	return 0;
}

/* One at a time on a processor, with its interrupts off. */
static __always_inline void idle_left(struct present *present, u64 now)
{
	u64 ns = present_time(present, now);
	u32 key = 0, what = present->what;
	struct states *states = bpf_map_lookup_elem(&idle, &key);

	present->since = 0;
	barrier_var(what);
	if (ns && states && what < STATES)
		minihist_add(&(&states->state0 + what)->residency, hist_slot(ns), ns);
}

SEC("tp_btf/cpu_idle")
PROTO("void (unsigned int, unsigned int)")
int BPF_PROG(cpu_idle, u32 state)
{
	u32 key = 0;
	struct present *present = bpf_map_lookup_elem(&idle_present, &key);
	u64 now;

	if (config.paused || !present)
		return 0;
	now = bpf_ktime_get_ns();
	if (state == STATE_LEFT)
		idle_left(present, now);
	else
		*present = (struct present){now, state, config.epoch};
	return 0;
}

static __noinline int frequency_make(struct frequency *key)
{
	struct at_frequency zero = {};

	return bpf_map_update_elem(&frequencies, key, &zero, BPF_NOEXIST);
}

static __always_inline struct at_frequency *frequency_of(u32 cpu, u32 khz)
{
	struct frequency key = {cpu, khz};
	struct at_frequency *row = bpf_map_lookup_elem(&frequencies, &key);

	if (!row) {
		frequency_make(&key);
		row = bpf_map_lookup_elem(&frequencies, &key);
	}
	if (!row)
		LOSE(table_full);
	return row;
}

/* raw_tp, so that `bpftool prog run` can feed it: virtual machines have no such event. */
SEC("raw_tp/cpu_frequency")
PROTO("void (unsigned int, unsigned int)")
int BPF_PROG(cpu_frequency, u32 khz, u32 cpu)
{
	struct present *present = bpf_map_lookup_elem(&frequency_present, &cpu);
	struct at_frequency *row;
	u64 ns, now;

	if (config.paused)
		return 0;
	if (!present) {
		LOSE(table_full);
		return 0;
	}
	now = bpf_ktime_get_ns();
	ns = present_time(present, now);
	row = ns ? frequency_of(cpu, present->what) : NULL;
	if (row)
		__sync_fetch_and_add(&row->time, ns);
	row = ns && present->what == khz ? NULL : frequency_of(cpu, khz);
	if (row)
		__sync_fetch_and_add(&row->begun, 1);
	*present = (struct present){now, khz, config.epoch};
	return 0;
}
