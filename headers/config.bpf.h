/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Live configuration shared by the probes on sockets, and the filters in it. A probe
 * puts these structs in its own `struct config`; the variable `config` in the section
 * .data.config is what `pinscope set` writes. It is global data: a read is one load.
 */
#pragma once

#include "pinscope.bpf.h"
#include "conn.bpf.h"

#define CONFIG SEC(".data.config")

/* What is kept. Every member that is set must hold; 0 means any. */
#define SOCKET_FILTER                                                                              \
	epoch_t epoch; /* what was begun under other settings is not finished under these */       \
	mask_t active; /* the reader keeps it: which of the following are set */                   \
	flag_t paused; /* keep nothing */                                                          \
	port_t port;   /* local or remote port */                                                  \
	u16 pad;                                                                                   \
	ipprefix_t addr; /* local or remote address */                                             \
	netns_t netns

/* Of a probe whose events are the kernel's own, so that `current` is anybody. */
struct socket_filter {
	SOCKET_FILTER;
};

struct filter {
	SOCKET_FILTER;
	tgid_t pid;	   /* the process that sends or reads */
	cgroupid_t cgroup; /* its cgroup (v2), not counting child groups */
};

enum {
	FILTER_PAUSED = 1 << 0,
	FILTER_PORT = 1 << 1,
	FILTER_ADDR = 1 << 3, /* bit 2 is the padding's */
	FILTER_NETNS = 1 << 4,
	FILTER_PID = 1 << 5,
	FILTER_CGROUP = 1 << 6,
	FILTER_TASK = FILTER_PID | FILTER_CGROUP,
};

static __always_inline bool prefix_holds(const ipprefix_t *prefix, const ipaddr_t *addr)
{
	u32 bits = prefix->bits;

	for (int i = 0; i < 16; i++) {
		u8 mask = bits >= 8 ? 0xff : 0xff00 >> bits;

		if ((prefix->addr.addr[i] ^ addr->addr[i]) & mask)
			return false;
		bits = bits >= 8 ? bits - 8 : 0;
	}
	return true;
}

/* Out of line: the port, which is asked for most, is checked first and by itself. */
static __noinline bool filter_addr_holds(const ipprefix_t *prefix, struct sock *sk)
{
	struct conn conn;

	conn_read(&conn, sk);
	return prefix_holds(prefix, &conn.local) || prefix_holds(prefix, &conn.remote);
}

/* Both ports with one load: a load from a socket may fault and costs the checks for that. */
static __always_inline bool filter_port_holds(port_t port, struct sock *sk)
{
	union {
		u32 pair;
		struct {
			__be16 remote;
			u16 local;
		};
	} ports = {.pair = sk->__sk_common.skc_portpair};

	return port == ports.local || port == bpf_ntohs(ports.remote);
}

static __always_inline bool filter_holds(const struct socket_filter *filter, struct sock *sk)
{
	u32 active = filter->active;

	if (active & FILTER_PAUSED)
		return false;
	if (active & FILTER_PORT && !filter_port_holds(filter->port, sk))
		return false;
	if (active & FILTER_NETNS && filter->netns != sk->__sk_common.skc_net.net->ns.inum)
		return false;
	return !(active & FILTER_ADDR) || filter_addr_holds(&filter->addr, sk);
}

/* What can be told from the socket, in any context; either struct begins with what that needs. */
#define filter_socket(filter, sk) filter_holds((const struct socket_filter *)(filter), sk)

/* What can be told from the current process: only where that is the user of the socket. */
static __always_inline bool filter_task(const struct filter *filter)
{
	u32 active = filter->active;

	if (active & FILTER_PID && filter->pid != bpf_get_current_pid_tgid() >> 32)
		return false;
	return !(active & FILTER_CGROUP) || filter->cgroup == bpf_get_current_cgroup_id();
}
