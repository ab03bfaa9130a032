/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Page faults are tried again, from handle_mm_fault on, when the lock on the address space was given
 * back to wait for the page: since when the first try of the fault runs that a thread is in.
 */
#pragma once

#include "pinscope.bpf.h"

struct attempt {
	u64 since; /* 0: it has ended */
	u64 address;
};

/* Kernels that try with the lock of the mapping alone may do the next try as if it was the first. */
static __always_inline bool attempt_may_be_next(u32 flags)
{
	if (flags & FAULT_FLAG_TRIED)
		return true;
	return bpf_core_enum_value_exists(enum fault_flag, FAULT_FLAG_VMA_LOCK) &&
	       !(flags & bpf_core_enum_value(enum fault_flag, FAULT_FLAG_VMA_LOCK));
}

/* Whether this is the first try, which begins now. */
static __always_inline bool attempt_begin(struct attempt *attempt, u64 address, u32 flags)
{
	if (attempt->since && attempt->address == address && attempt_may_be_next(flags))
		return false;
	attempt->address = address;
	attempt->since = bpf_ktime_get_ns();
	return true;
}

/* Whether it will be tried again, by what the kernel returned. */
static __always_inline bool attempt_goes_on(u32 flags, u32 result)
{
	return result & VM_FAULT_RETRY && !(flags & FAULT_FLAG_RETRY_NOWAIT);
}
