// SPDX-License-Identifier: GPL-2.0-only
/*
 * udp_traffic: datagrams, bytes and drops of each UDP socket, and how long datagrams waited to be
 * read.
 *
 * Hooks:
 *   udp_sendmsg, udpv6_sendmsg   (at their return) a send, or why there was none
 *   __udp_enqueue_schedule_skb   a datagram reaches the socket; before the queue's lock
 *   skb_consume_udp              the application has read one
 *   kfree_skb                    a datagram is dropped, with the socket it was for and the reason;
 *                                where it does not say so: __udp_enqueue_schedule_skb at its return
 *   __sk_queue_drop_skb          the checksum was found wrong while reading
 *   inet_sock_destruct           the end of the socket
 *
 * A datagram that waits is noted in a table with a place for each packet (since.bpf.h), so that
 * the way through the queue needs no hash. Several processors may deliver to one socket, and
 * several threads read it: all counters are atomic.
 *
 * Costs 1,020 instructions a datagram that is sent and read on one host, both ways together; 760
 * where the port filter rejects, 695 paused, most of it the hooks (6.1, variant fexit, whole path,
 * docs/cost.md). An event of a socket for which there is no free row searches 16 places more, each
 * time. 4.2 MiB of kernel memory with two processors.
 *
 * Cannot see: on the sending side the datagrams of a send with UDP_SEGMENT, on the receiving side
 * those of a read with UDP_GRO (one each, with all their bytes; so does the kernel count); a send
 * that was corked and is uncorked by setsockopt (its bytes count, as a datagram it does not);
 * sendpage, up to 6.4; what an encapsulation (VXLAN, WireGuard, IPsec) takes before the socket's
 * queue, or a sockmap from it; a wrong checksum that is found before the socket is (up to 76 bytes)
 * or while the socket is polled;
 * the remote address of a socket that is not connected, to which the filter `addr` is blind, too;
 * with a filter on pid or cgroup, what arrived before the process first used the socket. The ends
 * in a row are those of the socket's first use.
 *
 * Variants, the better first:
 * variant reason   -DREASON
 * variant fexit
 */
#include "pinscope.bpf.h"

#define LOSSES                                                                                     \
	count_t table_full; /* events that are in the rest, because there is no free row */        \
	count_t busy;	    /* the same, because another processor was just making the row */      \
	count_t untimed;    /* datagrams read of whose arrival no time was kept: another packet */ \
			    /* took its place, or it arrived before the probe was loaded */        \
	count_t backwards   /* read before it arrived: not recorded */

#include "hist.bpf.h"
#include "loss.bpf.h"
#include "conn.bpf.h"
#include "config.bpf.h"
#include "slots.bpf.h"
#include "since.bpf.h"
#include "text.bpf.h"

PROBE("net",
      "UDP datagrams, bytes and drops of each socket, and how long datagrams wait to be read");

enum state {
	STATE_OPEN,
	STATE_CLOSED,
};

/* Members of a row and of the rest: not a struct in the row, so that each has its name there. */
#define STATS                                                                                      \
	nsec_minihist_t read_delay; /* from arrival to read */                                     \
	count_t sent;		    /* datagrams */                                                \
	bytes_t sent_bytes;                                                                        \
	count_t send_errors; /* sends that failed */                                               \
	count_t arrived;     /* datagrams for this socket, dropped ones included */                \
	count_t received;    /* datagrams that were read */                                        \
	bytes_t received_bytes;                                                                    \
	count_t dropped_full;	/* the receive buffer was full */                                  \
	count_t dropped_memory; /* the memory of all UDP sockets was used up */                    \
	count_t dropped_checksum

struct stats {
	STATS;
};

struct row {
	struct slot slot;
	struct conn conn;
	enum state state;
	tgid_t pid; /* who first sent or read */
	comm_t comm;
	mono_t first_seen_ns;
	STATS;
};

static __always_inline struct stats *row_stats(struct row *row)
{
	return (struct stats *)&row->read_delay;
}

struct config {
	struct filter filter;
	number_t sample; /* 1 in this many datagrams is timed; 0 and 1: all */
	u32 pad;
};

struct config config CONFIG = {
	.sample = 1,
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, nsec_hist_t);
} read_delay SEC(".maps") METRIC("pinscope_udp_read_delay")
	HELP("how long datagrams waited to be read");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8192);
	__type(key, u32);
	__type(value, struct row);
} sockets SEC(".maps") HELP("sockets, open and recently closed");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct stats);
} rest SEC(".maps")
	HELP("what is not under a row of sockets: closed and replaced, or never had one");

CLAIMS(claims, 8192);

MAKING(making);

SINCES(arrivals, 65536);

static __always_inline struct stats *rest_here(void)
{
	u32 key = 0;

	return bpf_map_lookup_elem(&rest, &key);
}

/* A place whose row has ended gives its numbers to the rest before it is used again. */
static __noinline int row_fold(struct row *row)
{
	struct stats *into = rest_here(), *from = row_stats(row);

	if (!into)
		return 0;
	minihist_fold(&into->read_delay, &from->read_delay);
	__sync_fetch_and_add(&into->sent, from->sent);
	__sync_fetch_and_add(&into->sent_bytes, from->sent_bytes);
	__sync_fetch_and_add(&into->send_errors, from->send_errors);
	__sync_fetch_and_add(&into->arrived, from->arrived);
	__sync_fetch_and_add(&into->received, from->received);
	__sync_fetch_and_add(&into->received_bytes, from->received_bytes);
	__sync_fetch_and_add(&into->dropped_full, from->dropped_full);
	__sync_fetch_and_add(&into->dropped_memory, from->dropped_memory);
	__sync_fetch_and_add(&into->dropped_checksum, from->dropped_checksum);
	return 0;
}

static __always_inline void row_init(struct row *row, struct sock *sk)
{
	if (row->slot.owner)
		row_fold(row);
	__builtin_memset(row_stats(row), 0, sizeof(struct stats));
	conn_read(&row->conn, sk);
	row->state = STATE_OPEN;
	row->pid = 0;
	__builtin_memset(&row->comm, 0, sizeof(row->comm));
	row->first_seen_ns = bpf_ktime_get_ns();
	row->slot.owner = (u64)sk;
}

static __noinline int row_make(struct sock *sk)
{
	u64 key = (u64)sk;
	struct row *row;
	u32 one = 1;

	if (bpf_map_update_elem(&making, &key, &one, BPF_NOEXIST)) {
		LOSE(busy);
		return 0;
	}
	if (!slot_find(&sockets, (u64)sk)) {
		row = slot_claim(&sockets, &claims, (u64)sk);
		if (row)
			row_init(row, sk);
		else
			LOSE(table_full);
	}
	bpf_map_delete_elem(&making, &key);
	return 0;
}

static __always_inline struct row *row_get(struct sock *sk)
{
	struct row *row = slot_find(&sockets, (u64)sk);

	if (row)
		return row;
	row_make(sk);
	return slot_find(&sockets, (u64)sk);
}

static __noinline int row_owner(struct row *row)
{
	row->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(&row->comm, sizeof(row->comm));
	return 0;
}

/* For the process that sends or reads: NULL if it is not to be kept. */
static __always_inline struct stats *stats_of_task(struct sock *sk)
{
	struct row *row;

	if (config.filter.active &&
	    !(filter_socket(&config.filter, sk) && filter_task(&config.filter)))
		return NULL;
	row = row_get(sk);
	if (!row)
		return rest_here();
	if (!row->pid)
		row_owner(row);
	return row_stats(row);
}

/* For whatever delivers or drops, in whose stead `current` runs. */
static __always_inline struct stats *stats_of_socket(struct sock *sk)
{
	u32 active = config.filter.active;
	struct row *row;

	if (active && !filter_socket(&config.filter, sk))
		return NULL;
	/* Whose socket it is cannot be told, so no row is made when that matters. */
	row = active & FILTER_TASK ? slot_find(&sockets, (u64)sk) : row_get(sk);
	if (row)
		return row_stats(row);
	return active & FILTER_TASK ? NULL : rest_here();
}

static __always_inline int sent(struct sock *sk, int ret)
{
	struct stats *stats = stats_of_task(sk);

	if (!stats)
		return 0;
	if (ret < 0) {
		__sync_fetch_and_add(&stats->send_errors, 1);
		return 0;
	}
	__sync_fetch_and_add(&stats->sent_bytes, ret);
	if (!sk->sk_write_queue.qlen) /* or it is corked */
		__sync_fetch_and_add(&stats->sent, 1);
	return 0;
}

SEC("fexit/udp_sendmsg")
PROTO("int (struct sock *, struct msghdr *, size_t)")
int BPF_PROG(udp_sent, struct sock *sk, struct msghdr *msg, size_t len, int ret)
{
	/* udpv6_sendmsg leaves IPv4 to this function, and returns what it returned. */
	if (sk->__sk_common.skc_family == AF_INET6)
		return 0;
	return sent(sk, ret);
}

SEC("fexit/udpv6_sendmsg")
PROTO("int (struct sock *, struct msghdr *, size_t)")
int BPF_PROG(udpv6_sent, struct sock *sk, struct msghdr *msg, size_t len, int ret)
{
	return sent(sk, ret);
}

static __always_inline bool sampled(void)
{
	return config.sample <= 1 || bpf_get_prandom_u32() % config.sample == 0;
}

SEC("fentry/__udp_enqueue_schedule_skb")
PROTO("int (struct sock *, struct sk_buff *)")
int BPF_PROG(udp_arrived, struct sock *sk, struct sk_buff *skb)
{
	struct stats *stats = stats_of_socket(sk);

	if (stats)
		__sync_fetch_and_add(&stats->arrived, 1);
	since_note(&arrivals, skb, stats && sampled() ? bpf_ktime_get_ns() : 0);
	return 0;
}

static __always_inline void record(struct stats *stats, u64 since)
{
	u64 now = bpf_ktime_get_ns(), ns = now - since;
	struct hist *all;
	u32 slot, key = 0;

	if (now < since) {
		LOSE(backwards);
		return;
	}
	slot = hist_slot(ns);
	all = bpf_map_lookup_elem(&read_delay, &key);
	if (all)
		hist_add(all, slot, ns);
	minihist_add_shared(&stats->read_delay, slot, ns);
}

/* A look with MSG_PEEK has a negative length, or 0 and a packet that others hold as well. */
static __always_inline bool peeked(struct sk_buff *skb, int len)
{
	return len < 0 || (!len && skb->users.refs.counter > 1);
}

SEC("fentry/skb_consume_udp")
PROTO("void (struct sock *, struct sk_buff *, int)")
int BPF_PROG(udp_read, struct sock *sk, struct sk_buff *skb, int len)
{
	struct stats *stats;
	u64 since;

	if (peeked(skb, len))
		return 0;
	stats = stats_of_task(sk);
	if (!stats)
		return 0;
	__sync_fetch_and_add(&stats->received, 1);
	__sync_fetch_and_add(&stats->received_bytes, len);
	since = since_of(&arrivals, skb);
	if (since == SINCE_LOST)
		LOSE(untimed);
	else if (since)
		record(stats, since);
	return 0;
}

static __always_inline bool is_udp(struct sock *sk)
{
	return sk->sk_protocol == IPPROTO_UDP || sk->sk_protocol == IPPROTO_UDPLITE;
}

static __always_inline int dropped(struct sock *sk, bool full)
{
	struct stats *stats = stats_of_socket(sk);

	if (stats && full)
		__sync_fetch_and_add(&stats->dropped_full, 1);
	else if (stats)
		__sync_fetch_and_add(&stats->dropped_memory, 1);
	return 0;
}

#ifdef REASON
/*
 * Some kernels take it for granted that the socket of kfree_skb is not NULL, and the verifier then
 * takes the check for that away; what it does not see through is 32 bits of it.
 */
static __always_inline bool not_null(struct sock *sk)
{
	u32 low;

	asm volatile("%0 = %1" : "=&w"(low) : "w"((u32)(u64)sk));
	return low;
}

SEC("tp_btf/kfree_skb")
PROTO("void (struct sk_buff *, void *, enum skb_drop_reason, struct sock *)")
int BPF_PROG(udp_dropped, struct sk_buff *skb, void *location, u32 reason, struct sock *sk)
{
	bool full =
		reason == bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_SOCKET_RCVBUFF);

	if (!full && reason != bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_PROTO_MEM))
		return 0;
	if (!not_null(sk) || !sk || !is_udp(sk))
		return 0;
	return dropped(sk, full);
}
#else
SEC("fexit/__udp_enqueue_schedule_skb")
PROTO("int (struct sock *, struct sk_buff *)")
int BPF_PROG(udp_dropped, struct sock *sk, struct sk_buff *skb, int ret)
{
	return ret < 0 ? dropped(sk, ret == -ENOMEM) : 0;
}
#endif

SEC("fexit/__sk_queue_drop_skb")
PROTO("int (struct sock *, struct sk_buff_head *, struct sk_buff *, unsigned int, void *)")
int BPF_PROG(udp_bad_checksum, struct sock *sk, struct sk_buff_head *queue, struct sk_buff *skb,
	     unsigned int flags, void *destructor, int ret)
{
	struct stats *stats;

	if (ret || !is_udp(sk))
		return 0;
	stats = stats_of_socket(sk);
	if (stats)
		__sync_fetch_and_add(&stats->dropped_checksum, 1);
	return 0;
}

/* The last of a socket, when nobody delivers to it any more. (Other protocols end here, too.) */
SEC("fentry/inet_sock_destruct")
PROTO("void (struct sock *)")
int BPF_PROG(udp_end, struct sock *sk)
{
	struct row *row = is_udp(sk) ? slot_find(&sockets, (u64)sk) : NULL;

	if (row) {
		row->state = STATE_CLOSED;
		slot_free(&row->slot, &claims);
	}
	return 0;
}

SEC("iter/bpf_map_elem")
int sockets_text(struct bpf_iter__bpf_map_elem *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct row *row = ctx->value;
	comm_t comm;

	if (!ctx->meta->seq_num)
		BPF_SEQ_PRINTF(seq, "netns local remote state pid comm sent sent_bytes send_errors "
				    "arrived received received_bytes dropped_full dropped_memory "
				    "dropped_checksum count mean_ns max_ns\n");
	if (!row || !row->slot.owner)
		return 0;
	comm = text_comm(&row->comm);
	BPF_SEQ_PRINTF(seq, "%u ", row->conn.netns);
	text_end(seq, &row->conn.local, row->conn.lport);
	text_end(seq, &row->conn.remote, row->conn.rport);
	BPF_SEQ_PRINTF(seq, "%s %u %s", row->state == STATE_OPEN ? "open" : "closed", row->pid,
		       comm.name);
	BPF_SEQ_PRINTF(seq, " %llu %llu %llu", row->sent, row->sent_bytes, row->send_errors);
	BPF_SEQ_PRINTF(seq, " %llu %llu %llu", row->arrived, row->received, row->received_bytes);
	BPF_SEQ_PRINTF(seq, " %llu %llu %llu", row->dropped_full, row->dropped_memory,
		       row->dropped_checksum);
	text_latency(seq, &row->read_delay);
	BPF_SEQ_PRINTF(seq, "\n");
	return 0;
}
