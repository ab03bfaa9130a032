/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a thread is in the middle of: an array in which each thread has one place, by its number.
 * No hash to insert into and delete from, and nothing is left behind by what never ends.
 *
 * Two threads have the same place if their numbers differ by a multiple of the array's size. The
 * later one takes it, which the earlier one sees by the number in it; the probe counts what it loses
 * by that. With kernel.pid_max at 32,768, the kernel's own default on most machines, it never happens.
 *
 * The probe defines THREAD_STATE, the members it keeps there, before it includes this.
 */
#pragma once

#include "slots.bpf.h"

struct thread {
	u32 tid; /* 0: nobody's yet */
	u32 epoch;
	THREAD_STATE;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 32768);
	__type(key, u32);
	__type(value, struct thread);
} threads SEC(".maps") INTERNAL;

/* The place of the current thread, whoever has it. */
static __always_inline struct thread *thread_place(u32 tid)
{
	u32 at = tid % slots_size(&threads);

	return bpf_map_lookup_elem(&threads, &at);
}

/* Whether what is in a place was begun by that thread and under these settings. */
static __always_inline bool thread_holds(const struct thread *thread, u32 tid, u32 epoch)
{
	return thread->tid == tid && thread->epoch == epoch;
}

/* The place of the current thread, for it to begin something. */
static __always_inline struct thread *thread_begin(u32 epoch)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct thread *thread = thread_place(tid);

	if (thread && !thread_holds(thread, tid, epoch))
		*thread = (struct thread){.tid = tid, .epoch = epoch};
	return thread;
}

/* The same at the end of it; NULL if it was not begun, or is not known any more (`taken`). */
static __always_inline struct thread *thread_end(u32 epoch, bool *taken)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct thread *thread = thread_place(tid);

	*taken = thread && thread->tid && thread->tid != tid;
	return thread && thread_holds(thread, tid, epoch) ? thread : NULL;
}
