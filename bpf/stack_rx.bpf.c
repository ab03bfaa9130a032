// SPDX-License-Identifier: GPL-2.0-only
/*
 * stack_rx: where a received packet spends its time, from the interrupt to the application.
 *
 * A stage begins where the one before it ends; those a packet skips are left out:
 *
 *   irq        interrupt handler, until it has its NAPI scheduled   irq_handler_entry, _exit
 *   softirq    until the softirq polls that NAPI                    __napi_schedule, .._irqoff
 *   driver     until the packet comes to GRO, behind its batch      softirq_entry, napi_poll
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
 * veth) begins again on that interface. irq, softirq and driver are those of the interrupt
 * that had the packet's NAPI polled; polled without one (the rest of a budget, busy polling, a
 * thread), a packet begins at gro. softirq is also the time that the softirq polls others first, be it
 * raised for this one or (since 6.5) found running.
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
 * Costs 1,860 instructions a packet with all its stages on the loopback, 1,010 with sample=100,
 * 830 paused (6.1, a small request and its answer over TCP are two packets; docs/cost.md); four
 * kprobes of bpftrace (tests/bench/stages.bt) take 4,210. Aims missed: 600, and 60 for a packet that is
 * not sampled, for the eight hooks on that way alone are 749 when empty. Six clocks take 290; six
 * records, finding the interface's rows and the rest some 730. 1.3 MiB of kernel memory for each
 * possible CPU, and 1.9 MiB.
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

#define POLLS	    16
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
	u32 first; /* the one it began with */
	u32 rows;  /* of its series, once that is known */
	u64 sk;
	u64 start;
	u64 began[STAGE_TOTAL]; /* of each stage from the first on; 0: skipped */
	u32 random;
	u32 pad;
};

struct packet packets[1 << PACKET_BITS];

/* A NAPI that an interrupt has scheduled on this CPU. */
struct scheduled {
	u32 napi;
	u32 epoch; /* of the settings then */
	u64 irq;   /* the interrupt */
	u64 at;	   /* 0: polled since */
};

struct polls {
	u64 irq;   /* the interrupt being handled; 0: none */
	u64 began; /* the poll that runs, if one was waiting when it began */
	u64 waiting;
	struct scheduled by_napi[POLLS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct polls);
} polls SEC(".maps") INTERNAL;

static __always_inline struct polls *polls_here(void)
{
	u32 key = 0;

	return bpf_map_lookup_elem(&polls, &key);
}

static __always_inline void row_label(struct row *row, u32 what)
{
}

static __always_inline struct packet *packet_of(const struct sk_buff *skb)
{
	struct packet *packet = &packets[place_of((u64)skb, PACKET_BITS)];

	barrier_var(packet); /* one pointer, which clang would make anew for each member */
	return packet;
}

/* Whether the packet is followed, and in that stage. */
static __always_inline bool is_in(const struct packet *packet, const struct sk_buff *skb, u32 stage)
{
	return packet->skb == (u64)skb && packet->stage == stage && packet->epoch == config.epoch;
}

static __noinline int overwritten(void)
{
	LOSE(overwritten);
	return 0;
}

/*
 * Those who wait are lost with their place, and here it is counted; the others find out for
 * themselves, or have arrived long ago.
 */
static __always_inline void take(struct packet *packet, const struct sk_buff *skb, u32 stage)
{
	if (packet->skb != (u64)skb && packet->epoch == config.epoch &&
	    (packet->stage == STAGE_BACKLOG || packet->stage == STAGE_SOCKET))
		overwritten();
	packet->skb = (u64)skb;
	packet->epoch = config.epoch;
	packet->stage = stage;
}

static __always_inline void enter(struct packet *packet, u32 stage, u64 now)
{
	packet->stage = stage;
	packet->began[stage] = now;
}

static __always_inline bool passes(const struct net_device *dev)
{
	u32 active = config.active;

	if (active & ACTIVE_IFINDEX && config.ifindex != (u32)dev->ifindex)
		return false;
	return !(active & ACTIVE_NETNS) || config.netns == dev->nd_net.net->ns.inum;
}

static __always_inline bool is_wanted(struct packet *packet, const struct sk_buff *skb)
{
	u32 active = config.active;

	if (!active)
		return true;
	if (active & ACTIVE_SAMPLE && !one_in(config.sample, &packet->random, place_hash((u64)skb)))
		return false;
	return !(active & (ACTIVE_IFINDEX | ACTIVE_NETNS)) || passes(skb->dev);
}

/* A packet comes in: false if it is not to be followed, and `otherwise` is where it stands then. */
static __always_inline bool begin(struct packet *packet, const struct sk_buff *skb, u32 stage,
				  u32 otherwise)
{
	bool wanted = is_wanted(packet, skb);

	take(packet, skb, wanted ? stage : otherwise);
	if (!wanted)
		return false;
	packet->first = stage;
	packet->began[stage] = bpf_ktime_get_ns();
	return true;
}

/* Out of line: most have come in before they come here. */
static __noinline int begin_at_link(const struct sk_buff *skb)
{
	begin(packet_of(skb), skb, STAGE_LINK, STAGE_ENDED);
	return 0;
}

/*
 * The programs are attached in this order, each after those before it on the way: what a
 * later one misses was never seen, and would count as lost.
 */

SEC("tp_btf/irq_handler_entry")
PROTO("void (int, struct irqaction *)")
int BPF_PROG(irq_begins)
{
	struct polls *polls = config.paused ? NULL : polls_here();

	if (polls)
		polls->irq = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/irq_handler_exit")
PROTO("void (int, struct irqaction *, int)")
int BPF_PROG(irq_ends)
{
	struct polls *polls = polls_here();

	if (polls)
		polls->irq = 0;
	return 0;
}

static __always_inline u32 napi_id(const struct napi_struct *napi)
{
	return bpf_core_field_exists(napi->napi_id) ? napi->napi_id : 0;
}

static __always_inline struct scheduled *scheduled_of(struct polls *polls, u32 napi)
{
	return &polls->by_napi[napi % POLLS];
}

static __always_inline int schedule(const struct napi_struct *napi)
{
	struct polls *polls = config.paused ? NULL : polls_here();
	struct scheduled *scheduled;

	if (!polls || !polls->irq)
		return 0;
	scheduled = scheduled_of(polls, napi_id(napi));
	if (!scheduled->at)
		__sync_fetch_and_add(&polls->waiting, 1);
	scheduled->napi = napi_id(napi);
	scheduled->epoch = config.epoch;
	scheduled->irq = polls->irq;
	scheduled->at = bpf_ktime_get_ns();
	return 0;
}

/* Raises the softirq, unless it runs already and will go on with this one (since 6.5). */
SEC("fentry/__napi_schedule")
PROTO("void (struct napi_struct *)")
int BPF_PROG(napi_scheduled, struct napi_struct *napi)
{
	return schedule(napi);
}

SEC("fentry/__napi_schedule_irqoff")
PROTO("void (struct napi_struct *)")
int BPF_PROG(napi_scheduled_irqoff, struct napi_struct *napi)
{
	return schedule(napi);
}

/* The first poll begins with the softirq, each other with the end of the one before it. */
SEC("tp_btf/softirq_entry")
PROTO("void (unsigned int)")
int BPF_PROG(softirq_begins, unsigned int vector)
{
	struct polls *polls;

	if (vector != NET_RX_SOFTIRQ || config.paused)
		return 0;
	polls = polls_here();
	if (polls && polls->waiting)
		polls->began = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/napi_poll")
PROTO("void (struct napi_struct *, int, int)")
int BPF_PROG(poll_ends, struct napi_struct *napi)
{
	struct polls *polls = config.paused ? NULL : polls_here();
	struct scheduled *scheduled;

	if (!polls || !polls->waiting)
		return 0;
	scheduled = scheduled_of(polls, napi_id(napi));
	/* It may have been scheduled again before it came here. */
	if (scheduled->napi == napi_id(napi) && scheduled->at && scheduled->at <= polls->began) {
		scheduled->at = 0;
		__sync_fetch_and_add(&polls->waiting, -1);
	}
	polls->began = bpf_ktime_get_ns();
	return 0;
}

static __always_inline void add_poll(struct packet *packet, const struct sk_buff *skb)
{
	struct polls *polls = polls_here();
	struct scheduled *scheduled;
	u32 napi;

	if (!polls)
		return;
	napi = bpf_core_field_exists(skb->napi_id) ? skb->napi_id : 0;
	scheduled = scheduled_of(polls, napi);
	if (scheduled->napi != napi || scheduled->epoch != config.epoch || !scheduled->at ||
	    scheduled->at > polls->began)
		return;
	packet->first = STAGE_IRQ;
	packet->began[STAGE_IRQ] = scheduled->irq;
	packet->began[STAGE_SOFTIRQ] = scheduled->at;
	packet->began[STAGE_DRIVER] = polls->began;
}

SEC("tp_btf/napi_gro_receive_entry")
PROTO("void (const struct sk_buff *)")
int BPF_PROG(to_gro, struct sk_buff *skb)
{
	struct packet *packet;

	if (config.paused)
		return 0;
	packet = packet_of(skb);
	if (!begin(packet, skb, STAGE_GRO, STAGE_SKIPPED))
		return 0;
	packet->began[STAGE_BACKLOG] = 0;
	add_poll(packet, skb);
	return 0;
}

SEC("tp_btf/netif_rx")
PROTO("void (struct sk_buff *)")
int BPF_PROG(to_backlog, struct sk_buff *skb)
{
	if (!config.paused)
		begin(packet_of(skb), skb, STAGE_BACKLOG, STAGE_SKIPPED);
	return 0;
}

SEC("tp_btf/netif_receive_skb")
PROTO("void (struct sk_buff *)")
int BPF_PROG(to_link, struct sk_buff *skb)
{
	struct packet *packet;
	bool known;

	if (config.paused)
		return 0;
	packet = packet_of(skb);
	known = packet->skb == (u64)skb && packet->epoch == config.epoch;
	if (known && packet->stage == STAGE_SKIPPED)
		packet->stage = STAGE_ENDED;
	else if (known && (packet->stage == STAGE_BACKLOG || packet->stage == STAGE_GRO))
		enter(packet, STAGE_LINK, bpf_ktime_get_ns());
	else
		begin_at_link(skb);
	return 0;
}

/* (What came under other settings is left out later, before it is recorded.) */
static __always_inline int to_ip(struct sk_buff *skb)
{
	struct packet *packet;

	if (config.paused)
		return 0;
	packet = packet_of(skb);
	if (packet->skb == (u64)skb && packet->stage == STAGE_LINK)
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

/* All stages up to here. Not static: the verifier looks at it once, and not for each of its callers. */
__noinline int record_arrival(u32 place, u64 now)
{
	struct packet *packet = &packets[place % (1 << PACKET_BITS)];
	u32 rows = packet->rows, first = packet->first;
	u64 end = now;

	for (u32 stage = STAGE_IP + 1; stage-- > 0;) {
		u64 began = packet->began[stage];

		if (stage < first)
			break;
		if (!began)
			continue;
		if (record(rows, stage, began, end))
			end = began;
	}
	packet->start = end;
	return 0;
}

static __always_inline int to_transport(struct sk_buff *skb, u32 family, u32 protocol)
{
	struct packet *packet;
	u64 now;

	if (config.paused)
		return 0;
	packet = packet_of(skb);
	if (packet->skb != (u64)skb) {
		overwritten();
		take(packet, skb, STAGE_ENDED);
		return 0;
	}
	if (packet->stage != STAGE_IP || packet->epoch != config.epoch)
		return 0;
	now = bpf_ktime_get_ns();
	enter(packet, STAGE_TRANSPORT, now);
	packet->rows = rows_of(skb->dev, what_of(family, protocol));
	record_arrival(place_of((u64)skb, PACKET_BITS), now);
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

/* When it was queued, or 0: not followed. A copy for a second receiver has never been. */
static __always_inline u64 queued(struct packet *packet, struct sk_buff *skb)
{
	u64 now;

	if (packet->skb != (u64)skb) {
		if (!BPF_CORE_READ_BITFIELD_PROBED(skb, cloned))
			overwritten();
		return 0;
	}
	if (packet->stage != STAGE_TRANSPORT || packet->epoch != config.epoch)
		return 0;
	now = bpf_ktime_get_ns();
	record(packet->rows, STAGE_TRANSPORT, packet->began[STAGE_TRANSPORT], now);
	return now;
}

/* The segment may have been merged into the one before it, and then be freed; a bare FIN is no data. */
SEC("fexit/tcp_queue_rcv")
PROTO("int (struct sock *, struct sk_buff *, bool *)")
int BPF_PROG(to_socket_tcp, struct sock *sk, struct sk_buff *skb, bool *stolen, int merged)
{
	struct packet *packet;
	u64 now;

	if (config.paused)
		return 0;
	packet = packet_of(skb);
	now = queued(packet, skb);
	if (!now)
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
	struct packet *packet;
	u64 now;

	if (config.paused)
		return 0;
	packet = packet_of(skb);
	now = queued(packet, skb);
	if (!now)
		return 0;
	packet->sk = 0;
	enter(packet, STAGE_SOCKET, now);
	return 0;
}

static __always_inline void to_application(struct packet *packet)
{
	u64 now = bpf_ktime_get_ns();

	record(packet->rows, STAGE_SOCKET, packet->began[STAGE_SOCKET], now);
	record(packet->rows, STAGE_TOTAL, packet->start, now);
	packet->stage = STAGE_ENDED;
}

/*
 * All sockets come here, also those that no packet comes to from an interface. Who owns the
 * sk_buff tells them from an unread segment that was freed.
 */
SEC("tp_btf/skb_copy_datagram_iovec")
PROTO("void (const struct sk_buff *, int)")
int BPF_PROG(read_tcp, struct sk_buff *skb)
{
	struct packet *packet;

	if (config.paused)
		return 0;
	packet = packet_of(skb);
	if (is_in(packet, skb, STAGE_SOCKET) && packet->sk && packet->sk == (u64)skb->sk)
		to_application(packet);
	return 0;
}

SEC("fentry/skb_consume_udp")
PROTO("void (struct sock *, struct sk_buff *, int)")
int BPF_PROG(read_udp, struct sock *sk, struct sk_buff *skb)
{
	struct packet *packet;

	if (config.paused)
		return 0;
	packet = packet_of(skb);
	if (is_in(packet, skb, STAGE_SOCKET) && !packet->sk)
		to_application(packet);
	return 0;
}

/* Dropped: who has the address next is another packet. */
SEC("tp_btf/kfree_skb")
PROTO("void (struct sk_buff *)")
int BPF_PROG(dropped, struct sk_buff *skb)
{
	struct packet *packet = packet_of(skb);

	if (packet->skb == (u64)skb)
		packet->stage = STAGE_ENDED;
	return 0;
}
