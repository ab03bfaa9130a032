/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel types the probes touch, and of each only the members they touch.
 * CO-RE finds the real offsets when an object is loaded, so this page is kept by
 * hand and the build needs no kernel of its own. Constants that BTF does not
 * carry (macros) are named at the end.
 */
#pragma once

typedef signed char s8;
typedef unsigned char u8;
typedef signed short s16;
typedef unsigned short u16;
typedef signed int s32;
typedef unsigned int u32;
typedef signed long long s64;
typedef unsigned long long u64;

/* The names bpf_helper_defs.h uses. */
typedef s8 __s8;
typedef u8 __u8;
typedef s16 __s16;
typedef u16 __u16;
typedef s32 __s32;
typedef u32 __u32;
typedef s64 __s64;
typedef u64 __u64;
typedef u16 __be16;
typedef u32 __be32;
typedef u32 __wsum;

typedef _Bool bool;
enum {
	false = 0,
	true = 1,
};
typedef unsigned long size_t;

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_HASH = 5,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_QUEUE = 22,
	BPF_MAP_TYPE_SK_STORAGE = 24,
	BPF_MAP_TYPE_RINGBUF = 27,
};

enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
	BPF_EXIST = 2,
};

enum {
	BPF_F_NO_PREALLOC = 1,
};

enum {
	BPF_SK_STORAGE_GET_F_CREATE = 1,
};

enum netdev_priv_flags {
	IFF_NO_QUEUE = 1 << 21, /* elsewhere on newer kernels */
};

enum {
	BPF_RB_NO_WAKEUP = 1,
	BPF_RB_FORCE_WAKEUP = 2,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct in6_addr {
	union {
		u8 u6_addr8[16];
		__be32 u6_addr32[4];
	} in6_u;
};

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	union {
		u32 skc_portpair;
		struct {
			__be16 skc_dport;
			u16 skc_num;
		};
	};
	unsigned short skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};

struct sk_buff_head {
	u32 qlen;
};

struct sock {
	struct sock_common __sk_common;
	struct sk_buff_head sk_receive_queue;
	u16 sk_protocol;
};

struct tcp_sock {
	u32 rcv_nxt;
	u32 copied_seq;
	u32 snd_nxt;
	u32 write_seq;
};

struct Qdisc_ops {
	char id[16];
};

struct Qdisc {
	const struct Qdisc_ops *ops;
};

struct net_device {
	char name[16];
	int ifindex;
	unsigned int priv_flags; /* a bit field from 6.12 on */
	possible_net_t nd_net;
	struct Qdisc *qdisc;
};

struct sk_buff {
	struct net_device *dev;
	struct sock *sk;
	unsigned int len;
	__be16 protocol;
	char cb[48];
	u8 cloned : 1;
};

struct tcp_skb_cb {
	u32 seq;
	u32 end_seq;
};

struct ipv6_pinfo {
	int mcast_oif;
};

struct inet_sock {
	struct sock sk;
	struct ipv6_pinfo *pinet6;
	int mc_index;
};

struct msghdr;
struct page;

struct bpf_map {
	u32 max_entries;
};

#pragma clang attribute pop

#define AF_INET		2
#define AF_INET6	10

#define ETH_P_IP	0x0800
#define ETH_P_IPV6	0x86dd

/* include/linux/interrupt.h */
#define NET_RX_SOFTIRQ	3

#define IPPROTO_TCP	6
#define IPPROTO_UDP	17

/* include/net/tcp_states.h; enum values there, but not in BTF on every kernel. */
#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT	2
#define TCP_SYN_RECV	3
#define TCP_CLOSE_WAIT	8
