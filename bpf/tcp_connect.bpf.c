// SPDX-License-Identifier: GPL-2.0-only
/*
 * tcp_connect: who connects to what, how long the handshake takes, and why it failed; and what
 * listeners accept.
 *
 *   active    from the first SYN sent to its SYN-ACK received: a connection opened here
 *   passive   from the first SYN-ACK sent to the ACK received: a connection accepted here
 *   accept    from that ACK to the application's accept(): the wait in the accept queue
 *
 * Hooks:
 *   tcp_v4_connect, tcp_v6_connect   the attempt, in its process; at once failed or SYN sent
 *   inet_sock_set_state              how it ended, and why (sk_err); the end of a passive one
 *   inet_csk_complete_hashdance      a passive one, whose request knows when it began
 *   inet_csk_reqsk_queue_drop        a request that is over: done or reset
 *   __inet_csk_reqsk_queue_drop      ... or given up, by its timer
 *   security_sock_graft              accept()
 *   tcp_destroy_sock                 never accepted
 *   tcp_retransmit_skb, tcp_retransmit_synack   SYNs and SYN-ACKs again
 *
 * Times of the SYN and SYN-ACK are the kernel's own (tcp_clock_cache, snt_synack), so what
 * connect() does before it sends is not part of them.
 *
 * Costs 2,798 instructions a connection on the client's side, 3,871 on the server's, 6,409 with
 * both ends here; a port filter that rejects 996 and 1,453, paused 869 and 1,423 (6.1, docs/cost.md).
 * 4.7 MiB of kernel memory.
 *
 * Cannot see: when a handshake with a SYN cookie began (counted, without a time); who listens,
 * until it accepts, so with a filter on pid or cgroup servers have accepts only; requests
 * that never became a connection, except by their SYN-ACKs sent again. A connect deferred
 * to the first write (TCP_FASTOPEN_CONNECT) begins at connect(). Before 6.10 a poller on another CPU
 * may take the error of a timeout just before it is looked at: then it is "aborted".
 * MPTCP is seen as its subflows.
 *
 * Variants, the better first (without the first, no timed_out and reset of servers):
 * variant requests   -DREQUESTS
 * variant default
 */
#include "pinscope.bpf.h"
#include "hist.bpf.h"
#include "loss.bpf.h"
#include "conn.bpf.h"
#include "config.bpf.h"

PROBE("net default",
      "TCP connects and accepts: handshake times, failures and why, the wait to be accepted");

/* How an attempt ended: the order of the counters in CLIENT_COUNTS. */
enum outcome {
	OUTCOME_ESTABLISHED,
	OUTCOME_REFUSED,
	OUTCOME_TIMED_OUT,
	OUTCOME_UNREACHABLE,
	OUTCOME_DENIED,
	OUTCOME_NO_ADDRESS,
	OUTCOME_ABORTED,
	OUTCOME_OTHER,
	OUTCOMES,
};

#define CLIENT_COUNTS                                                                              \
	count_t attempts;                                                                          \
	count_t established;                                                                       \
	count_t refused;     /* RST, or ICMP port unreachable */                                   \
	count_t timed_out;   /* no answer */                                                       \
	count_t unreachable; /* network or host: no route, or ICMP */                              \
	count_t denied;	     /* by a route or a filter of this host */                             \
	count_t no_address;  /* no local address or port was left */                               \
	count_t aborted;     /* closed before it ended */                                          \
	count_t other;                                                                             \
	count_t syn_retransmits

#ifdef REQUESTS
#define REQUEST_COUNTS                                                                             \
	count_t timed_out; /* the SYN-ACK was never answered, or the listener closed */            \
	count_t reset;	   /* by RST or ICMP */
#else
#define REQUEST_COUNTS
#endif

#define SERVER_COUNTS                                                                              \
	count_t established;                                                                       \
	count_t accepted;                                                                          \
	REQUEST_COUNTS                                                                             \
	count_t synack_retransmits

struct client_counts {
	CLIENT_COUNTS;
};

struct server_counts {
	SERVER_COUNTS;
};

struct target {
	comm_t comm;
	ipaddr_t remote;
	netns_t netns;
	port_t port;
	u16 pad;
};

struct target_row {
	CLIENT_COUNTS;
	nsec_minihist_t latency;
	tgid_t pid; /* the latest */
	u32 pad;
};

struct listener {
	ipaddr_t local;
	netns_t netns;
	port_t port;
	u16 pad;
};

struct listener_row {
	SERVER_COUNTS;
	nsec_minihist_t latency;
	nsec_minihist_t accept_wait;
	comm_t comm; /* who accepted the latest */
	tgid_t pid;
	u32 pad;
};

/* A connection on its way, found by its socket. */
struct handshake {
	u64 since; /* when this stage began */
	u64 latency;
	u32 epoch; /* of the settings under which it began */
	u32 role;  /* enum role */
	struct conn conn;
	comm_t comm;
	tgid_t pid;
};

struct connect {
	u32 type;
	enum outcome outcome;
	nsec_t latency;
	struct conn conn;
	tgid_t pid;
	comm_t comm;
};

struct accept {
	u32 type;
	tgid_t pid;
	nsec_t latency;
	nsec_t wait;
	struct conn conn;
	comm_t comm;
};

struct config {
	struct filter filter;
	flag_t stream; /* each connect that ended and each accept also goes to `events` */
	nsec_setting_t min_latency; /* shorter ones are counted only */
};

struct config config CONFIG = {};

struct latencies {
	nsec_hist_t active;
	nsec_hist_t passive;
	nsec_hist_t accept;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct latencies);
} latency SEC(".maps") LABEL("kind") METRIC("pinscope_tcp_connect") HELP(
	"handshakes opened here (active) and from outside (passive), and the wait for accept()");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct client_counts);
} clients SEC(".maps") HELP("connects of this host, and how they ended");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct server_counts);
} servers SEC(".maps") HELP("connections that listeners of this host got");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct target);
	__type(value, struct target_row);
} targets SEC(".maps") HELP("connects by program and target");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct listener);
	__type(value, struct listener_row);
} listeners SEC(".maps") HELP("connections by local address and port");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps") HELP("each connect and accept, while config stream is on");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, u64);
	__type(value, struct handshake);
} handshakes SEC(".maps") INTERNAL;

#ifdef REQUESTS
/* With the time of its SYN-ACK, by which it differs from an earlier one at the same address. */
struct syn_request {
	u64 address;
	u64 sent_us;
};

/* The request that is becoming a connection on this CPU: it is dropped as well. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct syn_request);
} completing SEC(".maps") INTERNAL;
#endif

struct new_rows {
	struct target_row target;
	struct listener_row listener;
};

/* Zeros: what rows begin with, too large for the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct new_rows);
} new_rows SEC(".maps") INTERNAL;

static __always_inline struct handshake *handshake_find(struct sock *sk)
{
	u64 key = (u64)sk;

	return bpf_map_lookup_elem(&handshakes, &key);
}

static __always_inline void handshake_end(struct sock *sk)
{
	u64 key = (u64)sk;

	bpf_map_delete_elem(&handshakes, &key);
}

static __always_inline void handshake_begin(struct sock *sk, struct handshake *handshake)
{
	u64 key = (u64)sk;

	handshake->epoch = config.filter.epoch;
	if (bpf_map_update_elem(&handshakes, &key, handshake, BPF_ANY))
		LOSE(no_memory);
}

static __noinline int target_make(const struct target *target)
{
	u32 key = 0;
	struct new_rows *rows = bpf_map_lookup_elem(&new_rows, &key);

	if (rows && target && bpf_map_update_elem(&targets, target, &rows->target, BPF_NOEXIST) &&
	    !bpf_map_lookup_elem(&targets, target))
		LOSE(table_full);
	return 0;
}

static __always_inline struct target_row *target_row(const struct handshake *handshake)
{
	struct target target = {
		.comm = handshake->comm,
		.remote = handshake->conn.remote,
		.netns = handshake->conn.netns,
		.port = handshake->conn.rport,
	};
	struct target_row *row = bpf_map_lookup_elem(&targets, &target);

	if (row)
		return row;
	target_make(&target);
	return bpf_map_lookup_elem(&targets, &target);
}

static __noinline int listener_make(const struct listener *listener)
{
	u32 key = 0;
	struct new_rows *rows = bpf_map_lookup_elem(&new_rows, &key);

	if (rows && listener &&
	    bpf_map_update_elem(&listeners, listener, &rows->listener, BPF_NOEXIST) &&
	    !bpf_map_lookup_elem(&listeners, listener))
		LOSE(table_full);
	return 0;
}

static __always_inline struct listener_row *listener_row(const struct conn *conn)
{
	struct listener listener = {
		.local = conn->local,
		.netns = conn->netns,
		.port = conn->lport,
	};
	struct listener_row *row = bpf_map_lookup_elem(&listeners, &listener);

	if (row)
		return row;
	listener_make(&listener);
	return bpf_map_lookup_elem(&listeners, &listener);
}

/* COUNT(counts, member): one more in a row or a total, if it is there. */
#define COUNT(counts, member)                                                                      \
	do {                                                                                       \
		if (counts)                                                                        \
			__sync_fetch_and_add(&(counts)->member, 1);                                \
	} while (0)

static __always_inline void record(struct hist *all, struct minihist *row, u64 ns)
{
	u32 slot;

	if (ns < config.min_latency)
		return;
	slot = hist_slot(ns);
	if (all)
		hist_add(all, slot, ns);
	if (row)
		minihist_add_shared(row, slot, ns);
}

static __always_inline bool elapsed(u64 since, u64 now, u64 *ns)
{
	*ns = now - since;
	if (now >= since)
		return true;
	LOSE(backwards);
	return false;
}

static __always_inline u32 outcome_of(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return OUTCOME_REFUSED;
	case ETIMEDOUT:
		return OUTCOME_TIMED_OUT;
	case ENETUNREACH:
	case EHOSTUNREACH:
		return OUTCOME_UNREACHABLE;
	case EPERM:
	case EACCES:
		return OUTCOME_DENIED;
	case EADDRINUSE:
	case EADDRNOTAVAIL:
		return OUTCOME_NO_ADDRESS;
	case 0:
		return OUTCOME_ABORTED;
	}
	return OUTCOME_OTHER;
}

static __noinline int stream_connect(const struct handshake *handshake, u32 outcome, u64 ns)
{
	struct connect *event;

	if (!handshake)
		return 0;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		LOSE(stream);
		return 0;
	}
	event->type = bpf_core_type_id_local(struct connect);
	event->outcome = outcome;
	event->latency = ns;
	event->conn = handshake->conn;
	event->pid = handshake->pid;
	event->comm = handshake->comm;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

static __always_inline void count_outcome(count_t *first, u32 outcome)
{
	barrier_var(outcome);
	if (outcome < OUTCOMES)
		__sync_fetch_and_add(first + outcome, 1);
}

/* An attempt has ended, ns after its SYN. */
static __always_inline void connect_ended(const struct handshake *handshake, struct target_row *row,
					  u32 outcome, u64 ns)
{
	u32 key = 0;
	struct client_counts *counts = bpf_map_lookup_elem(&clients, &key);
	struct latencies *all = bpf_map_lookup_elem(&latency, &key);

	if (counts)
		count_outcome(&counts->established, outcome);
	if (row)
		count_outcome(&row->established, outcome);
	if (outcome == OUTCOME_ESTABLISHED && all)
		record(&all->active, row ? &row->latency : NULL, ns);
	if (config.stream && ns >= config.min_latency)
		stream_connect(handshake, outcome, ns);
}

/* What connect() was asked for: a socket that failed to does not know it. */
struct address {
	u16 family;
	__be16 port;
	u32 v4;
	u8 v6[16];
};

static __noinline int conn_asked(struct conn *conn, const void *uaddr)
{
	struct address address = {};

	if (!conn)
		return 0;
	bpf_probe_read_kernel(&address, sizeof(address), uaddr);
	conn->rport = bpf_ntohs(address.port);
	if (address.family == AF_INET6)
		__builtin_memcpy(&conn->remote, address.v6, sizeof(address.v6));
	else
		ipaddr_from_v4(&conn->remote, address.v4);
	return 0;
}

static __always_inline u64 syn_sent_at(struct sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	return tcp && tcp->tcp_clock_cache ? tcp->tcp_clock_cache : bpf_ktime_get_ns();
}

/* Under the socket's lock: no answer has been looked at yet. */
static __always_inline int connect_begun(struct sock *sk, const void *uaddr, int error)
{
	struct handshake handshake = {.role = ROLE_CLIENT};
	struct client_counts *counts;
	struct target_row *row;
	u32 key = 0;

	if (config.filter.active & FILTER_PAUSED)
		return 0;
	conn_read(&handshake.conn, sk);
	if (error)
		conn_asked(&handshake.conn, uaddr);
	if (config.filter.active &&
	    !(filter_task(&config.filter) && filter_conn(&config.filter, &handshake.conn)))
		return 0;
	handshake.pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(&handshake.comm, sizeof(handshake.comm));
	counts = bpf_map_lookup_elem(&clients, &key);
	COUNT(counts, attempts);
	row = target_row(&handshake);
	COUNT(row, attempts);
	if (row)
		row->pid = handshake.pid;
	if (error) {
		connect_ended(&handshake, row, outcome_of(-error), 0);
	} else {
		handshake.since = syn_sent_at(sk);
		handshake_begin(sk, &handshake);
	}
	return 0;
}

/* With an IPv4 address tcp_v6_connect calls this, and is seen itself. */
SEC("fexit/tcp_v4_connect")
PROTO("int (struct sock *, void *, int)")
int BPF_PROG(connect_v4, struct sock *sk, void *uaddr, int len, int error)
{
	if (sk->__sk_common.skc_family == AF_INET6)
		return 0;
	return connect_begun(sk, uaddr, error);
}

SEC("fexit/tcp_v6_connect")
PROTO("int (struct sock *, void *, int)")
int BPF_PROG(connect_v6, struct sock *sk, void *uaddr, int len, int error)
{
	return connect_begun(sk, uaddr, error);
}

static __always_inline int active_ended(struct sock *sk, struct handshake *handshake, int state)
{
	u32 outcome = state == TCP_ESTABLISHED ? OUTCOME_ESTABLISHED : outcome_of(sk->sk_err);
	u64 ns;

	if (handshake->epoch == config.filter.epoch &&
	    elapsed(handshake->since, bpf_ktime_get_ns(), &ns))
		connect_ended(handshake, target_row(handshake), outcome, ns);
	handshake_end(sk);
	return 0;
}

/* handshake is NULL if nobody knows when it began: a SYN cookie, fast open. */
static __always_inline int passive_ended(struct sock *sk, struct handshake *began)
{
	struct handshake handshake = {.role = ROLE_SERVER};
	struct server_counts *counts;
	struct listener_row *row;
	struct latencies *all;
	u32 key = 0;

	conn_read(&handshake.conn, sk);
	if (!filter_conn(&config.filter, &handshake.conn))
		return 0;
	handshake.since = bpf_ktime_get_ns();
	if (!(config.filter.active & FILTER_TASK)) {
		row = listener_row(&handshake.conn);
		counts = bpf_map_lookup_elem(&servers, &key);
		all = bpf_map_lookup_elem(&latency, &key);
		COUNT(counts, established);
		COUNT(row, established);
		if (began && began->epoch == config.filter.epoch && all &&
		    elapsed(began->since, handshake.since, &handshake.latency))
			record(&all->passive, row ? &row->latency : NULL, handshake.latency);
	}
	if (!sk->sk_socket) /* with fast open it may have been accepted before */
		handshake_begin(sk, &handshake);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
PROTO("void (struct sock *, int, int)")
int BPF_PROG(state_changed, struct sock *sk, int from, int to)
{
	struct handshake *handshake;

	if (from != TCP_SYN_SENT && from != TCP_SYN_RECV)
		return 0;
	if (to == TCP_SYN_RECV) /* simultaneous open: it goes on */
		return 0;
	handshake = handshake_find(sk);
	if (handshake && handshake->role == ROLE_CLIENT)
		return active_ended(sk, handshake, to);
	if (from == TCP_SYN_RECV && to == TCP_ESTABLISHED && sk->sk_protocol == IPPROTO_TCP)
		return passive_ended(sk, handshake);
	return 0;
}

static __always_inline u64 synack_sent_us(struct request_sock *req)
{
	return BPF_CORE_READ((struct tcp_request_sock *)req, snt_synack);
}

#ifdef REQUESTS
static __always_inline void request_completing(struct request_sock *req, u64 sent_us)
{
	u32 key = 0;
	struct syn_request *which = bpf_map_lookup_elem(&completing, &key);

	if (which) {
		which->address = (u64)req;
		which->sent_us = sent_us;
	}
}

static __always_inline bool request_completed(struct request_sock *req)
{
	u32 key = 0;
	struct syn_request *which = bpf_map_lookup_elem(&completing, &key);

	return which && which->address == (u64)req && which->sent_us == synack_sent_us(req);
}

static __always_inline int request_failed(struct request_sock *req, bool timed_out)
{
	struct server_counts *counts;
	struct listener_row *row;
	struct conn conn = {};
	u32 key = 0;

	conn_read(&conn, (struct sock *)req);
	if (config.filter.active & FILTER_TASK || !filter_conn(&config.filter, &conn))
		return 0;
	counts = bpf_map_lookup_elem(&servers, &key);
	row = listener_row(&conn);
	if (timed_out) {
		COUNT(counts, timed_out);
		COUNT(row, timed_out);
	} else {
		COUNT(counts, reset);
		COUNT(row, reset);
	}
	return 0;
}

SEC("fexit/inet_csk_reqsk_queue_drop")
PROTO("bool (struct sock *, struct request_sock *)")
int BPF_PROG(request_reset, struct sock *sk, struct request_sock *req, u8 dropped)
{
	return dropped && !request_completed(req) ? request_failed(req, false) : 0;
}

/* Compilers inline it into the former, but not where the timer calls it. */
SEC("fexit/__inet_csk_reqsk_queue_drop")
PROTO("bool (struct sock *, struct request_sock *, bool)")
int BPF_PROG(request_given_up, struct sock *sk, struct request_sock *req, u8 timer, u8 dropped)
{
	return dropped && timer ? request_failed(req, true) : 0;
}
#else
static __always_inline void request_completing(struct request_sock *req, u64 sent_us)
{
}
#endif

SEC("fentry/inet_csk_complete_hashdance")
PROTO("struct sock * (struct sock *, struct sock *, struct request_sock *, bool)")
int BPF_PROG(request_done, struct sock *sk, struct sock *child, struct request_sock *req, u8 own)
{
	struct handshake handshake = {.role = ROLE_SERVER};
	u64 us;

	if (!own)
		return 0;
	us = synack_sent_us(req);
	request_completing(req, us);
	if (config.filter.active && !filter_socket(&config.filter, child))
		return 0;
	if (!us)
		return 0;
	handshake.since = us * 1000;
	handshake_begin(child, &handshake);
	return 0;
}

static __noinline int stream_accept(const struct handshake *handshake, u64 ns)
{
	struct accept *event;

	if (!handshake)
		return 0;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		LOSE(stream);
		return 0;
	}
	event->type = bpf_core_type_id_local(struct accept);
	event->latency = handshake->latency;
	event->wait = ns;
	event->conn = handshake->conn;
	event->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(&event->comm, sizeof(event->comm));
	bpf_ringbuf_submit(event, 0);
	return 0;
}

static __always_inline void accepted(const struct handshake *handshake)
{
	struct listener_row *row = listener_row(&handshake->conn);
	u32 key = 0;
	struct server_counts *counts = bpf_map_lookup_elem(&servers, &key);
	struct latencies *all = bpf_map_lookup_elem(&latency, &key);
	u64 ns;

	COUNT(counts, accepted);
	COUNT(row, accepted);
	if (row) {
		row->pid = bpf_get_current_pid_tgid() >> 32;
		bpf_get_current_comm(&row->comm, sizeof(row->comm));
	}
	if (!all || !elapsed(handshake->since, bpf_ktime_get_ns(), &ns))
		return;
	record(&all->accept, row ? &row->accept_wait : NULL, ns);
	if (config.stream && handshake->latency >= config.min_latency)
		stream_accept(handshake, ns);
}

/* accept() gives the connection its file. */
SEC("fentry/security_sock_graft")
PROTO("void (struct sock *, struct socket *)")
int BPF_PROG(sock_accepted, struct sock *sk)
{
	struct handshake *handshake = handshake_find(sk);

	if (!handshake)
		return 0;
	if (handshake->epoch == config.filter.epoch && filter_task(&config.filter))
		accepted(handshake);
	handshake_end(sk);
	return 0;
}

SEC("tp_btf/tcp_destroy_sock")
PROTO("void (struct sock *)")
int BPF_PROG(sock_destroyed, struct sock *sk)
{
	handshake_end(sk);
	return 0;
}

/* Not the tracepoint: on 7.2 it also fires for what is not sent, the last SYN being still queued. */
SEC("fexit/tcp_retransmit_skb")
PROTO("int (struct sock *, struct sk_buff *, int)")
int BPF_PROG(syn_again, struct sock *sk, struct sk_buff *skb, int segs, int err)
{
	u32 state = sk->__sk_common.skc_state, key = 0;
	struct client_counts *counts;
	struct handshake *handshake;
	struct target_row *row;

	if (err || (state != TCP_SYN_SENT && state != TCP_SYN_RECV))
		return 0;
	handshake = handshake_find(sk);
	if (!handshake || handshake->epoch != config.filter.epoch)
		return 0;
	counts = bpf_map_lookup_elem(&clients, &key);
	COUNT(counts, syn_retransmits);
	row = target_row(handshake);
	COUNT(row, syn_retransmits);
	return 0;
}

SEC("tp_btf/tcp_retransmit_synack")
PROTO("void (struct sock *, struct request_sock *)")
int BPF_PROG(synack_again, struct sock *sk, struct request_sock *req)
{
	struct server_counts *counts;
	struct listener_row *row;
	struct conn conn = {};
	u32 key = 0;

	conn_read(&conn, (struct sock *)req); /* both begin with a struct sock_common */
	if (config.filter.active & FILTER_TASK || !filter_conn(&config.filter, &conn))
		return 0;
	counts = bpf_map_lookup_elem(&servers, &key);
	COUNT(counts, synack_retransmits);
	row = listener_row(&conn);
	COUNT(row, synack_retransmits);
	return 0;
}
