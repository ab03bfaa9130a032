// SPDX-License-Identifier: GPL-2.0-only
/*
 * tcp_conn: each TCP connection, open or recently closed: whose it is, what it carried, how it
 * fares and how it ended.
 *
 * The kernel counts all that in its own tcp_sock. So nothing runs per packet: a connection
 * gets a row when it begins, its numbers are read from the socket while it lives, whenever
 * somebody looks (conns_rows), and kept when it ends.
 *
 * Hooks:
 *   inet_sock_set_state   connect (in the process that connects), established, closed
 *   tcp_destroy_sock      the socket is gone: its row's place may be used again
 *   inet_accept           returns: the process that accepted
 *   tcp_send_probe0       the other end's window is closed and is asked for again
 *   iter/task_file        at load and before each reading: sockets without a row, which are
 *                         older than the probe or were filtered out, and their owners
 *
 * Costs nothing per request (4 instructions of 17,615, which is drift); 3,368 for a client's and
 * 3,200 for a server's whole connection (6.1, whole path, docs/cost.md). 7.4 MiB of kernel memory.
 *
 * bytes_sent counts retransmissions; bytes_received is what the application has read or
 * can. bytes_acked is as in ss(8): a client's SYN and each FIN count one. A time, window or rate of 0 has
 * not been measured yet. handshake: of a client from SYN to ESTABLISHED, of a server from its
 * SYN-ACK to the answer; 0 if it was not seen. lifetime is since first_seen.
 *
 * The owner is who connected or accepted; where that was not seen, the first process found
 * with the socket open. reason is what ended it: local_fin and remote_fin, whoever sent the
 * first FIN; reset received; aborted here (closed with unread data, or linger 0), ...
 *
 * Cannot see: how long a connection was limited by windows (the kernel counts that in jiffies, and
 * their length is not in BTF); connections without an open file (the kernel's own) that are older than the
 * probe; who owned a connection that was older and closed before anybody looked; with a
 * filter on pid or cgroup, connections without a row in the rest. A reset sent while closing is not
 * in segs_out. Of fast open, the server's side has a row from the end of the handshake on.
 *
 * Variants, the better first (the last finds owners of accepted sockets by iter/task_file only):
 * variant fentry       -DFENTRY -DACCEPT_ARG
 * variant fentry4      -DFENTRY
 * variant tracepoint
 */
#include "pinscope.bpf.h"
#include "loss.bpf.h"
#include "conn.bpf.h"
#include "config.bpf.h"
#include "slots.bpf.h"
#include "tcp_numbers.bpf.h"
#include "tcp_files.bpf.h"
#include "text.bpf.h"

PROBE("net default", "TCP connections: owner, traffic, round trips, windows, how they ended");

/* The kernel's numbers (include/net/tcp_states.h). */
enum state {
	STATE_ESTABLISHED = 1,
	STATE_SYN_SENT,
	STATE_SYN_RECV,
	STATE_FIN_WAIT1,
	STATE_FIN_WAIT2,
	STATE_TIME_WAIT,
	STATE_CLOSED,
	STATE_CLOSE_WAIT,
	STATE_LAST_ACK,
	STATE_LISTEN,
	STATE_CLOSING,
	STATE_NEW_SYN_RECV,
};

#define LOCAL_FIN  (1 << STATE_FIN_WAIT1 | 1 << STATE_FIN_WAIT2 | 1 << STATE_CLOSING)
#define CONNECTED  (1 << STATE_ESTABLISHED | 1 << STATE_CLOSE_WAIT | 1 << STATE_LAST_ACK | LOCAL_FIN)
#define CONNECTION (CONNECTED | 1 << STATE_SYN_SENT)

enum reason {
	REASON_NONE, /* it has not ended */
	REASON_LOCAL_FIN,
	REASON_REMOTE_FIN,
	REASON_RESET,	/* received */
	REASON_ABORTED, /* here */
	REASON_TIMED_OUT,
	REASON_REFUSED,
	REASON_UNREACHABLE,
	REASON_ERROR,
};

#ifdef FENTRY
#define ZERO_WINDOW_PROBES count_t zero_window_probes; /* sent */
#else
#define ZERO_WINDOW_PROBES
#endif

/* Members of a row and of the rest: not a struct in the row, so that each has its name there. */
#define COUNTERS                                                                                   \
	TCP_COUNTERS                                                                               \
	ZERO_WINDOW_PROBES

struct counters {
	COUNTERS
};

struct row {
	struct slot slot;
	struct conn conn;
	enum role role;
	enum state state;
	tgid_t pid;
	comm_t comm;
	u32 pad;
	nsec_gauge_t rtt;
	COUNTERS
	nsec_gauge_t min_rtt;
	nsec_gauge_t rttvar;
	nsec_gauge_t rcv_rtt; /* the receiver's estimate */
	nsec_gauge_t handshake;
	nsec_gauge_t lifetime;
	bytes_gauge_t recv_q;	     /* received, not read yet */
	bytes_gauge_t send_q;	     /* written, not acknowledged yet */
	bytes_gauge_t notsent;	     /* of these, not sent yet */
	bytes_gauge_t delivery_rate; /* a second */
	gauge_t cwnd;		     /* segments */
	gauge_t ssthresh;
	gauge_t unacked;
	gauge_t lost;
	bytes_gauge_t mss;
	bytes_gauge_t snd_wnd;
	bytes_gauge_t rcv_wnd;
	bytes_gauge_t window_clamp;
	enum reason reason;
	u32 pad2;
	cgroupid_t cgroup;
	comm_t congestion;
	mono_t first_seen_ns;
};

static __always_inline struct counters *row_counters(struct row *row)
{
	return (struct counters *)&row->bytes_sent;
}

struct config {
	struct filter filter;
};

struct config config CONFIG = {};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, struct row);
} conns SEC(".maps") HELP("connections, open and recently closed");

struct folded {
	count_t connections;
	COUNTERS
};

struct folded_roles {
	struct folded client;
	struct folded server;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct folded_roles);
} rest SEC(".maps") LABEL("role")
	HELP("closed connections that are not under a row of conns: replaced, or never had one");

/* In the order of enum reason. */
struct ends {
	count_t established;
	count_t local_fin;
	count_t remote_fin;
	count_t reset;
	count_t aborted;
	count_t timed_out;
	count_t refused;
	count_t unreachable;
	count_t error;
};

struct ends_roles {
	struct ends client;
	struct ends server;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct ends_roles);
} totals SEC(".maps") LABEL("role") HELP("connections established, and ended by reason");

CLAIMS(claims, 16384);

MAKING(scanned); /* by a scan: two of them may be under way */

static __always_inline void totals_add(u32 role, u32 what)
{
	u32 key = 0;
	struct ends_roles *roles = bpf_map_lookup_elem(&totals, &key);
	count_t *ends;

	if (!roles || what > REASON_ERROR)
		return;
	ends = role == ROLE_CLIENT ? (count_t *)&roles->client : (count_t *)&roles->server;
	__sync_fetch_and_add(&ends[what], 1);
}

static __always_inline struct folded *rest_of(u32 role)
{
	u32 key = 0;
	struct folded_roles *roles = bpf_map_lookup_elem(&rest, &key);

	if (!roles)
		return NULL;
	return role == ROLE_CLIENT ? &roles->client : &roles->server;
}

static __noinline int rest_add(u32 role, const struct counters *counters)
{
	struct folded *folded = rest_of(role);
	const count_t *from = (const count_t *)counters;
	count_t *into = folded ? &folded->bytes_sent : NULL;

	if (!into || !from)
		return 0;
	__sync_fetch_and_add(&folded->connections, 1);
	for (int i = 0; i < (int)(sizeof(*counters) / sizeof(*from)); i++)
		__sync_fetch_and_add(&into[i], from[i]);
	return 0;
}

/* ---- what the socket says ---- */

static __always_inline void queues_load(struct row *to, struct tcp_sock *tcp, bool probe)
{
	u32 written = LOAD(probe, tcp, write_seq);
	u32 fin = tcp_fin_received(tcp, probe);

	to->recv_q = tcp_above(LOAD(probe, tcp, rcv_nxt) - fin, LOAD(probe, tcp, copied_seq));
	to->send_q = tcp_above(written, LOAD(probe, tcp, snd_una));
	to->notsent = tcp_above(written, LOAD(probe, tcp, snd_nxt));
}

static __always_inline void gauges_load(struct row *to, struct tcp_sock *tcp, bool probe)
{
	const struct tcp_congestion_ops *ops = LOAD(probe, tcp, inet_conn.icsk_ca_ops);

	to->rtt = tcp_us(LOAD(probe, tcp, srtt_us)) >> 3;
	to->min_rtt = tcp_us(LOAD(probe, tcp, rtt_min.s[0].v));
	to->rttvar = tcp_us(LOAD(probe, tcp, mdev_us)) >> 2;
	to->rcv_rtt = tcp_us(LOAD(probe, tcp, rcv_rtt_est.rtt_us)) >> 3;
	to->delivery_rate = tcp_delivery_rate(tcp, probe);
	to->cwnd = LOAD(probe, tcp, snd_cwnd);
	to->ssthresh = LOAD(probe, tcp, snd_ssthresh);
	to->unacked = LOAD(probe, tcp, packets_out);
	to->lost = LOAD(probe, tcp, lost_out);
	to->mss = LOAD(probe, tcp, mss_cache);
	to->snd_wnd = LOAD(probe, tcp, snd_wnd);
	to->rcv_wnd = LOAD(probe, tcp, rcv_wnd);
	to->window_clamp = LOAD(probe, tcp, window_clamp);
	bpf_probe_read_kernel_str(&to->congestion, sizeof(to->congestion), &ops->name);
}

/* A client's port is chosen after its state is set, and has gone from skc_num when it closes. */
static __always_inline void ends_load(struct conn *conn, struct tcp_sock *tcp, bool probe)
{
	conn_load(conn, (struct sock *)tcp, probe);
	if (!conn->lport)
		conn->lport = bpf_ntohs(LOAD(probe, tcp, inet_conn.icsk_inet.inet_sport));
}

static __always_inline void row_load(struct row *to, struct tcp_sock *tcp, bool probe)
{
	if (!to->conn.lport)
		to->conn.lport = bpf_ntohs(LOAD(probe, tcp, inet_conn.icsk_inet.inet_sport));
	tcp_counters_load((void *)row_counters(to), tcp, probe);
	gauges_load(to, tcp, probe);
	queues_load(to, tcp, probe);
	to->lifetime = bpf_ktime_get_ns() - to->first_seen_ns;
}

/* ---- rows ---- */

/* A row for a socket, in use once its slot.owner is set. What the place held goes to the rest. */
static __noinline struct row *row_make(u64 owner, const struct conn *conn, u32 role)
{
	struct row *row = slot_claim(&conns, &claims, owner);

	if (!row || !conn)
		return NULL;
	if (row->slot.owner)
		rest_add(row->role, row_counters(row));
	row->slot.owner = 0; /* who reads it now sees that it is changing */
	barrier();
	__builtin_memset((void *)row + sizeof(row->slot), 0, sizeof(*row) - sizeof(row->slot));
	row->conn = *conn;
	row->role = role;
	row->first_seen_ns = bpf_ktime_get_ns();
	return row;
}

/* Of a connection that begins; a scan tries again for those that are without. */
static __always_inline struct row *row_new(struct tcp_sock *tcp, const struct conn *conn, u32 role)
{
	struct row *row = row_make((u64)tcp, conn, role);

	if (!row)
		LOSE(table_full);
	return row;
}

static __always_inline void row_owner(struct row *row)
{
	row->pid = bpf_get_current_pid_tgid() >> 32;
	row->cgroup = bpf_get_current_cgroup_id();
	bpf_get_current_comm(&row->comm, sizeof(row->comm));
}

/* Whether a connection without a row counts: whose it is cannot be told. */
static __always_inline bool counts(const struct conn *conn)
{
	return !(config.filter.active & FILTER_TASK) && filter_conn(&config.filter, conn);
}

static __noinline int connecting(struct tcp_sock *tcp)
{
	struct row *row = slot_find(&conns, (u64)tcp);
	struct conn conn;

	if (row) /* the socket was disconnected, and connects again */
		slot_free(&row->slot, &claims);
	ends_load(&conn, tcp, false);
	if (!filter_conn(&config.filter, &conn) || !filter_task(&config.filter))
		return 0;
	row = row_new(tcp, &conn, ROLE_CLIENT);
	if (!row)
		return 0;
	row_owner(row);
	row->slot.owner = (u64)tcp;
	return 0;
}

static __noinline int connected(struct tcp_sock *tcp)
{
	struct row *row = slot_find(&conns, (u64)tcp);
	struct conn conn;

	ends_load(&conn, tcp, false);
	if (row) {
		row->conn.lport = conn.lport;
		row->handshake = bpf_ktime_get_ns() - row->first_seen_ns;
	}
	if (row || counts(&conn))
		totals_add(ROLE_CLIENT, REASON_NONE);
	return 0;
}

/* In softirq: who owns it will be known when it is accepted. */
static __noinline int arrived(struct tcp_sock *tcp)
{
	struct conn conn;
	struct row *row;

	ends_load(&conn, tcp, false);
	if (!counts(&conn))
		return 0;
	totals_add(ROLE_SERVER, REASON_NONE);
	row = row_new(tcp, &conn, ROLE_SERVER);
	if (!row)
		return 0;
	row->handshake = tcp_us(tcp->srtt_us) >> 3;
	row->slot.owner = (u64)tcp;
	return 0;
}

static __always_inline enum reason reason_of(int error, u32 state)
{
	switch (error) {
	case 0:
		break;
	case ECONNRESET:
	case EPIPE:
		return REASON_RESET;
	case ECONNREFUSED:
		return REASON_REFUSED;
	case ETIMEDOUT:
		return REASON_TIMED_OUT;
	case EHOSTUNREACH:
	case ENETUNREACH:
		return REASON_UNREACHABLE;
	case ECONNABORTED:
		return REASON_ABORTED;
	default:
		return REASON_ERROR;
	}
	if (1 << state & LOCAL_FIN)
		return REASON_LOCAL_FIN;
	return state == STATE_LAST_ACK ? REASON_REMOTE_FIN : REASON_ABORTED;
}

static __noinline int closed_without_row(struct tcp_sock *tcp, u32 reason)
{
	enum role role = conn_role((struct sock *)tcp);
	struct counters counters = {};
	struct conn conn;

	ends_load(&conn, tcp, false);
	if (!counts(&conn))
		return 0;
	tcp_counters_load((void *)&counters, tcp, false);
	rest_add(role, &counters);
	totals_add(role, reason);
	return 0;
}

/* The numbers are final, and are gone from the socket when it is disconnected. */
static __noinline int closed(struct tcp_sock *tcp, u32 state)
{
	struct row *row = slot_find(&conns, (u64)tcp);
	enum reason reason = reason_of(tcp->inet_conn.icsk_inet.sk.sk_err, state);

	if (!row)
		return closed_without_row(tcp, reason);
	row_load(row, tcp, false);
	row->reason = reason;
	totals_add(row->role, reason);
	barrier();
	row->state = STATE_CLOSED;
	return 0;
}

/* ---- hooks ---- */

SEC("tp_btf/inet_sock_set_state")
PROTO("void (const struct sock *, const int, const int)")
int BPF_PROG(tcp_state, struct sock *sk, int from, int to)
{
	struct tcp_sock *tcp;

	if (to != STATE_SYN_SENT && to != STATE_ESTABLISHED && to != STATE_CLOSED)
		return 0;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp)
		return 0;
	if (to == STATE_SYN_SENT)
		return connecting(tcp);
	if (to == STATE_CLOSED)
		return 1 << (from & 15) & CONNECTION ? closed(tcp, from) : 0;
	return conn_role(sk) == ROLE_SERVER ? arrived(tcp) : connected(tcp);
}

/* A row that is not closed by now was made by a scan while the socket closed: it is counted. */
SEC("tp_btf/tcp_destroy_sock")
PROTO("void (struct sock *)")
int BPF_PROG(tcp_gone, struct sock *sk)
{
	struct row *row = slot_find(&conns, (u64)sk);

	if (!row)
		return 0;
	if (row->state == STATE_CLOSED)
		slot_free(&row->slot, &claims);
	else
		slot_drop(&row->slot, &claims);
	return 0;
}

#ifdef FENTRY

/* With a filter on the owner, this is where a server's connection begins. */
static __noinline int accepted(struct tcp_sock *tcp)
{
	struct conn conn;
	struct row *row;

	ends_load(&conn, tcp, false);
	if (!filter_conn(&config.filter, &conn) || !filter_task(&config.filter))
		return 0;
	row = row_new(tcp, &conn, ROLE_SERVER);
	if (!row)
		return 0;
	totals_add(ROLE_SERVER, REASON_NONE);
	row_owner(row);
	row->slot.owner = (u64)tcp;
	return 0;
}

/* It has waited for the end of the handshake; nobody else has the new socket yet. */
static __always_inline int accept_returned(struct socket *socket, int error)
{
	struct tcp_sock *tcp;
	struct row *row;

	if (error)
		return 0;
	tcp = bpf_skc_to_tcp_sock(socket->sk);
	if (!tcp)
		return 0;
	row = slot_find(&conns, (u64)tcp);
	if (row)
		row_owner(row);
	else if (config.filter.active & FILTER_TASK &&
		 1 << (tcp->inet_conn.icsk_inet.sk.__sk_common.skc_state & 15) & CONNECTED)
		accepted(tcp);
	return 0;
}

#ifdef ACCEPT_ARG
SEC("fexit/inet_accept")
PROTO("int (struct socket *, struct socket *, struct proto_accept_arg *)")
int BPF_PROG(tcp_accept, struct socket *listener, struct socket *socket,
	     struct proto_accept_arg *arg, int error)
#else
SEC("fexit/inet_accept")
PROTO("int (struct socket *, struct socket *, int, bool)")
int BPF_PROG(tcp_accept, struct socket *listener, struct socket *socket, int flags, bool kern,
	     int error)
#endif
{
	return accept_returned(socket, error);
}

SEC("fentry/tcp_send_probe0")
PROTO("void (struct sock *)")
int BPF_PROG(tcp_window_probe, struct sock *sk)
{
	struct row *row = slot_find(&conns, (u64)sk);
	struct folded *folded;

	if (row) {
		row->zero_window_probes++;
		return 0;
	}
	folded = rest_of(conn_role(sk));
	if (folded)
		__sync_fetch_and_add(&folded->zero_window_probes, 1);
	return 0;
}

#endif

/* ---- readings ---- */

static __always_inline void row_owner_found(struct row *row, struct task_struct *task)
{
	row->cgroup = task->cgroups->dfl_cgrp->kn->id;
	BPF_CORE_READ_INTO(&row->comm, task, comm);
	row->pid = task->tgid;
}

static __noinline int conns_found(struct tcp_sock *tcp, struct task_struct *task)
{
	struct conn conn;
	struct row *row;

	ends_load(&conn, tcp, true);
	if (!filter_conn(&config.filter, &conn) || !filter_opener(&config.filter, task))
		return 0;
	row = slot_find(&conns, (u64)tcp); /* by now another scan may have made it */
	if (!row)
		row = row_make((u64)tcp, &conn, conn_role_load((struct sock *)tcp, true));
	if (!row)
		return 0;
	row_owner_found(row, task);
	row->slot.owner = (u64)tcp;
	return 0;
}

SEC("iter/task_file")
int conns_scan(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct tcp_sock *tcp;
	struct row *row;
	u32 one = 1;
	u64 key;

	if (!task || !file)
		return 0;
	tcp = file_tcp(file, CONNECTED);
	if (!tcp)
		return 0;
	key = (u64)tcp;
	row = slot_find(&conns, key);
	if (row) {
		if (!row->pid)
			row_owner_found(row, task);
		return 0;
	}
	if (!bpf_map_update_elem(&scanned, &key, &one, BPF_NOEXIST)) {
		conns_found(tcp, task);
		bpf_map_delete_elem(&scanned, &key);
	}
	return 0;
}

/*
 * A row as it is now: an open one with what its socket says. The socket may close and be gone,
 * and the place used again, while we look: false if that is so.
 */
static __noinline bool row_read(struct row *to, struct row *row)
{
	struct tcp_sock *tcp;
	u64 owner;

	if (!to || !row || !row->slot.owner)
		return false;
	owner = row->slot.owner;
	tcp = (struct tcp_sock *)owner;
	barrier();
	__builtin_memcpy(to, row, sizeof(*to));
	if (owner != SLOT_FREED && to->state != STATE_CLOSED) {
		row_load(to, tcp, true);
		to->state = BPF_CORE_READ(tcp, inet_conn.icsk_inet.sk.__sk_common.skc_state);
	}
	barrier();
	return row->slot.owner == owner && row->first_seen_ns == to->first_seen_ns &&
	       (row->state == STATE_CLOSED) == (to->state == STATE_CLOSED);
}

/* As it is now, tried twice. */
static __always_inline bool row_now(struct row *to, struct row *row)
{
	return row_read(to, row) || row_read(to, row);
}

SEC("iter/bpf_map_elem")
int conns_rows(struct bpf_iter__bpf_map_elem *ctx)
{
	u32 *key = ctx->key;
	struct row row;

	if (!key || !row_now(&row, ctx->value))
		return 0;
	bpf_seq_write(ctx->meta->seq, key, sizeof(*key));
	bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	return 0;
}

static const char state_names[16][12] = {
	[STATE_ESTABLISHED] = "established", [STATE_SYN_SENT] = "syn_sent",
	[STATE_SYN_RECV] = "syn_recv",	     [STATE_FIN_WAIT1] = "fin_wait1",
	[STATE_FIN_WAIT2] = "fin_wait2",     [STATE_TIME_WAIT] = "time_wait",
	[STATE_CLOSED] = "closed",	     [STATE_CLOSE_WAIT] = "close_wait",
	[STATE_LAST_ACK] = "last_ack",	     [STATE_CLOSING] = "closing",
};

static const char reason_names[16][12] = {
	[REASON_NONE] = "none",
	[REASON_LOCAL_FIN] = "local_fin",
	[REASON_REMOTE_FIN] = "remote_fin",
	[REASON_RESET] = "reset",
	[REASON_ABORTED] = "aborted",
	[REASON_TIMED_OUT] = "timed_out",
	[REASON_REFUSED] = "refused",
	[REASON_UNREACHABLE] = "unreachable",
	[REASON_ERROR] = "error",
};

SEC("iter/bpf_map_elem")
int conns_text(struct bpf_iter__bpf_map_elem *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct row row;
	comm_t comm;

	if (!ctx->meta->seq_num)
		BPF_SEQ_PRINTF(seq,
			       "netns local remote role state reason pid comm bytes_sent "
			       "bytes_received retrans rtt_ns min_rtt_ns recv_q send_q cwnd\n");
	if (!row_now(&row, ctx->value))
		return 0;
	comm = text_comm(&row.comm);
	if (!comm.name[0])
		comm.name[0] = '-';
	BPF_SEQ_PRINTF(seq, "%u ", row.conn.netns);
	text_end(seq, &row.conn.local, row.conn.lport);
	text_end(seq, &row.conn.remote, row.conn.rport);
	BPF_SEQ_PRINTF(seq, "%s %s %s %u %s", row.role == ROLE_SERVER ? "server" : "client",
		       state_names[row.state & 15], reason_names[row.reason & 15], row.pid,
		       comm.name);
	BPF_SEQ_PRINTF(seq, " %llu %llu %llu %llu %llu", row.bytes_sent, row.bytes_received,
		       row.retrans, row.rtt, row.min_rtt);
	BPF_SEQ_PRINTF(seq, " %llu %llu %llu\n", row.recv_q, row.send_q, row.cwnd);
	return 0;
}
