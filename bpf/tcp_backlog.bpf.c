// SPDX-License-Identifier: GPL-2.0-only
/*
 * tcp_backlog: how long the queues of listening TCP sockets are when a SYN arrives, and what
 * overflowed.
 *
 *   accept_queue   connections that wait for accept()
 *   syn_queue      requests whose handshake is not complete
 *   limit          of both, the smaller of listen()'s and net.core.somaxconn
 *   overflows      SYNs that found the accept queue longer than that, and were dropped
 *   ack_overflows  acknowledgements that would have completed a handshake and found it so; both
 *                  together are the kernel's ListenOverflows
 *   syn_overflows  SYNs that found the SYN queue longer than that: answered with a cookie
 *                  (TCPReqQFullDoCookies), or dropped (TCPReqQFullDrop) with tcp_syncookies=0
 *
 * Hooks: tcp_conn_request (fentry), once for each SYN; tcp_check_req (fentry), once for each
 * segment to a connection whose handshake is not complete; tcp_get_cookie_sock (fentry), when that
 * brings a valid cookie; inet_listen (fexit) tells whose the listener is, inet_csk_listen_stop
 * (fentry) that it is none any more.
 *
 * Costs 397 instructions a connection on the server's side (6.1), where tcpsynbl adds 700.
 *
 * Cannot see: who called listen() before the probe was loaded (such a listener has a row from its
 * first SYN on, with pid 0); a SYN sent again, which meets its own request; cookies that are sent
 * while there is room (tcp_syncookies=2). On kernels of before 2025 the SYN queue is full one
 * earlier, and syn_overflows lacks those.
 */
#include "pinscope.bpf.h"

/* SYNs that are in the rest: no place for a row, or another processor was just making it. */
#define LOSSES count_t table_full

#include "hist.bpf.h"
#include "loss.bpf.h"
#include "conn.bpf.h"
#include "config.bpf.h"
#include "slots.bpf.h"

PROBE("net default", "accept and SYN queues of TCP listeners: length at each arrival, overflows");

enum state {
	STATE_OPEN,
	STATE_CLOSED,
};

#define STATS                                                                                      \
	count_hist_t accept_queue;                                                                 \
	count_hist_t syn_queue;                                                                    \
	count_t overflows;                                                                         \
	count_t ack_overflows;                                                                     \
	count_t syn_overflows

struct stats {
	STATS;
};

struct row {
	struct slot slot;
	ipaddr_t local;
	port_t port;
	u16 pad;
	netns_t netns;
	enum state state;
	tgid_t pid; /* who called listen() */
	comm_t comm;
	cgroupid_t cgroup;
	mono_t first_seen_ns;
	gauge_t limit; /* of both queues */
	STATS;
};

static __always_inline struct stats *row_stats(struct row *row)
{
	return (struct stats *)&row->accept_queue;
}

struct config {
	struct socket_filter filter;
};

struct config config CONFIG = {};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024);
	__type(key, u32);
	__type(value, struct row);
} listeners SEC(".maps") HELP("listening sockets, open and recently closed");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct stats);
} rest SEC(".maps")
	HELP("what is not under a row of listeners: closed and replaced, or never had one");

CLAIMS(claims, 1024);

MAKING(making); /* SYNs come in on all processors, under no lock */

static __always_inline struct stats *rest_stats(void)
{
	u32 key = 0;

	return bpf_map_lookup_elem(&rest, &key);
}

/* A place whose row has ended gives its numbers to the rest before it is used again. */
static __noinline int row_fold(struct row *row)
{
	struct stats *into = rest_stats(), *from = row_stats(row);

	if (!into)
		return 0;
	hist_fold(&into->accept_queue, &from->accept_queue);
	hist_fold(&into->syn_queue, &from->syn_queue);
	__sync_fetch_and_add(&into->overflows, from->overflows);
	__sync_fetch_and_add(&into->ack_overflows, from->ack_overflows);
	__sync_fetch_and_add(&into->syn_overflows, from->syn_overflows);
	return 0;
}

static __always_inline void hist_clear(struct hist *hist)
{
	hist->sum = hist->max = 0;
	for (int i = 0; i < HIST_SLOTS; i++) {
		hist->slots[i] = 0;
		barrier(); /* or clang makes it a call of memset */
	}
}

static __noinline int row_clear(struct row *row)
{
	hist_clear(&row->accept_queue);
	hist_clear(&row->syn_queue);
	row->overflows = row->ack_overflows = row->syn_overflows = 0;
	row->pid = 0;
	row->cgroup = 0;
	__builtin_memset(&row->comm, 0, sizeof(row->comm));
	return 0;
}

static __always_inline void row_init(struct row *row, struct sock *sk)
{
	struct conn conn;

	if (row->slot.owner) {
		row_fold(row);
		row_clear(row);
	}
	conn_read(&conn, sk);
	row->local = conn.local;
	row->port = conn.lport;
	row->netns = conn.netns;
	row->state = STATE_OPEN;
	row->limit = sk->sk_max_ack_backlog;
	row->first_seen_ns = bpf_ktime_get_ns();
	row->slot.owner = (u64)sk;
}

static __noinline int row_make(struct sock *sk)
{
	u64 key = (u64)sk;
	u32 mine = 0;
	struct row *row;

	if (bpf_map_update_elem(&making, &key, &mine, BPF_NOEXIST))
		return 0;
	if (!slot_find(&listeners, key)) {
		row = slot_claim(&listeners, &claims, key);
		if (row)
			row_init(row, sk);
	}
	bpf_map_delete_elem(&making, &key);
	return 0;
}

static __always_inline struct row *row_get(struct sock *sk)
{
	struct row *row = slot_find(&listeners, (u64)sk);

	if (row)
		return row;
	row_make(sk);
	return slot_find(&listeners, (u64)sk);
}

/* Queues are mostly short: then their length is the slot. */
static __always_inline u32 length_slot(u32 length)
{
	return length < HIST_SUB ? length : hist_slot(length);
}

SEC("fentry/tcp_conn_request")
PROTO("int (struct request_sock_ops *, struct tcp_request_sock_ops *, struct sock *, struct "
      "sk_buff *)")
int BPF_PROG(tcp_syn, void *ops, void *af_ops, struct sock *sk)
{
	struct stats *stats;
	struct tcp_sock *tcp;
	struct row *row;
	u32 accept_queue, syn_queue, limit;

	if (config.filter.active && !filter_socket(&config.filter, sk))
		return 0;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp)
		return 0;
	row = row_get(sk);
	if (!row)
		LOSE(table_full);
	stats = row ? row_stats(row) : rest_stats();
	if (!stats)
		return 0;
	accept_queue = sk->sk_ack_backlog;
	syn_queue = tcp->inet_conn.icsk_accept_queue.qlen.counter;
	limit = sk->sk_max_ack_backlog;
	hist_add(&stats->accept_queue, length_slot(accept_queue), accept_queue);
	hist_add(&stats->syn_queue, length_slot(syn_queue), syn_queue);
	if (accept_queue > limit)
		__sync_fetch_and_add(&stats->overflows, 1);
	if (syn_queue > limit)
		__sync_fetch_and_add(&stats->syn_overflows, 1);
	if (row)
		row->limit = limit;
	return 0;
}

static __noinline int ack_overflow(struct sock *sk, struct sk_buff *skb)
{
	struct tcp_skb_cb *tcp = (struct tcp_skb_cb *)&skb->cb[0];
	u8 flags = BPF_CORE_READ(tcp, tcp_flags) & (TCPHDR_SYN | TCPHDR_RST | TCPHDR_ACK);
	struct stats *stats;
	struct row *row;

	if (flags != TCPHDR_ACK || sk->__sk_common.skc_state != TCP_LISTEN ||
	    (config.filter.active && !filter_socket(&config.filter, sk)))
		return 0;
	row = row_get(sk);
	stats = row ? row_stats(row) : rest_stats();
	if (stats)
		__sync_fetch_and_add(&stats->ack_overflows, 1);
	return 0;
}

static __always_inline int ack(struct sock *sk, struct sk_buff *skb)
{
	return sk->sk_ack_backlog > sk->sk_max_ack_backlog ? ack_overflow(sk, skb) : 0;
}

SEC("fentry/tcp_check_req")
PROTO("struct sock * (struct sock *, struct sk_buff *)")
int BPF_PROG(tcp_ack_request, struct sock *sk, struct sk_buff *skb)
{
	return ack(sk, skb);
}

SEC("fentry/tcp_get_cookie_sock")
PROTO("struct sock * (struct sock *, struct sk_buff *)")
int BPF_PROG(tcp_ack_cookie, struct sock *sk, struct sk_buff *skb)
{
	return ack(sk, skb);
}

SEC("fexit/inet_listen")
PROTO("int (struct socket *, int)")
int BPF_PROG(tcp_listen, struct socket *sock, int backlog, int err)
{
	struct row *row = err ? NULL : row_get(sock->sk);

	if (!row)
		return 0;
	row->pid = bpf_get_current_pid_tgid() >> 32;
	row->cgroup = bpf_get_current_cgroup_id();
	bpf_get_current_comm(&row->comm, sizeof(row->comm));
	return 0;
}

SEC("fentry/inet_csk_listen_stop")
PROTO("void (struct sock *)")
int BPF_PROG(tcp_listen_stop, struct sock *sk)
{
	struct row *row = slot_find(&listeners, (u64)sk);

	if (!row)
		return 0;
	row->state = STATE_CLOSED;
	slot_free(&row->slot, &claims);
	return 0;
}
