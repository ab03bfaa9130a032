// SPDX-License-Identifier: GPL-2.0-only
/*
 * tcp_rtt: TCP round trip times, all together and, when asked for, by remote prefix or port.
 *
 * Each value is one sample that the kernel took: from the sending of a segment to its
 * acknowledgement, delayed or not, in whole microseconds. The smoothed value (`ss -i`, tcprtt of
 * libbpf-tools) is made of these; it hides spikes, and tcprtt counts it for each segment that
 * comes in. Here each sample counts once.
 *
 * Hook: tcp_ack_update_rtt (fentry), once for each acknowledgement that comes in while data is
 * under way, and for the handshake at either end. A receiver of bulk data has next to no samples.
 *
 * Costs, in instructions a small request and its answer on one side, 6.1: 201 (client), 196
 * (server), where tcprtt adds 449 and 448; paused 174 and 171, so nearly all of it is the hook. By
 * prefix 636, by port 696.
 *
 * Cannot see: data that was sent more than once, because nobody knows which of them was
 * acknowledged (Karn); such acknowledgements are counted as `unsampled`. From time stamps the
 * kernel still gets a value for them, mostly in milliseconds; it is left out.
 */
#include "pinscope.bpf.h"

#define LOSSES count_t table_full /* samples under no row of their own: they are in the rest */

#include "hist.bpf.h"
#include "loss.bpf.h"
#include "conn.bpf.h"
#include "config.bpf.h"
#include "rows.bpf.h"

PROBE("net default", "TCP round trip times, by remote prefix or port if asked for");

/* `active` covers all of it: with nothing set it is the only thing that is looked at. */
struct wanted {
	SOCKET_FILTER;
	flag_t by_prefix;	/* a row for each prefix of remote addresses */
	flag_t by_port;		/* ... for each port of a service, here or there */
	nsec_setting_t min_rtt; /* shorter ones are not kept */
};

enum {
	WANTED_BY_PREFIX = 1 << 5,
	WANTED_BY_PORT = 1 << 6,
	WANTED_SPLIT = WANTED_BY_PREFIX | WANTED_BY_PORT,
};

struct config {
	struct wanted wanted;
	number_t ipv4_bits; /* length of the prefixes */
	number_t ipv6_bits;
};

struct config config CONFIG = {
	.ipv4_bits = 24,
	.ipv6_bits = 64,
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, nsec_hist_t);
} rtt SEC(".maps") METRIC("pinscope_tcp_rtt") HELP("round trip times of acknowledged segments");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, count_t);
} unsampled SEC(".maps")
	HELP("acknowledgements of data that was sent more than once: no round trip time");

struct part {
	ipprefix_t remote;
	port_t port; /* of the end that accepts connections */
	u16 pad;
};

struct part_stats {
	nsec_minihist_t rtt;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct part);
	__type(value, struct part_stats);
} parts SEC(".maps") HELP("round trip times by remote prefix, while by_prefix or by_port is on");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct part_stats);
} rest SEC(".maps") HELP("those that found no row in parts");

static __always_inline u64 first_bits(u32 bits)
{
	return bits >= 64 ? ~0ULL : ~(~0ULL >> bits);
}

static __always_inline u32 prefix_bits(bool v4)
{
	u32 most = v4 ? 32 : 128, bits = v4 ? config.ipv4_bits : config.ipv6_bits;

	return 128 - most + (bits < most ? bits : most);
}

static __always_inline void prefix_of(ipprefix_t *prefix, const ipaddr_t *addr)
{
	u32 bits = prefix_bits(is_v4(addr));
	const u64 *from = (const u64 *)addr;
	u64 *to = (u64 *)&prefix->addr;

	prefix->bits = bits;
	to[0] = from[0] & bpf_cpu_to_be64(first_bits(bits));
	to[1] = bits > 64 ? from[1] & bpf_cpu_to_be64(first_bits(bits - 64)) : 0;
}

static __always_inline void part_of(struct part *part, struct sock *sk, u32 active)
{
	struct conn conn __attribute__((aligned(8)));

	conn_read(&conn, sk);
	if (active & WANTED_BY_PREFIX)
		prefix_of(&part->remote, &conn.remote);
	if (active & WANTED_BY_PORT)
		part->port = conn_role(sk) == ROLE_SERVER ? conn.lport : conn.rport;
}

static __always_inline struct part_stats *rest_stats(void)
{
	u32 key = 0;

	LOSE(table_full);
	return bpf_map_lookup_elem(&rest, &key);
}

static __noinline int split(struct sock *sk, u32 slot, u64 ns)
{
	static const struct part_stats none;
	struct part part = {};
	struct part_stats *stats;

	part_of(&part, sk, config.wanted.active);
	stats = row_or_new(&parts, &part, &none) ?: rest_stats();
	if (stats)
		minihist_add_shared(&stats->rtt, slot, ns);
	return 0;
}

static __noinline int no_sample(int flag)
{
	u32 key = 0;
	u64 *count = bpf_map_lookup_elem(&unsampled, &key);

	if (count && flag & FLAG_ACKED)
		__sync_fetch_and_add(count, 1);
	return 0;
}

static __always_inline u32 record(u64 ns)
{
	u32 slot = hist_slot(ns), key = 0;
	struct hist *hist = bpf_map_lookup_elem(&rtt, &key);

	if (hist)
		hist_add(hist, slot, ns);
	return slot;
}

/* With anything of config.wanted set. */
static __noinline int choose(struct sock *sk, int flag, long us)
{
	u64 ns = us * 1000;
	u32 slot;

	if (!filter_socket(&config.wanted, sk))
		return 0;
	if (us < 0)
		return no_sample(flag);
	if (ns < config.wanted.min_rtt)
		return 0;
	slot = record(ns);
	if (config.wanted.active & WANTED_SPLIT)
		split(sk, slot, ns);
	return 0;
}

SEC("fentry/tcp_ack_update_rtt")
PROTO("bool (struct sock *, int, long, long, long, struct rate_sample *)")
int BPF_PROG(tcp_rtt, struct sock *sk, int flag, long seq_us, long sack_us)
{
	long us = seq_us >= 0 ? seq_us : sack_us;

	if (config.wanted.active)
		return choose(sk, flag, us);
	if (us < 0)
		return no_sample(flag);
	record(us * 1000);
	return 0;
}
