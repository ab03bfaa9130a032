// SPDX-License-Identifier: GPL-2.0-only
/*
 * packet_drop: packets the kernel dropped, by reason, place, protocol, interface and namespace.
 *
 * One hook, kfree_skb: the kernel frees a packet that did not get where it should. The place is
 * the code that freed it. The reason is the kernel's own (enum skb_drop_reason, by the names of the
 * running kernel); not_specified is what code says that was not taught to give one. Reasons of
 * subsystems (mac80211, openvswitch) are numbers of 65536 and more.
 *
 * Costs nothing measurable where nothing is dropped (6.1, docs/cost.md); what a drop costs is not
 * measured.
 *
 * Before there were reasons (5.10) the kernel also frees some packets this way that went well, as
 * clones that nobody took; there the place must tell the one from the other.
 *
 * Cannot see: what a network card or its driver drops without having made a packet of it, and on
 * most kernels what XDP drops. The interface and namespace are 0 where the packet does not say (the
 * sender's socket gives the namespace then), the protocol is none where the headers are not set
 * yet, and behind IPv6 extension headers it is that of the first. A GSO or GRO packet is one.
 *
 * Variants, the better first:
 * variant reason   -DREASON
 * variant place
 */
#include "pinscope.bpf.h"

#define LOSSES                                                                                     \
	count_t table_full; /* no free row: counted under rest only */                             \
	count_t stream	    /* no room in the ring buffer: counted, but not streamed */

#include "loss.bpf.h"
#include "conn.bpf.h"
#include "config.bpf.h"

PROBE("net default", "packets the kernel dropped, by reason, place, protocol and interface");

#define ETH_P_IP   0x0800
#define ETH_P_IPV6 0x86dd

/* Those that have a name; others are printed as numbers. */
enum ethertype {
	ETHERTYPE_NONE = 0,
	ETHERTYPE_IPV4 = ETH_P_IP,
	ETHERTYPE_ARP = 0x0806,
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_IPV6 = ETH_P_IPV6,
	ETHERTYPE_PPPOE = 0x8864,
	ETHERTYPE_LLDP = 0x88cc,
};

enum protocol {
	PROTOCOL_NONE = 0,
	PROTOCOL_ICMP = 1,
	PROTOCOL_IGMP = 2,
	PROTOCOL_IPIP = 4,
	PROTOCOL_TCP = IPPROTO_TCP,
	PROTOCOL_UDP = IPPROTO_UDP,
	PROTOCOL_GRE = 47,
	PROTOCOL_ESP = 50,
	PROTOCOL_ICMPV6 = 58,
	PROTOCOL_SCTP = 132,
};

typedef u32 drop_reason_t KERNEL_ENUM("skb_drop_reason");

struct drop {
#ifdef REASON
	drop_reason_t reason;
#else
	u32 pad;
#endif
	netns_t netns;
	ksym_t location;
	enum ethertype ethertype;
	enum protocol protocol;
	ifindex_t ifindex;
	u32 pad2;
};

struct amount {
	count_t packets;
	bytes_t bytes;
};

struct event {
	u32 type;
	u32 pad;
	struct drop drop;
	ipaddr_t from;
	ipaddr_t to;
	port_t from_port;
	port_t to_port;
	u32 pad2;
	bytes_gauge_t length;
};

struct config {
	flag_t paused;
	netns_t netns; /* only drops there; 0: any */
	flag_t stream; /* each drop also goes to `events` */
	u32 pad;
};

struct config config CONFIG = {};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct drop);
	__type(value, struct amount);
} drops SEC(".maps") HELP("dropped packets");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct amount);
} rest SEC(".maps") HELP("dropped packets for which drops has no row left");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps") HELP("each drop as it happens, while config stream is on");

static __always_inline void *network_header(struct sk_buff *skb)
{
	return skb->head + skb->network_header;
}

static __always_inline u8 byte_at(const void *header, u32 offset)
{
	u8 byte = 0;

	bpf_probe_read_kernel(&byte, sizeof(byte), header + offset);
	return byte;
}

static __always_inline void drop_read(struct drop *drop, struct sk_buff *skb, void *location)
{
	/* In a UDP receive queue something else lies where the device was: dev is not trusted. */
	struct net_device *dev = skb->dev;

	drop->location = (u64)location;
	drop->ifindex = BPF_CORE_READ(dev, ifindex);
	drop->netns = BPF_CORE_READ(dev, nd_net.net, ns.inum)
			      ?: BPF_CORE_READ(skb, sk, __sk_common.skc_net.net, ns.inum);
	drop->ethertype = bpf_ntohs(skb->protocol);
	if (drop->ethertype == ETHERTYPE_IPV4)
		drop->protocol = byte_at(network_header(skb), 9);
	else if (drop->ethertype == ETHERTYPE_IPV6)
		drop->protocol = byte_at(network_header(skb), 6);
}

static __always_inline void ends_read(struct event *event, struct sk_buff *skb)
{
	void *header = network_header(skb), *ports;
	__be16 pair[2] = {};
	__be32 v4;

	__builtin_memset(&event->from, 0, sizeof(event->from));
	__builtin_memset(&event->to, 0, sizeof(event->to));
	event->from_port = event->to_port = 0;
	if (event->drop.ethertype == ETHERTYPE_IPV4) {
		bpf_probe_read_kernel(&v4, sizeof(v4), header + 12);
		ipaddr_from_v4(&event->from, v4);
		bpf_probe_read_kernel(&v4, sizeof(v4), header + 16);
		ipaddr_from_v4(&event->to, v4);
		ports = header + (byte_at(header, 0) & 15) * 4;
	} else if (event->drop.ethertype == ETHERTYPE_IPV6) {
		bpf_probe_read_kernel(&event->from, sizeof(event->from), header + 8);
		bpf_probe_read_kernel(&event->to, sizeof(event->to), header + 24);
		ports = header + 40;
	} else {
		return;
	}
	if (event->drop.protocol != PROTOCOL_TCP && event->drop.protocol != PROTOCOL_UDP)
		return;
	bpf_probe_read_kernel(pair, sizeof(pair), ports);
	event->from_port = bpf_ntohs(pair[0]);
	event->to_port = bpf_ntohs(pair[1]);
}

static __noinline int stream(struct sk_buff *skb, struct drop *drop)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event) {
		LOSE(stream);
		return 0;
	}
	event->type = bpf_core_type_id_local(struct event);
	event->drop = *drop;
	event->length = skb->len;
	ends_read(event, skb);
	bpf_ringbuf_submit(event, 0);
	return 0;
}

static __always_inline struct amount *amount_of(struct drop *drop)
{
	struct amount *amount = bpf_map_lookup_elem(&drops, drop), none = {};
	u32 key = 0;

	if (amount)
		return amount;
	bpf_map_update_elem(&drops, drop, &none, BPF_NOEXIST);
	amount = bpf_map_lookup_elem(&drops, drop);
	if (amount)
		return amount;
	LOSE(table_full);
	return bpf_map_lookup_elem(&rest, &key);
}

static __always_inline int dropped(struct sk_buff *skb, struct drop *drop, void *location)
{
	struct amount *amount;

	drop_read(drop, skb, location);
	if (config.netns && config.netns != drop->netns)
		return 0;
	amount = amount_of(drop);
	if (amount) {
		__sync_fetch_and_add(&amount->packets, 1);
		__sync_fetch_and_add(&amount->bytes, skb->len);
	}
	if (config.stream)
		stream(skb, drop);
	return 0;
}

#ifdef REASON
SEC("tp_btf/kfree_skb")
PROTO("void (struct sk_buff *, void *, enum skb_drop_reason)")
int BPF_PROG(packet_dropped, struct sk_buff *skb, void *location, u32 reason)
{
	struct drop drop = {.reason = reason};

	return config.paused ? 0 : dropped(skb, &drop, location);
}
#else
SEC("tp_btf/kfree_skb")
PROTO("void (struct sk_buff *, void *)")
int BPF_PROG(packet_dropped, struct sk_buff *skb, void *location)
{
	struct drop drop = {};

	return config.paused ? 0 : dropped(skb, &drop, location);
}
#endif
