// SPDX-License-Identifier: GPL-2.0-only
/*
 * tcp_window: where the receive window stops a TCP connection, ours or the peer's.
 *
 *   closed       we told the peer that we take nothing (a zero window), until we told it otherwise
 *   clamped      the limit of our window fell below config.low: a small receive buffer, a
 *                clamp by setsockopt, or memory pressure
 *   peer_closed  the peer takes nothing, and we probed it
 *   probes       those and all further probes
 *
 * `closed` as a histogram: how long, one value each time the window was opened again or the
 * connection ended. `probed`: how long the peer's window had been closed, one value for each
 * probe; they come at doubling intervals, so a slot holds as many values as windows were closed
 * that long. (When the peer opens it again is not asked: that would take a hook for each segment.)
 *
 * Hooks:
 *   tcp_send_ack       exit; an acknowledgement without data. A request and its answer have none
 *   tcp_send_probe0    a timer's
 *   tcp_destroy_sock   tracepoint, the end
 *
 * Adds nothing to a small request and its answer (6.1, docs/cost.md). A pure acknowledgement costs
 * the hook, about 300 instructions, and a lookup while any connection is closed or clamped.
 * At most 16,384 rows; they stay until the probe is unloaded.
 *
 * Cannot see: a zero window that only ever rode on data we sent (the kernel's TCPToZeroWindowAdv
 * has it); one that closes and opens between two probes of ours; data the peer sends all the
 * same (TCPZeroWindowDrop); a zero window that could not be told without shrinking it
 * (TCPWantZeroWindowAdv).
 */
#include "pinscope.bpf.h"
#include "hist.bpf.h"
#include "loss.bpf.h"
#include "conn.bpf.h"
#include "config.bpf.h"
#include "text.bpf.h"
#include "rows.bpf.h"

PROBE("net default", "TCP zero windows, probes of them, and windows clamped to low values");

struct config {
	struct socket_filter filter;
	number_t low; /* bytes; a window whose limit is below this is clamped */
};

struct config config CONFIG = {
	.low = 32 * 1024,
};

/* Of a connection whose window is closed or clamped now. */
struct state {
	u64 closed;	  /* since when; 0: it is not */
	struct conn conn; /* which its socket has forgotten when it is destroyed */
	bool clamped;
	u8 pad[3];
};

struct stats {
	count_t closed;
	count_t clamped;
	count_t peer_closed;
	count_t probes;
	nsec_t closed_time;
};

struct durations {
	nsec_hist_t closed;
	nsec_hist_t probed;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct durations);
} durations SEC(".maps") LABEL("window")
	HELP("how long windows were closed: ours, and the peer's when it was probed");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct conn);
	__type(value, struct stats);
} conns SEC(".maps") HELP("connections whose window was closed, clamped or probed");

struct rest {
	struct stats others;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct rest);
} rest SEC(".maps") LABEL("conns") HELP("those of connections that found no row");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u64);
	__type(value, struct state);
} states SEC(".maps") INTERNAL;

u32 narrow; /* how many states there are: while there are none, an acknowledgement costs no lookup */

static __always_inline struct stats *rest_stats(void)
{
	u32 key = 0;
	struct rest *found = bpf_map_lookup_elem(&rest, &key);

	LOSE(table_full);
	return found ? &found->others : NULL;
}

static __noinline struct stats *conn_stats(const struct conn *conn)
{
	struct stats none = {}, *stats;
	struct conn key = *conn;

	stats = row_or_new(&conns, &key, &none);
	return stats ?: rest_stats();
}

static __always_inline struct durations *durations_here(void)
{
	u32 key = 0;

	return bpf_map_lookup_elem(&durations, &key);
}

static __always_inline struct state *state_get(struct sock *sk)
{
	u64 key = (u64)sk;

	return bpf_map_lookup_elem(&states, &key);
}

static __always_inline struct state *state_make(struct sock *sk)
{
	struct state state = {};
	u64 key = (u64)sk;

	conn_read(&state.conn, sk);
	if (bpf_map_update_elem(&states, &key, &state, BPF_NOEXIST)) {
		LOSE(no_memory);
		return NULL;
	}
	__sync_fetch_and_add(&narrow, 1);
	return state_get(sk);
}

static __always_inline void state_drop(struct sock *sk)
{
	u64 key = (u64)sk;

	if (!bpf_map_delete_elem(&states, &key))
		__sync_fetch_and_add(&narrow, -1);
}

static __always_inline void close_window(struct stats *stats, struct state *state)
{
	state->closed = bpf_ktime_get_ns();
	if (stats)
		__sync_fetch_and_add(&stats->closed, 1);
}

static __always_inline void open_window(struct stats *stats, struct state *state)
{
	u64 ns = bpf_ktime_get_ns() - state->closed;
	struct durations *all = durations_here();

	state->closed = 0;
	if (stats)
		__sync_fetch_and_add(&stats->closed_time, ns);
	if (all)
		hist_add(&all->closed, hist_slot(ns), ns);
}

/* Our window is what it is now: so far it was what its state says, or wide where there is none. */
static __noinline int window_is(struct sock *sk, bool closed, bool clamped)
{
	struct state *state = state_get(sk);
	struct stats *stats;

	if (!state) {
		if (!(closed || clamped) || !filter_socket(&config.filter, sk))
			return 0;
		state = state_make(sk);
	}
	if (!state)
		return 0;
	if (closed != !!state->closed || (clamped && !state->clamped)) {
		stats = conn_stats(&state->conn);
		if (closed && !state->closed)
			close_window(stats, state);
		else if (!closed && state->closed)
			open_window(stats, state);
		if (stats && clamped && !state->clamped)
			__sync_fetch_and_add(&stats->clamped, 1);
	}
	state->clamped = clamped;
	if (!closed && !clamped)
		state_drop(sk);
	return 0;
}

SEC("fexit/tcp_send_ack")
PROTO("void (struct sock *)")
int BPF_PROG(ack_sent, struct sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	bool closed, clamped;

	if (!tcp)
		return 0;
	closed = !tcp->rcv_wnd;
	clamped = tcp->rcv_ssthresh < config.low || tcp->window_clamp < config.low;
	return closed || clamped || narrow ? window_is(sk, closed, clamped) : 0;
}

SEC("fentry/tcp_send_probe0")
PROTO("void (struct sock *)")
int BPF_PROG(probe_sent, struct sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	struct inet_connection_sock *icsk = (struct inet_connection_sock *)sk;
	struct durations *all = durations_here();
	struct conn conn = {};
	struct stats *stats;
	u64 since, now;

	/* With an open window it sends data, which was less than it liked to send. */
	if (!tcp || !all || tcp->snd_wnd || !filter_socket(&config.filter, sk))
		return 0;
	conn_read(&conn, sk);
	stats = conn_stats(&conn);
	if (stats) {
		__sync_fetch_and_add(&stats->probes, 1);
		if (!BPF_CORE_READ(icsk, icsk_backoff)) /* the first of them */
			__sync_fetch_and_add(&stats->peer_closed, 1);
	}
	/* What filled the peer's buffer was the last that it acknowledged. */
	since = tcp->delivered_mstamp * 1000;
	now = bpf_ktime_get_ns();
	if (now < since)
		LOSE(backwards);
	else
		hist_add(&all->probed, hist_slot(now - since), now - since);
	return 0;
}

SEC("tp_btf/tcp_destroy_sock")
PROTO("void (struct sock *)")
int BPF_PROG(tcp_end, struct sock *sk)
{
	return narrow ? window_is(sk, false, false) : 0;
}

SEC("iter/bpf_map_elem")
int conns_text(struct bpf_iter__bpf_map_elem *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct stats *stats = ctx->value;
	struct conn *conn = ctx->key;

	if (!ctx->meta->seq_num)
		BPF_SEQ_PRINTF(seq,
			       "netns local remote closed clamped peer_closed probes closed_ns\n");
	if (!conn || !stats) /* the end */
		return 0;
	BPF_SEQ_PRINTF(seq, "%u ", conn->netns);
	text_end(seq, &conn->local, conn->lport);
	text_end(seq, &conn->remote, conn->rport);
	BPF_SEQ_PRINTF(seq, "%llu %llu %llu %llu %llu\n", stats->closed, stats->clamped,
		       stats->peer_closed, stats->probes, stats->closed_time);
	return 0;
}
