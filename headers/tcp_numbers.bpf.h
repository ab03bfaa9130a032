/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel counts and measures of a connection in its tcp_sock, as ss(8) shows it. `probe`: where only we
 * know that it is one (LOAD).
 */
#pragma once

#include "pinscope.bpf.h"

#define TCP_COUNTERS                                                                               \
	bytes_t bytes_sent;                                                                        \
	bytes_t bytes_received;                                                                    \
	count_t retrans; /* segments sent again */                                                 \
	bytes_t bytes_retrans;                                                                     \
	bytes_t bytes_acked;                                                                       \
	count_t segs_out;                                                                          \
	count_t segs_in;                                                                           \
	count_t data_segs_out;                                                                     \
	count_t data_segs_in;                                                                      \
	count_t rcv_ooopack; /* segments received out of order */                                  \
	count_t reord_seen;  /* the path was seen to reorder what was sent */                      \
	count_t dsack_dups;  /* segments the other end got twice */

struct tcp_counters {
	TCP_COUNTERS
};

/* To the kernel a FIN is a byte received. */
static __always_inline u32 tcp_fin_received(struct tcp_sock *tcp, bool probe)
{
	return LOAD(probe, tcp, inet_conn.icsk_inet.sk.__sk_common.skc_flags) >> SOCK_DONE & 1;
}

static __always_inline void tcp_counters_load(struct tcp_counters *to, struct tcp_sock *tcp,
					      bool probe)
{
	to->bytes_sent = LOAD(probe, tcp, bytes_sent);
	to->bytes_received = LOAD(probe, tcp, bytes_received) - tcp_fin_received(tcp, probe);
	to->retrans = LOAD(probe, tcp, total_retrans);
	to->bytes_retrans = LOAD(probe, tcp, bytes_retrans);
	to->bytes_acked = LOAD(probe, tcp, bytes_acked);
	to->segs_out = LOAD(probe, tcp, segs_out);
	to->segs_in = LOAD(probe, tcp, segs_in);
	to->data_segs_out = LOAD(probe, tcp, data_segs_out);
	to->data_segs_in = LOAD(probe, tcp, data_segs_in);
	to->rcv_ooopack = LOAD(probe, tcp, rcv_ooopack);
	to->reord_seen = LOAD(probe, tcp, reord_seen);
	to->dsack_dups = LOAD(probe, tcp, dsack_dups);
}

/* In ns; ~0: not measured yet. */
static __always_inline u64 tcp_us(u32 us)
{
	return us == ~0U ? 0 : us * 1000ULL;
}

/* As tcp_info has it. */
static __always_inline u64 tcp_delivery_rate(struct tcp_sock *tcp, bool probe)
{
	u64 interval = LOAD(probe, tcp, rate_interval_us);

	if (!interval)
		return 0;
	return (u64)LOAD(probe, tcp, rate_delivered) * LOAD(probe, tcp, mss_cache) * 1000000 /
	       interval;
}

/* Of sequence numbers, how far end is ahead. */
static __always_inline u32 tcp_above(u32 end, u32 begin)
{
	return (s32)(end - begin) > 0 ? end - begin : 0;
}
