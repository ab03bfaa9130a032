/* SPDX-License-Identifier: GPL-2.0-only */
/* Who a TCP socket talks to, and which end of the connection it is. */
#pragma once

#include "pinscope.bpf.h"

enum role {
	ROLE_CLIENT, /* it connected */
	ROLE_SERVER, /* it was accepted */
};

/* The ends of a connection as its network namespace sees them. */
struct conn {
	ipaddr_t local;
	ipaddr_t remote;
	port_t lport;
	port_t rport;
	netns_t netns;
};

static __always_inline void ipaddr_from_v4(ipaddr_t *to, __be32 v4)
{
	__builtin_memset(to, 0, 10);
	to->addr[10] = to->addr[11] = 0xff;
	__builtin_memcpy(to->addr + 12, &v4, sizeof(v4));
}

static __always_inline bool is_v4(const ipaddr_t *addr)
{
	const u32 *words = (const u32 *)addr;

	return !words[0] && !words[1] && words[2] == bpf_htonl(0xffff);
}

/* A socket of AF_INET6 that talks IPv4 has v4-mapped addresses: the same form. */
static __always_inline void conn_load(struct conn *conn, struct sock *sk, bool probe)
{
	struct net *net = LOAD(probe, sk, __sk_common.skc_net.net);

	conn->netns = LOAD(probe, net, ns.inum);
	conn->lport = LOAD(probe, sk, __sk_common.skc_num);
	conn->rport = bpf_ntohs(LOAD(probe, sk, __sk_common.skc_dport));
	if (LOAD(probe, sk, __sk_common.skc_family) == AF_INET6) {
		BPF_CORE_READ_INTO(&conn->local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&conn->remote, sk, __sk_common.skc_v6_daddr);
	} else {
		ipaddr_from_v4(&conn->local, LOAD(probe, sk, __sk_common.skc_rcv_saddr));
		ipaddr_from_v4(&conn->remote, LOAD(probe, sk, __sk_common.skc_daddr));
	}
}

static __always_inline void conn_read(struct conn *conn, struct sock *sk)
{
	conn_load(conn, sk, false);
}

/*
 * The kernel keeps no "accepted" flag, but it gives an accepted socket the interface its
 * SYN came in on as its multicast interface (tcp_v4_syn_recv_sock: inet->mc_index,
 * tcp_v6_syn_recv_sock: np->mcast_oif), which nobody sets on a TCP socket. So the role is
 * known of connections that are older than the probe as well.
 */
static __always_inline enum role conn_role_load(struct sock *sk, bool probe)
{
	struct inet_sock *inet = (struct inet_sock *)sk;

	if (BPF_CORE_READ(inet, mc_index))
		return ROLE_SERVER;
	if (LOAD(probe, sk, __sk_common.skc_family) == AF_INET6 &&
	    BPF_CORE_READ(inet, pinet6, mcast_oif))
		return ROLE_SERVER;
	return ROLE_CLIENT;
}

static __always_inline enum role conn_role(struct sock *sk)
{
	return conn_role_load(sk, false);
}
