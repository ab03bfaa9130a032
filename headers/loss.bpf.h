/* SPDX-License-Identifier: GPL-2.0-only */
/* What happened and could not be recorded in full, and why. Shown in every dump. */
#pragma once

#include "pinscope.bpf.h"

/* A probe with other reasons defines its own before it includes this. */
#ifndef LOSSES
#define LOSSES                                                                                     \
	count_t table_full; /* no free row: recorded in the totals, but under no row of its own */ \
	count_t no_memory;  /* nowhere to keep a start: the event was not measured */              \
	count_t backwards;  /* an end before its start: not recorded */                            \
	count_t stream	    /* no room in the ring buffer: recorded, but not streamed */
#endif

struct losses {
	LOSSES;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct losses);
} losses SEC(".maps") LABEL("reason") HELP("events not recorded in full, by reason");

static __always_inline struct losses *losses_here(void)
{
	u32 key = 0;

	return bpf_map_lookup_elem(&losses, &key);
}

/* LOSE(reason): one more of that member of struct losses. */
#define LOSE(reason)                                                                               \
	do {                                                                                       \
		struct losses *_losses = losses_here();                                            \
                                                                                                   \
		if (_losses)                                                                       \
			__sync_fetch_and_add(&_losses->reason, 1);                                 \
	} while (0)
