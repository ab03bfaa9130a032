/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Types that say what a number means. A probe's maps are described by their BTF
 * alone: the name of a member's typedef carries its unit and its format, so that
 * the reader needs no code per probe. docs/objects.md lists the rules.
 *
 * Shared by both sides: a program under bpf/ includes vmlinux.h first, a host
 * program gets u8..u64 here.
 */
#pragma once

#ifndef __bpf__
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;
#endif

/* Counters: they only grow, and the difference of two readings is an interval. */
typedef u64 count_t; /* events */
typedef u64 nsec_t;  /* nanoseconds */
typedef u64 bytes_t; /* bytes */

/* Gauges: the latest value, or an extreme; the difference of two means nothing. */
typedef u64 gauge_t;
typedef u64 nsec_gauge_t;
typedef u64 bytes_gauge_t;

/* Identity. An IPv4 address is kept v4-mapped (::ffff:a.b.c.d) and printed dotted. */
typedef struct {
	u8 addr[16];
} ipaddr_t;
typedef u64 mono_t;  /* when: CLOCK_MONOTONIC, ns */
typedef u16 port_t;  /* host byte order */
typedef u32 netns_t; /* inode number, as in /proc/PID/ns/net */
typedef u32 tgid_t;  /* what user space calls a pid */
typedef u32 ifindex_t;
typedef u32 irq_t;   /* as in /proc/interrupts */
typedef u64 ksym_t;  /* address in the kernel, printed as function+0x1f */
typedef u64 uaddr_t; /* address in a process, printed as 0x7f.. */
typedef struct {
	u64 ip[16];
} kstack_t;		/* call chain in the kernel, the innermost first, 0 behind the last */
typedef u64 cgroupid_t; /* cgroup v2 id: the inode number of its directory */
typedef struct {
	char name[16];
} comm_t;

/* Configuration. */
typedef u32 flag_t;   /* on or off */
typedef u32 number_t; /* a plain number */
typedef u64 nsec_setting_t;
typedef struct {
	ipaddr_t addr; /* network byte order, v4-mapped for IPv4 */
	u32 bits;      /* 0..128; 0 matches every address */
} ipprefix_t;
/*
 * Bit i is set while member i+1 of the same struct (counted from the mask) is not
 * zero. The reader keeps it right, so that "no filter set" costs the kernel side
 * one load.
 */
typedef u32 mask_t;
typedef u32 epoch_t; /* one more each time a setting is changed; the reader keeps it */
