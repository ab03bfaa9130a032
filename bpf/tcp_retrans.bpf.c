// SPDX-License-Identifier: GPL-2.0-only
/*
 * tcp_retrans: TCP segments sent again: why, to whom, and how long after they were first sent.
 *
 *   rto          the retransmission timer ran out
 *   slow_start   the rest of what was lost, after that
 *   fast         acknowledgements showed a loss
 *   tlp          tail loss probe that repeats the last segment (one with new data is none)
 *   syn, synack  of the handshake
 *
 * Segments are counted as the kernel counts them (tcp_sock.total_retrans), failed ones too, so that
 * all causes together are its RetransSegs; syn and synack its TCPSynRetrans; fast and slow_start,
 * without the failed, its TCPFastRetrans and TCPSlowStartRetrans; the failed its TCPRetransFail.
 *
 * Hooks, none of which runs for a segment that is sent once:
 *   tcp_retransmit_skb      entry and exit
 *   __tcp_retransmit_skb    what comes here by itself and not through the former is a tail
 *                           loss probe (some compilers inline this one into the former)
 *   tcp_retransmit_timer    tells what is the timer's
 *   tcp_retransmit_synack   tracepoint, on success
 *
 * At most 16,384 rows of remotes, which stay until the probe is unloaded.
 *
 * Costs 2,800 instructions a retransmission (6.1, docs/cost.md), of tcpretrans.bt's 3,855 and
 * 23,700 in its process; the aim of 60 % is missed where only the former count (73 %).
 *
 * The time is between the kernel's own stamps of the two transmissions, so pacing delays both.
 *
 * Cannot see: a SYN-ACK that failed to be sent (neither does the kernel count it); the time of a
 * segment that was sent again before the probe was loaded, or of a piece of one that was sent
 * again as a whole (both counted in losses, no_memory). On 5.10, data that a fast open server
 * did not take counts as tlp when it is sent again.
 */
#include "pinscope.bpf.h"
#include "hist.bpf.h"
#include "loss.bpf.h"
#include "conn.bpf.h"
#include "config.bpf.h"
#include "text.bpf.h"
#include "rows.bpf.h"

PROBE("net default", "TCP retransmissions by cause and remote, and how late they come");

/* Indexes of the members of struct causes and struct counts. */
enum cause {
	CAUSE_RTO,
	CAUSE_SLOW_START,
	CAUSE_FAST,
	CAUSE_TLP,
	CAUSE_SYN,
	CAUSE_SYNACK,
	CAUSES,
};

struct cause_stats {
	count_t segments;
	count_t failed; /* of those, not sent: the host itself refused or dropped them */
	nsec_hist_t delay;
};

struct causes {
	struct cause_stats rto;
	struct cause_stats slow_start;
	struct cause_stats fast;
	struct cause_stats tlp;
	struct cause_stats syn;
	struct cause_stats synack;
};

struct remote {
	netns_t netns;
	ipaddr_t remote;
};

/* Segments by cause. */
struct counts {
	count_t rto;
	count_t slow_start;
	count_t fast;
	count_t tlp;
	count_t syn;
	count_t synack;
	count_t failed;
};

/* A retransmission under way: what is known before, and needed after it. */
struct attempt {
	u64 sent;	   /* when the segment was sent the last time */
	u32 total_retrans; /* of the socket */
	u8 cause;	   /* enum cause */
	bool begun;	   /* false: only the cause is valid, the timer's */
	bool again;	   /* it was sent again before */
	u8 pad;
};

struct segment {
	u64 sk;
	u32 seq;
	u32 pad;
};

struct config {
	struct socket_filter filter;
};

struct config config CONFIG = {};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct causes);
} causes SEC(".maps") LABEL("cause")
	HELP("retransmitted segments by cause, and the time since they were first sent");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct remote);
	__type(value, struct counts);
} remotes SEC(".maps") HELP("retransmitted segments by remote address");

struct rest {
	struct counts others;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct rest);
} rest SEC(".maps") LABEL("remote") HELP("those to remotes that found no row");

/* By socket, under whose lock it happens: preemption and softirq cannot mix two up. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, struct attempt);
} attempts SEC(".maps") INTERNAL;

/* When a segment was first sent, for its second retransmission and later ones. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct segment);
	__type(value, u64);
} firsts SEC(".maps") INTERNAL;

/*
 * The member for a cause of a struct that begins with one for each. Barriers, because the verifier
 * wants to see the bound on the very register, and no arithmetic before the check for NULL.
 */
static __always_inline void *member(void *members, u32 cause, u32 size)
{
	barrier_var(cause);
	if (!members || cause >= CAUSES)
		return NULL;
	barrier_var(members);
	return members + cause * size;
}

static __always_inline struct cause_stats *cause_stats(u32 cause)
{
	u32 key = 0;

	return member(bpf_map_lookup_elem(&causes, &key), cause, sizeof(struct cause_stats));
}

static __always_inline struct counts *rest_counts(void)
{
	u32 key = 0;
	struct rest *found = bpf_map_lookup_elem(&rest, &key);

	LOSE(table_full);
	return found ? &found->others : NULL;
}

/* Of the remote end of a socket, or of a connection request. */
static __noinline struct counts *remote_counts(struct sock *sk)
{
	struct counts none = {}, *counts;
	struct conn conn;
	struct remote key;

	conn_read(&conn, sk);
	key.netns = conn.netns;
	key.remote = conn.remote;
	counts = row_or_new(&remotes, &key, &none);
	return counts ?: rest_counts();
}

static __noinline int count(struct sock *sk, u32 cause, u32 segments, bool failed)
{
	struct cause_stats *stats = cause_stats(cause);
	struct counts *counts = remote_counts(sk);
	u64 *counter = member(counts, cause, sizeof(u64));

	if (!stats || !counter)
		return 0;
	__sync_fetch_and_add(&stats->segments, segments);
	__sync_fetch_and_add(counter, segments);
	if (failed) {
		__sync_fetch_and_add(&stats->failed, segments);
		__sync_fetch_and_add(&counts->failed, segments);
	}
	return 0;
}

static __always_inline void record(u32 cause, u64 since, u64 now)
{
	struct cause_stats *stats = cause_stats(cause);

	if (!since)
		LOSE(no_memory);
	else if (now < since)
		LOSE(backwards);
	else if (stats)
		hist_add(&stats->delay, hist_slot(now - since), now - since);
}

static __always_inline struct tcp_skb_cb *tcp_cb(struct sk_buff *skb)
{
	return (struct tcp_skb_cb *)&skb->cb[0];
}

/* When a segment was first sent; 0: forgotten. */
static __always_inline u64 first_sent(struct sock *sk, struct sk_buff *skb, struct attempt *attempt)
{
	struct segment key = {.sk = (u64)sk, .seq = BPF_CORE_READ(tcp_cb(skb), seq)};
	u64 sent = attempt->sent, *first;

	if (!attempt->again) {
		bpf_map_update_elem(&firsts, &key, &sent, BPF_ANY);
		return sent;
	}
	first = bpf_map_lookup_elem(&firsts, &key);
	return first ? *first : 0;
}

static __always_inline struct attempt *attempt_of(struct sock *sk)
{
	u64 key = (u64)sk;

	return bpf_map_lookup_elem(&attempts, &key);
}

static __always_inline void attempt_set(struct sock *sk, struct attempt *attempt)
{
	u64 key = (u64)sk;

	if (bpf_map_update_elem(&attempts, &key, attempt, BPF_ANY))
		LOSE(no_memory);
}

static __always_inline void attempt_over(struct sock *sk)
{
	u64 key = (u64)sk;

	bpf_map_delete_elem(&attempts, &key);
}

static __always_inline int begin(struct sock *sk, struct sk_buff *skb, enum cause cause)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	struct attempt attempt = {};

	if (!tcp || (config.filter.active && !filter_socket(&config.filter, sk)))
		return 0;
	if (BPF_CORE_READ(tcp_cb(skb), tcp_flags) & TCPHDR_SYN)
		cause = CAUSE_SYN;
	attempt.begun = true;
	attempt.cause = cause;
	attempt.sent = skb->skb_mstamp_ns;
	attempt.again = BPF_CORE_READ(tcp_cb(skb), sacked) & TCPCB_EVER_RETRANS;
	attempt.total_retrans = tcp->total_retrans;
	attempt_set(sk, &attempt);
	return 0;
}

static __always_inline int end(struct sock *sk, struct sk_buff *skb, struct attempt *attempt,
			       int err)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	u32 segments, cause = attempt->cause;
	u64 first;

	if (!tcp)
		return 0;
	segments = tcp->total_retrans - attempt->total_retrans;
	if (segments) { /* else the kernel left it for later */
		count(sk, cause, segments, err);
		first = first_sent(sk, skb, attempt);
		if (!err)
			record(cause, first, skb->skb_mstamp_ns);
	}
	attempt_over(sk);
	return 0;
}

/* Outside the timer a socket has no attempt yet, and is in loss since the timer ran out or not. */
static __always_inline enum cause cause_of(struct sock *sk)
{
	struct inet_connection_sock *icsk = (struct inet_connection_sock *)sk;
	struct attempt *attempt = attempt_of(sk);

	if (attempt && !attempt->begun)
		return CAUSE_RTO;
	if (BPF_CORE_READ_BITFIELD_PROBED(icsk, icsk_ca_state) == TCP_CA_Loss)
		return CAUSE_SLOW_START;
	return CAUSE_FAST;
}

SEC("fentry/tcp_retransmit_timer")
PROTO("void (struct sock *)")
int BPF_PROG(timer_begin, struct sock *sk)
{
	struct attempt attempt = {};

	attempt.cause = CAUSE_RTO;
	attempt_set(sk, &attempt);
	return 0;
}

SEC("fexit/tcp_retransmit_timer")
PROTO("void (struct sock *)")
int BPF_PROG(timer_end, struct sock *sk)
{
	attempt_over(sk);
	return 0;
}

SEC("fentry/tcp_retransmit_skb")
PROTO("int (struct sock *, struct sk_buff *, int)")
int BPF_PROG(retransmit_begin, struct sock *sk, struct sk_buff *skb)
{
	return begin(sk, skb, cause_of(sk));
}

SEC("fexit/tcp_retransmit_skb")
PROTO("int (struct sock *, struct sk_buff *, int)")
int BPF_PROG(retransmit_end, struct sock *sk, struct sk_buff *skb, int segs, int err)
{
	struct attempt *attempt = attempt_of(sk);

	return attempt && attempt->begun ? end(sk, skb, attempt, err) : 0;
}

SEC("fentry/__tcp_retransmit_skb")
PROTO("int (struct sock *, struct sk_buff *, int)")
int BPF_PROG(probe_begin, struct sock *sk, struct sk_buff *skb)
{
	return attempt_of(sk) ? 0 : begin(sk, skb, CAUSE_TLP);
}

SEC("fexit/__tcp_retransmit_skb")
PROTO("int (struct sock *, struct sk_buff *, int)")
int BPF_PROG(probe_end, struct sock *sk, struct sk_buff *skb, int segs, int err)
{
	struct attempt *attempt = attempt_of(sk);

	return attempt && attempt->cause == CAUSE_TLP ? end(sk, skb, attempt, err) : 0;
}

SEC("tp_btf/tcp_retransmit_synack")
PROTO("void (struct sock *, struct request_sock *)")
int BPF_PROG(synack, struct sock *listener, struct request_sock *request)
{
	struct tcp_request_sock *tcp = (struct tcp_request_sock *)request;
	struct sock *sk = (struct sock *)request; /* both begin with a sock_common */

	if (config.filter.active && !filter_socket(&config.filter, sk))
		return 0;
	count(sk, CAUSE_SYNACK, 1, false);
	record(CAUSE_SYNACK, BPF_CORE_READ(tcp, snt_synack) * 1000, bpf_ktime_get_ns());
	return 0;
}

SEC("iter/bpf_map_elem")
int remotes_text(struct bpf_iter__bpf_map_elem *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct remote *key = ctx->key;
	struct counts *counts = ctx->value;

	if (!ctx->meta->seq_num)
		BPF_SEQ_PRINTF(seq, "netns remote rto slow_start fast tlp syn synack failed\n");
	if (!key || !counts) /* the end */
		return 0;
	BPF_SEQ_PRINTF(seq, "%u ", key->netns);
	text_addr(seq, &key->remote);
	BPF_SEQ_PRINTF(seq, " %llu %llu %llu %llu %llu %llu %llu\n", counts->rto,
		       counts->slow_start, counts->fast, counts->tlp, counts->syn, counts->synack,
		       counts->failed);
	return 0;
}
