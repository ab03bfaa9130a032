// SPDX-License-Identifier: GPL-2.0-only
/*
 * stack_tx: where a packet spends its time on the way out, from the application's write to the
 * driver, at each interface that it leaves by. A stage ends where the next one begins; those a
 * packet skips are left out:
 *
 *   socket      the write, until TCP transmits or UDP hands on     tcp_sendmsg_locked, udp_sendmsg
 *   tcp         headers, route lookup, until IP output             __tcp_transmit_skb
 *   ip          netfilter, neighbour, until the interface          __ip_local_out, ip6_output
 *   forward     instead of these: left the interface before it     (bridge, VLAN, tunnel, veth)
 *   qdisc       waits in the interface's queue                     net_dev_queue
 *   completion  until the driver frees it: no part of the total    net_dev_start_xmit
 *   total       from the first of these to the driver              consume_skb (completion)
 *
 * lo, veth and bridges have no qdisc unless one is set, and no completion: there a packet lives on
 * at the receiver. All stages are recorded when the driver gets the packet, so one that is
 * dropped before is not counted, and the first five always add up to the total.
 *
 * Kinds: data, sent for the first time; control, TCP without data (SYN, ACK, FIN); retransmission;
 * other, of no socket that writes (forwarded, ARP, ICMP, SYN-ACK, resets), which have only the
 * qdisc. `sample` decides at the write, or for packets without one at their first stage.
 *
 * TCP: socket is the time since the start of the call that wrote the packet's first timed byte. One
 * write of a connection is timed at once, the next when its bytes are sent: where several wait,
 * packets of the others begin at tcp.
 *
 * Costs 1,920 instructions a packet through an interface with a queue, completion included; 1,010
 * with sample=100, 670 paused, of which the six empty hooks are 564 (6.1, client_request of
 * tests/bench/cost); on the loopback 1,580, 900 and 580. The aims, some hundreds and 60 where not
 * sampled, are missed: the hooks alone cost more. Six clocks take 290, six records and the rest some 960.
 * 1.7 MiB of memory a processor, and 2.3 MiB.
 *
 * Cannot see: segments that the stack itself cuts (an interface without TSO, tbf), netem's copies
 * and fragments but the first: to the kernel they are new packets, so they are untimed or other. A
 * packet that a busy driver refused is untimed when it is given again. What a driver frees by
 * kfree_skb has no completion. An interface with the number of one that is gone is under its name.
 * Which of two sockets in one place, written on two processors at the same moment, lost its stage
 * socket: that is not always among the losses.
 *
 * Variants, the better first:
 * variant sendpage   -DSENDPAGE
 * variant fentry
 */
#include "pinscope.bpf.h"

#define LOSSES                                                                                     \
	count_t table_full; /* packets that are in the rest, because there is no free row */       \
	count_t untimed;    /* packets given to a driver of which no time was kept: another */     \
			    /* packet took the place, or they were made below the queue */         \
	count_t unwritten;  /* packets whose write was not seen, or whose place another socket */  \
			    /* took: they lack the stage socket, or are among the others */        \
	count_t backwards   /* stages that ended before they began: not recorded */

#include "config.bpf.h"

PROBE("net", "time of each stage of the way out, from the write to the driver, by interface");

enum kind {
	KIND_DATA,	     /* written by an application, and sent for the first time */
	KIND_CONTROL,	     /* of TCP without data: SYN, ACK, FIN, probes */
	KIND_RETRANSMISSION, /* of TCP */
	KIND_OTHER, /* of no socket that writes: forwarded, ARP, ICMP, SYN-ACK, reset ... */
};

/* In the order of the way. */
enum stage {
	STAGE_SOCKET,
	STAGE_TCP,
	STAGE_IP,
	STAGE_FORWARD,
	STAGE_QDISC,
	STAGE_COMPLETION,
	STAGE_TOTAL,
	STAGES,
};

#define STAGES_OF_TOTAL STAGE_COMPLETION
#ifndef WRITER_BITS
#define WRITER_BITS 14 /* 2^14 places for sockets that write */
#endif
#define STAGE_LABEL enum kind kind
#include "stages.bpf.h"

/* How far a packet is. */
enum state {
	STATE_IP,
	STATE_QUEUED,
	STATE_LEFT,
};

struct packet {
	u64 skb;
	u64 sk; /* 0: not to be followed to a second interface */
	u32 epoch;
	u8 state;  /* enum state */
	u8 skip;   /* left out by sampling or by a filter */
	u8 queued; /* the interface has a queue of its own */
	u8 family;
	u8 protocol;
	u8 kind;
	u16 pad;
	u32 rows;		    /* of its series, at the interface it was last given to */
	u64 began[STAGES_OF_TOTAL]; /* 0: a stage not passed on the way to this interface */
	u32 random;
	u32 pad2;
};

struct packet packets[1 << PACKET_BITS];

/* What IP output is to know of a packet, from the write and from TCP. */
struct writer {
	u64 owner; /* the socket (TCP, under its lock), or the task (UDP) */
	u64 sk;
	u32 epoch;
	u32 seq;    /* TCP: the bytes of the write that is timed, and behind them */
	u32 end;    /* ... valid if it is not the last */
	u8 last;    /* there was no write after it */
	u8 seen;    /* a write of this socket */
	u8 ready;   /* a packet is on its way to IP output */
	u8 skip;    /* ... not to be measured */
	u8 written; /* ... of the write that is timed */
	u8 kind;    /* ... of this enum kind */
	u8 pad[2];
	u64 write;    /* when; 0: no write is timed */
	u64 transmit; /* TCP only */
	u32 random;
	u32 pad2;
};

struct writer writers[1 << WRITER_BITS];

struct config {
	struct filter filter;
	number_t sample; /* 1 in this many writes, and packets without one; 0 and 1: all */
};

struct config config CONFIG = {
	.sample = 1,
};

static __always_inline bool paused(void)
{
	return config.filter.active & FILTER_PAUSED;
}

/* As clang would make them anew for each member, it is not told where they come from. */
static __always_inline struct writer *writer_at(u64 owner)
{
	struct writer *writer = &writers[place_of(owner, WRITER_BITS)];

	barrier_var(writer);
	return writer;
}

static __always_inline struct packet *packet_at(const struct sk_buff *skb)
{
	struct packet *packet = &packets[place_of((u64)skb, PACKET_BITS)];

	barrier_var(packet);
	return packet;
}

static __always_inline bool writer_is(struct writer *writer, u64 owner)
{
	return writer->owner == owner && writer->epoch == config.filter.epoch;
}

static __noinline int unwritten(void)
{
	LOSE(unwritten);
	return 0;
}

/* The owner's own, if need be by taking it from another. */
static __always_inline struct writer *writer_take(u64 owner, struct sock *sk)
{
	struct writer *writer = writer_at(owner);

	if (writer_is(writer, owner))
		return writer;
	if (writer->ready && writer->epoch == config.filter.epoch)
		unwritten();
	__builtin_memset(writer, 0, offsetof(struct writer, random));
	writer->owner = owner;
	writer->sk = (u64)sk;
	writer->epoch = config.filter.epoch;
	return writer;
}

/*
 * Whether bytes of the timed write still wait: it ends among those that are written and not sent. (If
 * not even that, it was one of another connection, whose socket was here.)
 */
static __always_inline bool write_waits(struct writer *writer, struct tcp_sock *tcp, u32 written)
{
	return writer->write && writer->end != writer->seq &&
	       written - writer->end < written - tcp->snd_nxt;
}

static __always_inline bool writer_sampled(struct writer *writer)
{
	return one_in(config.sample, &writer->random, place_hash(writer->owner));
}

/* Out of line, and last: most often there is none. */
static __noinline bool passes_filter(struct sock *sk)
{
	return filter_socket(&config.filter, sk);
}

/* A write is. */
static __always_inline bool is_wanted(struct writer *writer, struct sock *sk)
{
	if (!writer_sampled(writer))
		return false;
	return !config.filter.active || (passes_filter(sk) && filter_task(&config.filter));
}

/*
 * One write of a socket is timed at once: the next that comes when all bytes of that are sent. So
 * the stage is exact, but not known of every packet of a connection where writes wait.
 */
static __always_inline int tcp_written(struct sock *sk)
{
	struct writer *writer;
	struct tcp_sock *tcp;
	u32 written;

	if (paused())
		return 0;
	tcp = bpf_skc_to_tcp_sock(sk);
	writer = writer_take((u64)sk, sk);
	if (!tcp)
		return 0;
	written = tcp->write_seq;
	writer->seen = true;
	if (writer->last)
		writer->end = written;
	writer->last = false;
	if (write_waits(writer, tcp, written))
		return 0;
	writer->write = 0;
	if (!is_wanted(writer, sk))
		return 0;
	writer->seq = written;
	writer->last = true;
	writer->write = bpf_ktime_get_ns();
	return 0;
}

SEC("fentry/tcp_sendmsg_locked")
PROTO("int (struct sock *, struct msghdr *, size_t)")
int BPF_PROG(tcp_write, struct sock *sk)
{
	return tcp_written(sk);
}

#ifdef SENDPAGE
SEC("fentry/do_tcp_sendpages")
PROTO("ssize_t (struct sock *, struct page *, int, size_t, int)")
int BPF_PROG(tcp_sendpage, struct sock *sk)
{
	return tcp_written(sk);
}
#endif

/* As the kernel tells RetransSegs from OutSegs. */
static __always_inline enum kind kind_of(struct tcp_sock *tcp, struct sk_buff *skb, u32 seq,
					 u32 end)
{
	if (seq != end && (s32)(end - tcp->snd_nxt) <= 0)
		return KIND_RETRANSMISSION;
	return skb->len ? KIND_DATA : KIND_CONTROL;
}

static __always_inline bool is_written(struct writer *writer, u32 seq, u32 end)
{
	return writer->kind == KIND_DATA && writer->write && (s32)(end - writer->seq) > 0 &&
	       (writer->last || (s32)(writer->end - seq) > 0);
}

/* Sampling was decided at the write; here for a packet without one. */
static __always_inline bool transmit_wanted(struct writer *writer, struct sock *sk)
{
	u32 active = config.filter.active;

	if (writer->written)
		return true;
	if (active & FILTER_TASK || (writer->kind == KIND_DATA && config.sample > 1))
		return false;
	return writer_sampled(writer) && (!active || passes_filter(sk));
}

SEC("fentry/__tcp_transmit_skb")
PROTO("int (struct sock *, struct sk_buff *, int, gfp_t, u32)")
int BPF_PROG(tcp_transmit, struct sock *sk, struct sk_buff *skb)
{
	struct tcp_skb_cb *cb;
	struct writer *writer;
	struct tcp_sock *tcp;
	u32 seq, end;

	if (paused())
		return 0;
	cb = (struct tcp_skb_cb *)skb->cb;
	seq = cb->seq;
	end = cb->end_seq;
	tcp = bpf_skc_to_tcp_sock(sk);
	writer = writer_take((u64)sk, sk);
	if (!tcp)
		return 0;
	writer->ready = true;
	writer->kind = kind_of(tcp, skb, seq, end);
	writer->written = is_written(writer, seq, end);
	if (writer->kind == KIND_DATA && !writer->seen)
		unwritten();
	writer->skip = !transmit_wanted(writer, sk);
	if (!writer->skip)
		writer->transmit = bpf_ktime_get_ns();
	return 0;
}

static __always_inline int udp_written(struct sock *sk)
{
	struct writer *writer;

	if (paused())
		return 0;
	writer = writer_take(bpf_get_current_task(), sk);
	writer->sk = (u64)sk;
	writer->kind = KIND_DATA;
	writer->ready = writer->written = true;
	writer->skip = !is_wanted(writer, sk);
	if (!writer->skip)
		writer->write = bpf_ktime_get_ns();
	return 0;
}

SEC("fentry/udp_sendmsg")
PROTO("int (struct sock *, struct msghdr *, size_t)")
int BPF_PROG(udp_write, struct sock *sk)
{
	return udp_written(sk);
}

SEC("fentry/udpv6_sendmsg")
PROTO("int (struct sock *, struct msghdr *, size_t)")
int BPF_PROG(udp6_write, struct sock *sk)
{
	return udp_written(sk);
}

static __always_inline void packet_start(struct packet *packet, struct sk_buff *skb)
{
	packet->skb = (u64)skb;
	packet->epoch = config.filter.epoch;
	__builtin_memset(packet->began, 0, sizeof(packet->began));
}

/* The packet becomes known by its address. Nothing between here and the queue leaves this CPU. */
static __always_inline int ip_out(struct sock *sk, struct sk_buff *skb, enum family family)
{
	struct writer *writer;
	struct packet *packet;
	bool udp;
	u64 owner;

	if (paused())
		return 0;
	udp = sk->sk_protocol == IPPROTO_UDP;
	owner = udp ? bpf_get_current_task() : (u64)sk;
	writer = writer_at(owner);
	/* Not ready: an outer header is put around what was seen before. */
	if (!writer->ready || !writer_is(writer, owner) || writer->sk != (u64)sk)
		return 0;
	writer->ready = false;
	packet = packet_at(skb);
	packet->sk = (u64)sk;
	packet->state = STATE_IP;
	packet->skip = writer->skip;
	packet->family = family;
	packet->protocol = udp ? PROTOCOL_UDP : PROTOCOL_TCP;
	packet->kind = writer->kind;
	packet_start(packet, skb);
	if (writer->skip)
		return 0;
	packet->began[STAGE_IP] = bpf_ktime_get_ns();
	packet->began[STAGE_TCP] = writer->transmit;
	packet->began[STAGE_SOCKET] = writer->written ? writer->write : 0;
	return 0;
}

SEC("fentry/__ip_local_out")
PROTO("int (struct net *, struct sock *, struct sk_buff *)")
int BPF_PROG(ip_output, struct net *net, struct sock *sk, struct sk_buff *skb)
{
	return ip_out(sk, skb, FAMILY_IPV4);
}

SEC("fentry/ip6_output")
PROTO("int (struct net *, struct sock *, struct sk_buff *)")
int BPF_PROG(ip6_output, struct net *net, struct sock *sk, struct sk_buff *skb)
{
	return ip_out(sk, skb, FAMILY_IPV6);
}

/* Addresses are used again: only one with the same socket is the same packet. */
static __always_inline bool packet_known(struct packet *packet, struct sk_buff *skb)
{
	return packet->skb == (u64)skb && packet->epoch == config.filter.epoch && packet->sk &&
	       packet->sk == (u64)skb->sk && packet->state != STATE_QUEUED;
}

static __always_inline void packet_other(struct packet *packet, struct sk_buff *skb)
{
	u16 protocol = skb->protocol;

	packet_start(packet, skb);
	packet->sk = 0;
	packet->protocol = PROTOCOL_OTHER;
	packet->kind = KIND_OTHER;
	packet->family = protocol == bpf_htons(ETH_P_IP)     ? FAMILY_IPV4
			 : protocol == bpf_htons(ETH_P_IPV6) ? FAMILY_IPV6
							     : FAMILY_OTHER;
	packet->skip = config.filter.active ||
		       !one_in(config.sample, &packet->random, place_hash((u64)skb));
}

/* As the kernel tells "noqueue" from the others. */
static __always_inline bool has_qdisc(const struct net_device *dev)
{
	return dev->qdisc->enqueue;
}

SEC("tp_btf/net_dev_queue")
PROTO("void (struct sk_buff *)")
int BPF_PROG(dev_queue, struct sk_buff *skb)
{
	struct packet *packet;

	if (paused())
		return 0;
	packet = packet_at(skb);
	if (!packet_known(packet, skb))
		packet_other(packet, skb);
	packet->state = STATE_QUEUED;
	if (packet->skip)
		return 0;
	if (has_qdisc(skb->dev))
		packet->began[STAGE_QDISC] = bpf_ktime_get_ns();
	else if (packet->kind == KIND_OTHER)
		packet->skip = true; /* no stage of it is known */
	return 0;
}

static __always_inline void row_label(struct row *row, u32 what)
{
	row->kind = what >> 4;
}

/*
 * From the end to the beginning, and all at once: a packet that is dropped leaves nothing. (Not
 * static: the verifier looks at it once, by itself.)
 */
__noinline int record_all(u32 place, u64 now)
{
	struct packet *packet = &packets[place % (1 << PACKET_BITS)];
	u32 rows = packet->rows;
	u64 until = now;
	bool timed = false;

	for (u32 stage = STAGES_OF_TOTAL; stage-- > 0;) {
		u64 since = packet->began[stage];

		if (!since)
			continue;
		if (record(rows, stage, since, until)) {
			until = since;
			timed = true;
		}
		packet->began[stage] = 0;
	}
	if (timed)
		record(rows, STAGE_TOTAL, until, now);
	else
		LOSE(untimed);
	packet->began[STAGE_FORWARD] = now;
	return 0;
}

SEC("tp_btf/net_dev_start_xmit")
PROTO("void (struct sk_buff *, struct net_device *)")
int BPF_PROG(dev_xmit, struct sk_buff *skb, struct net_device *dev)
{
	struct packet *packet;

	if (paused())
		return 0;
	packet = packet_at(skb);
	if (packet->skb != (u64)skb || packet->state != STATE_QUEUED ||
	    packet->epoch != config.filter.epoch) {
		LOSE(untimed);
		return 0;
	}
	packet->state = STATE_LEFT;
	if (packet->skip)
		return 0;
	packet->queued = !(BPF_CORE_READ_BITFIELD(dev, priv_flags) &
			   bpf_core_enum_value(enum netdev_priv_flags, IFF_NO_QUEUE));
	packet->rows = rows_of(dev, packet->kind << 4 | what_of(packet->family, packet->protocol));
	record_all(place_of((u64)skb, PACKET_BITS), bpf_ktime_get_ns());
	return 0;
}

SEC("tp_btf/consume_skb")
PROTO("void (struct sk_buff *)")
int BPF_PROG(skb_done, struct sk_buff *skb)
{
	struct packet *packet;

	if (paused())
		return 0;
	packet = packet_at(skb);
	if (packet->skb != (u64)skb)
		return 0;
	packet->skb = 0;
	if (packet->state != STATE_LEFT || packet->skip || !packet->queued ||
	    packet->epoch != config.filter.epoch)
		return 0;
	record(packet->rows, STAGE_COMPLETION, packet->began[STAGE_FORWARD], bpf_ktime_get_ns());
	return 0;
}
