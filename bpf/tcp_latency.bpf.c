// SPDX-License-Identifier: GPL-2.0-only
/*
 * tcp_latency: how long TCP requests take, seen from both ends, per connection and in all.
 *
 *   client   connection that was opened here: from the last byte handed to the kernel to the
 *            first read of data that arrived after it. One value each time the
 *            conversation turns from sending to reading.
 *   server   connection that was accepted here: from the last read to the first send after
 *            it, the application's own time. One value each time reading turns to sending.
 *   read     from the first segment queued since the last read to the next read: how long
 *            data waited for the application. Either role.
 *
 * Hooks (all under the socket's lock, so a row has one writer at a time):
 *   tcp_sendmsg_locked, and do_tcp_sendpages where sendfile uses it (up to 6.4)
 *   sk_stream_wait_memory   a send that blocked for space: its last byte went later
 *   tcp_queue_rcv           a data segment is queued in order
 *   tcp_rcv_space_adjust    the application takes data
 *   tcp_destroy_sock        the end
 *
 * Costs 1,002 instructions a request and answer on the client's side, 972 on the server's, of
 * which the empty hooks are 311; about 450 where the port filter rejects, 380 paused (6.1,
 * whole path, docs/cost.md). Aims missed: 400, and 40 rejected. 16 MiB of kernel memory.
 *
 * Cannot see: message boundaries (a pipelined burst is one turn); data that came with a SYN
 * (fast open) and segments merged while out of order have no read delay of their own; with a
 * filter on pid or cgroup, the first read delay of a connection. A look with MSG_PEEK counts
 * as a read, a send that finds no room (EAGAIN) as a send. MPTCP is seen as its subflows, and
 * kernel TLS as the reader and writer that it is.
 *
 * Variants, the better first:
 * variant sendpage   -DSENDPAGE
 * variant fentry
 */
#include "pinscope.bpf.h"
#include "hist.bpf.h"
#include "loss.bpf.h"
#include "conn.bpf.h"
#include "config.bpf.h"
#include "slots.bpf.h"
#include "text.bpf.h"

PROBE("net default", "TCP request latency at both ends, and how long data waits to be read");

enum kind {
	KIND_CLIENT,
	KIND_SERVER,
	KIND_READ,
};

enum state {
	STATE_OPEN,
	STATE_CLOSED,
};

/* Where a conversation stands. */
enum turn {
	TURN_NONE,    /* nothing to wait for */
	TURN_SKIPPED, /* begun, and left out by sampling */
	TURN_BEGUN,   /* begun; flow.since is valid */
};

/* Whether data came since the client's last send, and where it begins. */
enum answer {
	ANSWER_NONE,
	ANSWER_NEXT,   /* it is what is read next */
	ANSWER_BEHIND, /* older data is unread: it begins at flow.answer_seq */
};

struct flow {
	u64 since;  /* when the current turn began: last send (client), last read (server) */
	u64 queued; /* first segment queued since the last read; 0: none */
	u32 epoch;  /* of the settings under which all this began */
	u32 turns_to_skip;
	u32 reads_to_skip;
	u8 role;     /* enum role */
	u8 turn;     /* enum turn */
	u8 answer;   /* enum answer */
	u8 skipping; /* sampling leaves out the read delay now running */
	u32 answer_seq;
	u32 pad;
} INTERNAL;

/* Members of a row and of the rest: not a struct in the row, so that each has its name there. */
#define STATS                                                                                      \
	nsec_minihist_t latency; /* as client or as server, whichever it is */                     \
	nsec_minihist_t read_delay;                                                                \
	count_t sends;	  /* calls */                                                              \
	count_t segments; /* data segments queued, after GRO */                                    \
	count_t reads;	  /* buffers from which data was taken */                                  \
	count_t outliers  /* latencies above config.outlier, not in the histograms */

struct stats {
	STATS;
};

struct row {
	struct slot slot;
	struct flow flow;
	struct conn conn;
	enum role role;
	enum state state;
	tgid_t pid; /* who first sent or read */
	comm_t comm;
	u32 pad;
	mono_t first_seen_ns;
	STATS;
};

static __always_inline struct stats *row_stats(struct row *row)
{
	return (struct stats *)&row->latency;
}

struct event {
	u32 type;
	enum kind kind;
	nsec_t latency;
	struct conn conn;
	tgid_t pid;
	comm_t comm;
};

struct config {
	struct filter filter;
	number_t sample; /* 1 in this many turns and read delays; 0 and 1: all */
	flag_t stream;	 /* each latency also goes to `events` */
	u32 pad;
	nsec_setting_t min_latency; /* shorter ones are not kept */
	nsec_setting_t outlier;	    /* longer ones are counted as outliers only */
};

struct config config CONFIG = {
	.sample = 1,
	.outlier = 60ULL * 1000 * 1000 * 1000,
};

struct latencies {
	nsec_hist_t client;
	nsec_hist_t server;
	nsec_hist_t read;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct latencies);
} latency SEC(".maps") LABEL("kind") METRIC("pinscope_tcp_latency")
	HELP("latency of requests as client and server, and of reads");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, struct row);
} conns SEC(".maps") HELP("connections, open and recently closed");

struct roles {
	struct stats client;
	struct stats server;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct roles);
} rest SEC(".maps") LABEL("role")
	HELP("what is not under a row of conns: closed and replaced, or never had one");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps") HELP("each latency as it happens, while config stream is on");

CLAIMS(claims, 16384);

/* Connections without a row are measured all the same. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u64);
	__type(value, struct flow);
} spill SEC(".maps") INTERNAL;

static __always_inline struct stats *rest_of(u32 role)
{
	u32 key = 0;
	struct roles *roles = bpf_map_lookup_elem(&rest, &key);

	if (!roles)
		return NULL;
	return role == ROLE_CLIENT ? &roles->client : &roles->server;
}

/* A place whose row has ended gives its numbers to the rest before it is used again. */
static __noinline int row_fold(struct row *row)
{
	struct stats *into = rest_of(row->role), *from = row_stats(row);

	if (!into)
		return 0;
	__sync_fetch_and_add(&into->sends, from->sends);
	__sync_fetch_and_add(&into->segments, from->segments);
	__sync_fetch_and_add(&into->reads, from->reads);
	__sync_fetch_and_add(&into->outliers, from->outliers);
	minihist_fold(&into->latency, &from->latency);
	minihist_fold(&into->read_delay, &from->read_delay);
	return 0;
}

static __always_inline void flow_forget(struct flow *flow)
{
	flow->epoch = config.filter.epoch;
	flow->turn = TURN_NONE;
	flow->queued = 0;
}

static __always_inline void flow_init(struct flow *flow, struct sock *sk)
{
	__builtin_memset(flow, 0, sizeof(*flow));
	flow->epoch = config.filter.epoch;
	flow->role = conn_role(sk);
	if (config.sample > 1) {
		/* A random phase, so that short connections are sampled 1 in N too. */
		flow->turns_to_skip = bpf_get_prandom_u32() % config.sample;
		flow->reads_to_skip = bpf_get_prandom_u32() % config.sample;
	}
}

static __always_inline void row_init(struct row *row, struct sock *sk)
{
	if (row->slot.owner)
		row_fold(row);
	__builtin_memset(row_stats(row), 0, sizeof(struct stats));
	flow_init(&row->flow, sk);
	conn_read(&row->conn, sk);
	row->role = row->flow.role;
	row->state = STATE_OPEN;
	row->first_seen_ns = bpf_ktime_get_ns();
	row->pid = 0;
	__builtin_memset(&row->comm, 0, sizeof(row->comm));
	row->slot.owner = (u64)sk;
}

static __noinline int row_owner(struct row *row)
{
	row->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(&row->comm, sizeof(row->comm));
	return 0;
}

/* A flow, and its row if it has one. */
struct place {
	struct flow *flow;
	struct row *row;
};

static __noinline int place_make(struct sock *sk)
{
	struct row *row = slot_claim(&conns, &claims, (u64)sk);
	struct flow flow;
	u64 key = (u64)sk;

	if (row) {
		row_init(row, sk);
		return 0;
	}
	flow_init(&flow, sk);
	if (bpf_map_update_elem(&spill, &key, &flow, BPF_NOEXIST))
		LOSE(no_memory);
	else
		LOSE(table_full);
	return 0;
}

static __always_inline struct place place_find(struct sock *sk)
{
	struct row *row = slot_find(&conns, (u64)sk);
	struct place place = {NULL, row};
	u64 key = (u64)sk;

	place.flow = row ? &row->flow : bpf_map_lookup_elem(&spill, &key);
	return place;
}

static __always_inline struct place place_get(struct sock *sk)
{
	struct place place = place_find(sk);

	if (!place.flow) {
		place_make(sk);
		place = place_find(sk);
	}
	if (place.flow && place.flow->epoch != config.filter.epoch)
		flow_forget(place.flow);
	return place;
}

/* For a send or a read: NULL if it is not to be kept. */
static __always_inline struct place place_of_task(struct sock *sk)
{
	struct place place = {};

	if (config.filter.active) {
		if (!filter_socket(&config.filter, sk))
			return place;
		if (!filter_task(&config.filter)) {
			/* Somebody else's, but what was waiting for it has been served. */
			place = place_find(sk);
			if (place.flow)
				flow_forget(place.flow);
			place.flow = NULL;
			return place;
		}
	}
	place = place_get(sk);
	if (place.row && !place.row->pid)
		row_owner(place.row);
	return place;
}

static __always_inline bool sampled(u32 *to_skip)
{
	u32 sample = config.sample;

	if (sample <= 1)
		return true;
	if (*to_skip >= sample)
		*to_skip = sample - 1;
	if (*to_skip) {
		(*to_skip)--;
		return false;
	}
	*to_skip = sample - 1;
	return true;
}

static __noinline int stream(struct sock *sk, u32 kind, u64 ns)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event) {
		LOSE(stream);
		return 0;
	}
	event->type = bpf_core_type_id_local(struct event);
	event->kind = kind;
	event->latency = ns;
	conn_read(&event->conn, sk);
	event->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(&event->comm, sizeof(event->comm));
	bpf_ringbuf_submit(event, 0);
	return 0;
}

/* Without a row: the same numbers into the rest, which other programs write as well. */
static __noinline int rest_add(u32 role, u32 kind, u32 slot, u64 ns)
{
	struct stats *stats = rest_of(role);
	struct minihist one = {
		.count = 1, .sum = ns, .min = ns, .max = ns, .sumsq = minihist_square(ns)};

	if (!stats)
		return 0;
	slot = minihist_slot(slot);
	barrier_var(slot);
	if (slot < MINIHIST_SLOTS)
		one.slots[slot] = 1;
	minihist_fold(kind == KIND_READ ? &stats->read_delay : &stats->latency, &one);
	return 0;
}

static __always_inline void count_outlier(struct place place)
{
	struct stats *stats = place.row ? row_stats(place.row) : rest_of(place.flow->role);

	if (stats)
		__sync_fetch_and_add(&stats->outliers, 1);
}

static __always_inline void record(struct sock *sk, struct place place, u32 kind, u64 since,
				   u64 now)
{
	struct latencies *all;
	u64 ns = now - since;
	u32 slot, key = 0;

	if (now < since) {
		LOSE(backwards);
		return;
	}
	if (ns < config.min_latency)
		return;
	if (ns > config.outlier) {
		count_outlier(place);
		return;
	}
	slot = hist_slot(ns);
	all = bpf_map_lookup_elem(&latency, &key);
	if (all)
		hist_add(kind == KIND_CLIENT   ? &all->client
			 : kind == KIND_SERVER ? &all->server
					       : &all->read,
			 slot, ns);
	if (!place.row)
		rest_add(place.flow->role, kind, slot, ns);
	else
		minihist_add(kind == KIND_READ ? &place.row->read_delay : &place.row->latency, slot,
			     ns);
	if (config.stream)
		stream(sk, kind, ns);
}

/* The counter of struct stats that an event goes to. */
enum what {
	WHAT_SEND,
	WHAT_SEGMENT,
	WHAT_READ,
};

static __always_inline void count(struct place place, enum what what)
{
	struct stats *stats = place.row ? row_stats(place.row) : rest_of(place.flow->role);
	u64 *counter;

	if (!stats)
		return;
	counter = what == WHAT_SEND	 ? &stats->sends
		  : what == WHAT_SEGMENT ? &stats->segments
					 : &stats->reads;
	if (place.row)
		(*counter)++;
	else
		__sync_fetch_and_add(counter, 1);
}

static __noinline u32 answer_behind(struct sock *sk, struct flow *flow)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	if (!tcp)
		return ANSWER_NEXT;
	flow->answer_seq = tcp->rcv_nxt;
	return ANSWER_BEHIND;
}

static __noinline bool answer_reached(struct sock *sk, struct flow *flow)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	return tcp && (s32)(tcp->copied_seq - flow->answer_seq) > 0;
}

static __always_inline bool answered(struct sock *sk, struct flow *flow)
{
	return flow->answer == ANSWER_NEXT ||
	       (flow->answer == ANSWER_BEHIND && answer_reached(sk, flow));
}

/* The event that a turn is measured from is a send of the client, a read of the server. */
static __always_inline bool turn_wanted(struct flow *flow)
{
	if (flow->turn == TURN_NONE)
		flow->turn = sampled(&flow->turns_to_skip) ? TURN_BEGUN : TURN_SKIPPED;
	return flow->turn == TURN_BEGUN;
}

/* In any other state the kernel refuses to send: the connection was reset, or half-closed here. */
static __always_inline bool can_send(struct sock *sk)
{
	return 1 << sk->__sk_common.skc_state &
	       (1 << TCP_ESTABLISHED | 1 << TCP_CLOSE_WAIT | 1 << TCP_SYN_SENT | 1 << TCP_SYN_RECV);
}

static __always_inline int sent(struct sock *sk)
{
	struct place place;
	struct flow *flow;

	if (!can_send(sk))
		return 0;
	place = place_of_task(sk);
	flow = place.flow;
	if (!flow)
		return 0;
	count(place, WHAT_SEND);
	if (flow->role == ROLE_CLIENT) {
		flow->answer = ANSWER_NONE;
		if (turn_wanted(flow))
			flow->since = bpf_ktime_get_ns();
		return 0;
	}
	if (flow->turn == TURN_BEGUN)
		record(sk, place, KIND_SERVER, flow->since, bpf_ktime_get_ns());
	flow->turn = TURN_NONE;
	return 0;
}

SEC("fentry/tcp_sendmsg_locked")
PROTO("int (struct sock *, struct msghdr *, size_t)")
int BPF_PROG(tcp_send, struct sock *sk)
{
	return sent(sk);
}

#ifdef SENDPAGE
SEC("fentry/do_tcp_sendpages")
PROTO("ssize_t (struct sock *, struct page *, int, size_t, int)")
int BPF_PROG(tcp_sendpage, struct sock *sk)
{
	return sent(sk);
}
#endif

/* Runs again under the lock when there is space: what the send waited is not the answer's. */
SEC("fexit/sk_stream_wait_memory")
PROTO("int (struct sock *, long *)")
int BPF_PROG(tcp_send_waited, struct sock *sk)
{
	struct flow *flow = place_find(sk).flow;

	if (flow && flow->turn == TURN_BEGUN && flow->role == ROLE_CLIENT)
		flow->since = bpf_ktime_get_ns();
	return 0;
}

SEC("fentry/tcp_queue_rcv")
PROTO("int (struct sock *, struct sk_buff *, bool *)")
int BPF_PROG(tcp_segment, struct sock *sk, struct sk_buff *skb)
{
	u32 active = config.filter.active;
	struct place place;
	struct flow *flow;

	if (active && !filter_socket(&config.filter, sk))
		return 0;
	if (!skb->len) /* a bare FIN */
		return 0;
	/* Softirq: whose socket it is cannot be told, so no row is made when that matters. */
	place = active & FILTER_TASK ? place_find(sk) : place_get(sk);
	flow = place.flow;
	if (!flow)
		return 0;
	count(place, WHAT_SEGMENT);
	if (flow->role == ROLE_CLIENT && flow->answer == ANSWER_NONE)
		flow->answer = sk->sk_receive_queue.qlen ? answer_behind(sk, flow) : ANSWER_NEXT;
	if (flow->queued)
		return 0;
	flow->skipping = !sampled(&flow->reads_to_skip);
	flow->queued = flow->skipping ? 1 : bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/tcp_rcv_space_adjust")
PROTO("void (struct sock *)")
int BPF_PROG(tcp_read, struct sock *sk)
{
	struct place place = place_of_task(sk);
	struct flow *flow = place.flow;
	bool delay, ended, wanted;
	u64 now = 0;

	if (!flow)
		return 0;
	count(place, WHAT_READ);
	delay = flow->queued && !flow->skipping;
	ended = flow->role == ROLE_CLIENT && flow->turn && answered(sk, flow);
	wanted = flow->role == ROLE_SERVER ? turn_wanted(flow) : ended && flow->turn == TURN_BEGUN;
	if (delay || wanted)
		now = bpf_ktime_get_ns();
	if (delay)
		record(sk, place, KIND_READ, flow->queued, now);
	flow->queued = 0;
	if (wanted && flow->role == ROLE_SERVER)
		flow->since = now;
	else if (wanted)
		record(sk, place, KIND_CLIENT, flow->since, now);
	if (ended)
		flow->turn = TURN_NONE;
	return 0;
}

SEC("tp_btf/tcp_destroy_sock")
PROTO("void (struct sock *)")
int BPF_PROG(tcp_end, struct sock *sk)
{
	struct row *row = slot_find(&conns, (u64)sk);
	u64 key = (u64)sk;

	if (row) {
		row->state = STATE_CLOSED;
		slot_free(&row->slot, &claims);
	} else {
		bpf_map_delete_elem(&spill, &key);
	}
	return 0;
}

SEC("iter/bpf_map_elem")
int conns_text(struct bpf_iter__bpf_map_elem *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct row *row = ctx->value;
	struct stats *stats;
	comm_t comm;

	if (!ctx->meta->seq_num)
		BPF_SEQ_PRINTF(seq, "netns local remote role state pid comm sends segments reads "
				    "count mean_ns max_ns read_count read_mean_ns read_max_ns\n");
	if (!row || !row->slot.owner)
		return 0;
	stats = row_stats(row);
	comm = text_comm(&row->comm);
	BPF_SEQ_PRINTF(seq, "%u ", row->conn.netns);
	text_end(seq, &row->conn.local, row->conn.lport);
	text_end(seq, &row->conn.remote, row->conn.rport);
	BPF_SEQ_PRINTF(seq, "%s %s %u %s", row->role == ROLE_SERVER ? "server" : "client",
		       row->state == STATE_OPEN ? "open" : "closed", row->pid, comm.name);
	BPF_SEQ_PRINTF(seq, " %llu %llu %llu", stats->sends, stats->segments, stats->reads);
	text_latency(seq, &stats->latency);
	text_latency(seq, &stats->read_delay);
	BPF_SEQ_PRINTF(seq, "\n");
	return 0;
}
