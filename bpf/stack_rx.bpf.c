// SPDX-License-Identifier: GPL-2.0-only
/*
 * stack_rx: where a received packet spends its time, from the interrupt to the application.
 *
 * A stage begins where the one before it ends; those a packet skips are left out:
 *
 *   irq        interrupt handler, until it raises the softirq       irq_handler_entry, _exit
 *   softirq    until the softirq runs                               softirq_raise
 *   driver     until the packet comes to GRO, behind its batch      softirq_entry, _exit
 *   gro        until the link layer: held by GRO, and RPS           napi_gro_receive_entry
 *   backlog    instead of these: lo, veth, tunnels, and RPS         netif_rx
 *   link       taps, tc, bridge, until IP                           netif_receive_skb
 *   ip         routing, netfilter, until the transport protocol     ip_rcv_core, ip6_rcv_core
 *   transport  socket lookup, until in its queue                    tcp_v4_rcv, udp_rcv, ..v6..
 *   socket     until the application reads                          tcp_queue_rcv, __udp_enqueue_..
 *   total      from the first of these to the read                  skb_copy_datagram_iovec (TCP),
 *                                                                   skb_consume_udp
 *
 * A packet is what the stack handles as one: after GRO. All up to `ip` are counted when it is
 * delivered locally, for the interface it was delivered from: what is forwarded or dropped on
 * the way is not counted, and a packet that comes in again (bridge, tunnel, the other end of a
 * veth) begins again on that interface. irq, softirq and driver are those of the softirq run
 * that polled the packet, if an interrupt raised it. (On 6.12 one that hits such a run raises
 * none: that run goes on to poll its packets.)
 *
 * TCP: data merged into the segment before it in the queue has no socket stage and no total;
 * a segment's is that of the first read of it, be it a look (MSG_PEEK).
 *
 * Cannot see: the socket stage of what was queued out of order, spliced, or read by the kernel
 * itself; drivers that use neither GRO nor netif_rx begin at link; a VLAN's packets count for
 * the device under it; an interface with the number of one that is gone is under its name. While
 * sampling, a packet that was not chosen and whose place was taken counts as overwritten, too; so
 * does TCP data that was never read and whose place is taken.
 *
 * Costs 2,140 instructions a packet with all its stages on the loopback, 1,310 with sample=100,
 * 930 paused (6.1, a small request and its answer over TCP are two packets; docs/cost.md), of UDP
 * 2,090, 1,270 and 910; four kprobes of bpftrace (tests/bench/stages.bt) take 4,210 and 5,620.
 * Aims missed: 600, and 60 for a packet that is not sampled. The nine hooks on that way alone are 814
 * when empty; six records take some 640, six clocks 290, six finds of the packet 180, the programs
 * at the softirq 110. 1.3 MiB of kernel memory for each possible CPU, and 1.8 MiB.
 */

#define LOSSES                                                                                     \
	count_t overwritten; /* another packet took its place: not followed, or not further */     \
	count_t table_full;  /* an interface without rows of its own: it is in the rest */         \
	count_t backwards    /* an end before its start: not recorded */

#include "pinscope.bpf.h"
#include "config.bpf.h"

PROBE("net", "time of received packets in each stage, from the interrupt to the application");

/* In the order of the way. */
enum stage {
	STAGE_IRQ,
	STAGE_SOFTIRQ,
	STAGE_DRIVER,
	STAGE_GRO,
	STAGE_BACKLOG,
	STAGE_LINK,
	STAGE_IP,
	STAGE_TRANSPORT,
	STAGE_SOCKET,
	STAGE_TOTAL,
	STAGES,

	STAGE_SKIPPED, /* of a packet: not followed, because of a filter or sampling */
	STAGE_ENDED,   /* of a packet: not followed any more */
};

#define STAGE_LABEL u32 pad
#define SERIES	    32
#include "stages.bpf.h"

struct config {
	epoch_t epoch;
	mask_t active;
	flag_t paused;
	ifindex_t ifindex; /* both that are set must hold */
	netns_t netns;
	number_t sample; /* 1 in this many packets; 0 and 1: all */
};

enum {
	ACTIVE_PAUSED = 1 << 0,
	ACTIVE_IFINDEX = 1 << 1,
	ACTIVE_NETNS = 1 << 2,
	ACTIVE_SAMPLE = 1 << 3,
};

struct config config CONFIG = {};

/*
 * A packet under way, in the place that the address of its sk_buff gives it. Each that comes
 * in takes its place from whoever has it, so an old time is never paired with a new packet.
 */
struct packet {
	u64 skb;
	u32 epoch; /* of the settings under which it came */
	u32 stage; /* the one it is in */
	u64 sk;
	u64 start;
	u32 rows; /* of its series, once that is known */
	u32 pad;
	u64 began[STAGE_TOTAL]; /* of each stage; 0: skipped */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, struct packet);
} packets SEC(".maps") INTERNAL;

/* What led to the softirq that is running, or will. 0: none. */
struct poll {
	u64 irq; /* the interrupt being handled */
	u64 next_irq, next_raised;
	u64 this_irq, this_raised, this_run;
	u64 epoch; /* of the settings under which it was raised last */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct poll);
} polls SEC(".maps") INTERNAL;

static __always_inline struct poll *poll_here(void)
{
	u32 key = 0;

	return bpf_map_lookup_elem(&polls, &key);
}

static __always_inline void row_label(struct row *row, u32 what)
{
}

static __always_inline struct packet *packet_at(const struct sk_buff *skb)
{
	return config.paused ? NULL : slot_place(&packets, (u64)skb);
}

/* Whether the packet is followed, and in that stage. */
static __always_inline bool is_in(const struct packet *packet, const struct sk_buff *skb, u32 stage)
{
	return packet->skb == (u64)skb && packet->stage == stage && packet->epoch == config.epoch;
}

/*
 * Those who wait are lost with their place, and here it is counted; the others find out for
 * themselves, or have arrived long ago.
 */
static __always_inline void take(struct packet *packet, const struct sk_buff *skb, u32 stage)
{
	if (packet->skb != (u64)skb && packet->epoch == config.epoch &&
	    (packet->stage == STAGE_BACKLOG || packet->stage == STAGE_SOCKET))
		LOSE(overwritten);
	packet->skb = (u64)skb;
	packet->epoch = config.epoch;
	packet->stage = stage;
}

static __always_inline void enter(struct packet *packet, u32 stage, u64 now)
{
	packet->stage = stage;
	packet->began[stage] = now;
}

static __noinline bool is_wanted(struct net_device *dev)
{
	u32 active = config.active;

	if (active & ACTIVE_IFINDEX && config.ifindex != (u32)dev->ifindex)
		return false;
	if (active & ACTIVE_NETNS && config.netns != dev->nd_net.net->ns.inum)
		return false;
	return config.sample <= 1 || bpf_get_prandom_u32() % config.sample == 0;
}

/* A packet comes in: NULL if it is not to be followed, and `otherwise` is where it stands then. */
static __always_inline struct packet *begin(struct packet *packet, const struct sk_buff *skb,
					    u32 stage, u32 otherwise)
{
	bool wanted = !config.active || is_wanted(skb->dev);

	take(packet, skb, wanted ? stage : otherwise);
	if (!wanted)
		return NULL;
	__builtin_memset(packet->began, 0, sizeof(packet->began));
	return packet;
}

/*
 * The programs are attached in this order, each after those before it on the way: what a
 * later one misses was never seen, and would count as lost.
 */

SEC("tp_btf/irq_handler_entry")
PROTO("void (int, struct irqaction *)")
int BPF_PROG(irq_begins)
{
	struct poll *poll = config.paused ? NULL : poll_here();

	if (poll)
		poll->irq = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/irq_handler_exit")
PROTO("void (int, struct irqaction *, int)")
int BPF_PROG(irq_ends)
{
	struct poll *poll = poll_here();

	if (poll)
		poll->irq = 0;
	return 0;
}

SEC("tp_btf/softirq_raise")
PROTO("void (unsigned int)")
int BPF_PROG(softirq_raised, unsigned int vector)
{
	struct poll *poll;

	if (vector != NET_RX_SOFTIRQ || config.paused)
		return 0;
	poll = poll_here();
	if (!poll || !poll->irq || poll->next_raised)
		return 0;
	poll->next_irq = poll->irq;
	poll->next_raised = bpf_ktime_get_ns();
	poll->epoch = config.epoch;
	return 0;
}

SEC("tp_btf/softirq_entry")
PROTO("void (unsigned int)")
int BPF_PROG(softirq_begins, unsigned int vector)
{
	struct poll *poll;

	if (vector != NET_RX_SOFTIRQ || config.paused)
		return 0;
	poll = poll_here();
	if (!poll || !poll->next_raised)
		return 0;
	poll->this_irq = poll->next_irq;
	poll->this_raised = poll->next_raised;
	poll->this_run = bpf_ktime_get_ns();
	poll->next_raised = 0;
	return 0;
}

SEC("tp_btf/softirq_exit")
PROTO("void (unsigned int)")
int BPF_PROG(softirq_ends, unsigned int vector)
{
	struct poll *poll;

	if (vector != NET_RX_SOFTIRQ || config.paused)
		return 0;
	poll = poll_here();
	if (poll)
		poll->this_run = 0;
	return 0;
}

SEC("tp_btf/napi_gro_receive_entry")
PROTO("void (const struct sk_buff *)")
int BPF_PROG(to_gro, struct sk_buff *skb)
{
	struct packet *packet = packet_at(skb);
	struct poll *poll = poll_here();

	if (!packet || !poll)
		return 0;
	packet = begin(packet, skb, STAGE_GRO, STAGE_SKIPPED);
	if (!packet)
		return 0;
	enter(packet, STAGE_GRO, bpf_ktime_get_ns());
	if (!poll->this_run || poll->epoch != config.epoch)
		return 0;
	packet->began[STAGE_IRQ] = poll->this_irq;
	packet->began[STAGE_SOFTIRQ] = poll->this_raised;
	packet->began[STAGE_DRIVER] = poll->this_run;
	return 0;
}

SEC("tp_btf/netif_rx")
PROTO("void (struct sk_buff *)")
int BPF_PROG(to_backlog, struct sk_buff *skb)
{
	struct packet *packet = packet_at(skb);

	if (!packet)
		return 0;
	packet = begin(packet, skb, STAGE_BACKLOG, STAGE_SKIPPED);
	if (packet)
		enter(packet, STAGE_BACKLOG, bpf_ktime_get_ns());
	return 0;
}

SEC("tp_btf/netif_receive_skb")
PROTO("void (struct sk_buff *)")
int BPF_PROG(to_link, struct sk_buff *skb)
{
	struct packet *packet = packet_at(skb);

	if (!packet)
		return 0;
	if (is_in(packet, skb, STAGE_SKIPPED)) {
		packet->stage = STAGE_ENDED;
		return 0;
	}
	if (!is_in(packet, skb, STAGE_BACKLOG) && !is_in(packet, skb, STAGE_GRO))
		packet = begin(packet, skb, STAGE_LINK, STAGE_ENDED);
	if (packet)
		enter(packet, STAGE_LINK, bpf_ktime_get_ns());
	return 0;
}

static __always_inline int to_ip(struct sk_buff *skb)
{
	struct packet *packet = packet_at(skb);

	if (packet && is_in(packet, skb, STAGE_LINK))
		enter(packet, STAGE_IP, bpf_ktime_get_ns());
	return 0;
}

SEC("fentry/ip_rcv_core")
PROTO("struct sk_buff * (struct sk_buff *, struct net *)")
int BPF_PROG(to_ipv4, struct sk_buff *skb)
{
	return to_ip(skb);
}

SEC("fentry/ip6_rcv_core")
PROTO("struct sk_buff * (struct sk_buff *, struct net_device *, struct net *)")
int BPF_PROG(to_ipv6, struct sk_buff *skb)
{
	return to_ip(skb);
}

/* All stages up to here. */
static __always_inline void record_arrival(struct packet *packet, u64 now)
{
	u64 end = now;

#pragma unroll
	for (int stage = STAGE_IP; stage >= STAGE_IRQ; stage--) {
		u64 began = packet->began[stage];

		if (!began)
			continue;
		record(packet->rows, stage, began, end);
		end = began;
	}
	packet->start = end;
}

static __always_inline int to_transport(struct sk_buff *skb, u32 family, u32 protocol)
{
	struct packet *packet = packet_at(skb);
	u64 now;

	if (!packet)
		return 0;
	if (packet->skb != (u64)skb) {
		LOSE(overwritten);
		take(packet, skb, STAGE_ENDED);
	}
	if (!is_in(packet, skb, STAGE_IP))
		return 0;
	now = bpf_ktime_get_ns();
	packet->rows = rows_of(skb->dev, what_of(family, protocol));
	record_arrival(packet, now);
	enter(packet, STAGE_TRANSPORT, now);
	return 0;
}

SEC("fentry/tcp_v4_rcv")
PROTO("int (struct sk_buff *)")
int BPF_PROG(to_tcp_ipv4, struct sk_buff *skb)
{
	return to_transport(skb, FAMILY_IPV4, PROTOCOL_TCP);
}

SEC("fentry/tcp_v6_rcv")
PROTO("int (struct sk_buff *)")
int BPF_PROG(to_tcp_ipv6, struct sk_buff *skb)
{
	return to_transport(skb, FAMILY_IPV6, PROTOCOL_TCP);
}

SEC("fentry/udp_rcv")
PROTO("int (struct sk_buff *)")
int BPF_PROG(to_udp_ipv4, struct sk_buff *skb)
{
	return to_transport(skb, FAMILY_IPV4, PROTOCOL_UDP);
}

SEC("fentry/udpv6_rcv")
PROTO("int (struct sk_buff *)")
int BPF_PROG(to_udp_ipv6, struct sk_buff *skb)
{
	return to_transport(skb, FAMILY_IPV6, PROTOCOL_UDP);
}

/* NULL: not followed. A copy for a second receiver has never been. */
static __always_inline struct packet *queued(struct sk_buff *skb, u64 *now)
{
	struct packet *packet = packet_at(skb);

	if (!packet)
		return NULL;
	if (packet->skb != (u64)skb && !BPF_CORE_READ_BITFIELD_PROBED(skb, cloned))
		LOSE(overwritten);
	if (!is_in(packet, skb, STAGE_TRANSPORT))
		return NULL;
	*now = bpf_ktime_get_ns();
	record(packet->rows, STAGE_TRANSPORT, packet->began[STAGE_TRANSPORT], *now);
	return packet;
}

/* The segment may have been merged into the one before it, and then be freed; a bare FIN is no data. */
SEC("fexit/tcp_queue_rcv")
PROTO("int (struct sock *, struct sk_buff *, bool *)")
int BPF_PROG(to_socket_tcp, struct sock *sk, struct sk_buff *skb, bool *stolen, int merged)
{
	u64 now;
	struct packet *packet = queued(skb, &now);

	if (!packet)
		return 0;
	packet->sk = (u64)sk;
	if (merged || !skb->len)
		packet->stage = STAGE_ENDED;
	else
		enter(packet, STAGE_SOCKET, now);
	return 0;
}

SEC("fentry/__udp_enqueue_schedule_skb")
PROTO("int (struct sock *, struct sk_buff *)")
int BPF_PROG(to_socket_udp, struct sock *sk, struct sk_buff *skb)
{
	u64 now;
	struct packet *packet = queued(skb, &now);

	if (!packet)
		return 0;
	packet->sk = 0;
	enter(packet, STAGE_SOCKET, now);
	return 0;
}

static __always_inline int to_application(const struct sk_buff *skb, u64 sk)
{
	struct packet *packet = packet_at(skb);
	u64 now;

	if (!packet || !is_in(packet, skb, STAGE_SOCKET) || packet->sk != sk)
		return 0;
	now = bpf_ktime_get_ns();
	record(packet->rows, STAGE_SOCKET, packet->began[STAGE_SOCKET], now);
	record(packet->rows, STAGE_TOTAL, packet->start, now);
	packet->stage = STAGE_ENDED;
	return 0;
}

/*
 * All sockets come here, also those that no packet comes to from an interface. Who owns the
 * sk_buff tells them from an unread segment that was freed.
 */
SEC("tp_btf/skb_copy_datagram_iovec")
PROTO("void (const struct sk_buff *, int)")
int BPF_PROG(read_tcp, struct sk_buff *skb)
{
	u64 sk = (u64)skb->sk;

	return sk ? to_application(skb, sk) : 0;
}

SEC("fentry/skb_consume_udp")
PROTO("void (struct sock *, struct sk_buff *, int)")
int BPF_PROG(read_udp, struct sock *sk, struct sk_buff *skb)
{
	return to_application(skb, 0);
}

/* Dropped: who has the address next is another packet. */
SEC("tp_btf/kfree_skb")
PROTO("void (struct sk_buff *)")
int BPF_PROG(dropped, struct sk_buff *skb)
{
	struct packet *packet = packet_at(skb);

	if (packet && packet->skb == (u64)skb)
		packet->stage = STAGE_ENDED;
	return 0;
}
