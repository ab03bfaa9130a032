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
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_QUEUE = 22,
	BPF_MAP_TYPE_SK_STORAGE = 24,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_MAP_TYPE_PERF_EVENT_ARRAY = 4,
	BPF_MAP_TYPE_TASK_STORAGE = 29,
};

enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
	BPF_EXIST = 2,
};

enum {
	BPF_F_NO_PREALLOC = 1,
	BPF_F_PRESERVE_ELEMS = 1 << 11,
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

enum bpf_func_id {
	BPF_FUNC_task_pt_regs = 175,
};

/* Macros up to 5.13; only what is newer needs to be asked for. */
enum fault_flag {
	FAULT_FLAG_WRITE = 0x1,
	FAULT_FLAG_RETRY_NOWAIT = 0x8,
	FAULT_FLAG_TRIED = 0x20,
	FAULT_FLAG_USER = 0x40,
	FAULT_FLAG_VMA_LOCK = 0x1000, /* 6.4 */
};

enum {
	BPF_LOCAL_STORAGE_GET_F_CREATE = 1,
};

#define BPF_F_CURRENT_CPU 0xffffffffULL

struct bpf_perf_event_value {
	u64 counter;
	u64 enabled;
	u64 running;
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

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	atomic_t refs;
} refcount_t;

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
	unsigned long skc_flags;
};

struct sk_buff_head {
	u32 qlen;
};

struct sock {
	struct sock_common __sk_common;
	struct sk_buff_head sk_receive_queue;
	int sk_err;
	u16 sk_protocol;
	struct socket *sk_socket;
	u32 sk_ack_backlog;
	u32 sk_max_ack_backlog;
	struct sk_buff_head sk_write_queue;
};

struct inet_sock {
	struct sock sk;
	struct ipv6_pinfo *pinet6;
	int mc_index;
	__be16 inet_sport;
};

struct request_sock_queue {
	atomic_t qlen;
};

struct inet_connection_sock {
	u8 icsk_ca_state : 5;
	u8 icsk_backoff;
	struct inet_sock icsk_inet;
	const struct tcp_congestion_ops *icsk_ca_ops;
	struct request_sock_queue icsk_accept_queue;
};

struct minmax_sample {
	u32 v;
};

struct minmax {
	struct minmax_sample s[3];
};

struct tcp_sock {
	u32 rcv_nxt;
	u32 copied_seq;
	u32 rcv_wnd;
	u32 snd_wnd;
	u32 window_clamp;
	u32 rcv_ssthresh;
	u64 delivered_mstamp;
	u32 total_retrans;
	u64 tcp_clock_cache;
	struct inet_connection_sock inet_conn;
	u32 snd_nxt;
	u32 snd_una;
	u32 write_seq;
	u32 segs_in;
	u32 segs_out;
	u32 data_segs_in;
	u32 data_segs_out;
	u64 bytes_received;
	u64 bytes_sent;
	u64 bytes_retrans;
	u64 bytes_acked;
	u32 dsack_dups;
	u32 reord_seen;
	u32 rcv_ooopack;
	u32 packets_out;
	u32 lost_out;
	u32 srtt_us; /* in eighths */
	u32 mdev_us; /* in quarters */
	struct minmax rtt_min;
	struct {
		u32 rtt_us; /* in eighths */
	} rcv_rtt_est;
	u32 snd_cwnd;
	u32 snd_ssthresh;
	u32 mss_cache;
	u32 rate_delivered;
	u32 rate_interval_us;
};

struct Qdisc {
	void *enqueue;
};

struct socket {
	short type;
	struct sock *sk;
};

struct file_system_type {
	const char *name;
};

struct super_block {
	unsigned long s_magic;
	struct file_system_type *s_type;
	char s_id[32];
};

struct inode {
	struct super_block *i_sb;
	unsigned long i_ino;
};

struct address_space {
	struct inode *host;
};

struct file {
	struct inode *f_inode;
	void *private_data;
	struct address_space *f_mapping;
};

struct kiocb {
	struct file *ki_filp;
	s64 ki_pos;
};

struct kmem_cache {
	unsigned int size;
	unsigned int object_size;
};

struct page {
	unsigned long flags;
	unsigned int compound_nr; /* in the second of them */
	struct address_space *mapping;
	unsigned long index;
};

struct folio {
	unsigned long flags;
	unsigned int _nr_pages;
	struct address_space *mapping;
	unsigned long index;
};

/* Up to 6.15. */
struct folio___nr {
	unsigned int _folio_nr_pages;
};

typedef struct {
	unsigned long f;
} memdesc_flags_t;

/* From 6.18 on. */
struct folio___memdesc {
	memdesc_flags_t flags;
};

struct vm_fault {
	unsigned int flags;
	unsigned long address;
};

/* From 5.14 on. */
struct vm_fault___enum {
	enum fault_flag flags;
};

struct kernfs_node {
	u64 id;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
};

struct cfs_bandwidth {
	int nr_periods;
	int nr_throttled;
};

struct task_group {
	struct cgroup_subsys_state css;
	struct cfs_bandwidth cfs_bandwidth;
};

struct rq {
	u64 clock;
};

struct cfs_rq {
	struct rq *rq;
	struct task_group *tg;
	int throttled; /* a bit from 6.18 on */
	u64 throttled_clock;
};

struct mem_cgroup {
	struct cgroup_subsys_state css;
};

enum oom_constraint {
	CONSTRAINT_NONE,
};

struct oom_control {
	struct mem_cgroup *memcg;
	const int order;
	unsigned long totalpages;
	enum oom_constraint constraint;
};

typedef struct {
	s64 counter;
} atomic64_t;

struct mm_rss_stat {
	atomic64_t count[4];
};

struct percpu_counter {
	s64 count;
	s32 *counters; /* by CPU */
};

struct mm_struct {
	struct mm_rss_stat rss_stat; /* an array of struct percpu_counter since 6.2 */
};

struct signal_struct {
	atomic_t live;
	short oom_score_adj;
};

struct task_struct {
	int tgid;
	char comm[16];
	struct css_set *cgroups;
	unsigned int __state;
	void *stack;
	struct mm_struct *mm;
	unsigned in_iowait : 1;
	int pid;
	struct task_struct *group_leader;
	unsigned long nvcsw;
	unsigned long nivcsw;
	u64 start_time;
	struct signal_struct *signal;
	struct files_struct *files;
};

typedef atomic64_t atomic_long_t;

typedef atomic64_t atomic_long_t;

typedef atomic64_t atomic_long_t;

struct mutex {
	atomic_long_t owner;
};

struct task_struct___5_13 {
	volatile long state;
};

#ifdef __TARGET_ARCH_x86
struct pt_regs {
	unsigned long orig_ax;
	unsigned long di;      /* x86-64 */
	unsigned long regs[1]; /* arm64 */
};
#endif

struct fdtable {
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct bpf_iter__task_file {
	struct task_struct *task;
	struct file *file;
};

struct request_sock {
	struct sock_common __req_common;
};

struct tcp_request_sock {
	u64 snt_synack;
};

struct sk_buff {
	unsigned int len;
	u64 skb_mstamp_ns;
	char cb[48];
	struct sock *sk;
	struct net_device *dev;
	__be16 protocol;
	u16 network_header;
	unsigned char *head;
	refcount_t users;
	unsigned int napi_id;
	u8 cloned : 1;
};

struct napi_struct {
	unsigned int napi_id;
};

struct net_device {
	possible_net_t nd_net;
	int ifindex;
	char name[16];
	unsigned int priv_flags; /* a bit field from 6.12 on */
	struct Qdisc *qdisc;
};

struct tcp_skb_cb {
	u32 seq;
	u8 tcp_flags; /* wider since 6.15; what is used is in its low byte */
	u8 sacked;
	u32 end_seq;
};

struct ipv6_pinfo {
	int mcast_oif;
};

struct tcp_congestion_ops {
	char name[16];
};

struct irqaction {
	const char *name;
};

struct gendisk {
	char disk_name[32];
};

struct request_queue {
	struct gendisk *disk; /* from 5.15 on */
};

enum mq_rq_state {
	MQ_RQ_IDLE = 0,
};

struct request {
	struct request_queue *q;
	unsigned int cmd_flags;
	unsigned int __data_len;
	u64 __sector;
	struct gendisk *rq_disk; /* up to 5.15 */
	u64 start_time_ns;
	u64 io_start_time_ns;
	unsigned short nr_phys_segments;
	enum mq_rq_state state;
	void *end_io;
	void *end_io_data;
};

struct block_device {
	struct gendisk *bd_disk;
};

struct bio {
	struct gendisk *bi_disk; /* up to 5.11 */
	struct block_device *bi_bdev;
	unsigned int bi_opf;
};

struct msghdr;
struct page;
struct request_sock;
struct proto_accept_arg;
struct iov_iter;
struct pipe_inode_info;
struct mm_struct;
struct swap_iocb;
struct writeback_control;
struct pt_regs;
struct vm_area_struct;

struct bpf_map {
	u32 max_entries;
};

#pragma clang attribute pop

#define AF_INET		   2
#define AF_INET6	   10

#define IPPROTO_TCP	   6
#define IPPROTO_UDP	   17

/* include/net/tcp_states.h; enum values there, but not in BTF on every kernel. */
#define TCP_LISTEN	   10
#define TCP_ESTABLISHED	   1
#define TCP_SYN_SENT	   2
#define TCP_SYN_RECV	   3
#define TCP_CLOSE_WAIT	   8

/* include/net/tcp.h */
#define TCPHDR_RST	   0x04
#define TCPHDR_ACK	   0x10
#define TCPHDR_SYN	   0x02
#define TCPCB_EVER_RETRANS 0x80

/* include/uapi/linux/tcp.h */
#define TCP_CA_Loss	   4
/* include/uapi/asm-generic/errno.h */
#define EPERM		   1
#define EACCES		   13
#define EADDRINUSE	   98
#define EADDRNOTAVAIL	   99
#define ENETUNREACH	   101
#define ETIMEDOUT	   110
#define ECONNREFUSED	   111
#define EHOSTUNREACH	   113

#define SOCK_STREAM	   1
#define SOCKFS_MAGIC	   0x534f434b

#define ECONNABORTED	   103
#define ECONNRESET	   104
#define EPIPE		   32

#define SOCK_DONE	   1 /* bit of skc_flags: a FIN was received */

/* net/ipv4/tcp_input.c: the acknowledgement covers data or a SYN that was not covered before. */
#define FLAG_ACKED	   0x14

enum skb_drop_reason {
	SKB_DROP_REASON_SOCKET_RCVBUFF,
	SKB_DROP_REASON_PROTO_MEM,
};

#define ENOMEM		     12

#define IPPROTO_UDPLITE	     136

#define ETH_P_IP	     0x0800
#define ETH_P_IPV6	     0x86dd

/* include/linux/interrupt.h */
#define NET_RX_SOFTIRQ	     3

/* include/linux/sched.h */
#define TASK_INTERRUPTIBLE   0x1
#define TASK_UNINTERRUPTIBLE 0x2
#define TASK_DEAD	     0x80
#define TASK_NOLOAD	     0x400

/* include/trace/events/lock.h */
#define LCB_F_SPIN	     0x1
#define LCB_F_READ	     0x2
#define LCB_F_WRITE	     0x4
#define LCB_F_RT	     0x8
#define LCB_F_PERCPU	     0x10
#define LCB_F_MUTEX	     0x20

#ifdef __TARGET_ARCH_x86
#define THREAD_SIZE    16384
struct futex_waitv {
	u64 uaddr;
};

struct futex_vector {
	struct futex_waitv w;
};

#define NR_futex       202
#define NR_futex_waitv 449
#define NR_futex_wait  455
#endif

/* include/linux/mm_types_task.h, where the enum has no name */
enum {
	MM_FILEPAGES,
	MM_ANONPAGES,
	MM_SWAPENTS,
	MM_SHMEMPAGES,
};

enum pageflags {
	PG_head,
};

enum vm_fault_reason {
	VM_FAULT_OOM = 0x1,
	VM_FAULT_SIGBUS = 0x2,
	VM_FAULT_MAJOR = 0x4,
	VM_FAULT_HWPOISON = 0x10,
	VM_FAULT_HWPOISON_LARGE = 0x20,
	VM_FAULT_SIGSEGV = 0x40,
	VM_FAULT_RETRY = 0x400,
};

/* include/linux/blk_types.h */
#define REQ_OP_MASK 0xff
