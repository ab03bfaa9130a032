/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every probe starts with: kernel types, helpers, and the tags by which an
 * object describes itself (docs/objects.md).
 */
#pragma once

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

#include "types.h"
#include "hist.h"

#define TAG(text)	  __attribute__((btf_decl_tag(text)))
#define HELP(text)	  TAG("help:" text)
#define NEEDS(what)	  TAG("needs:" what)
#define PROTO(text)	  TAG("proto:" text)
#define LABEL(name)	  TAG("label:" name)
#define ROW(labels)	  TAG("row:" labels)
#define METRIC(name)	  TAG("metric:" name)
#define BY_CPU		  TAG("by_cpu")
#define STAGED		  TAG("staged")
#define EDGES		  TAG("edges")
#define INTERNAL	  TAG("internal")
/* Of a member: behind it stands `name`, the share that the member before it has of both. */
#define RATIO(name)	  TAG("ratio:" name)
/* Of a map of perf events: which, as the numbers of perf_event_attr: "TYPE CONFIG". */
#define COUNTER(event)	  TAG("counter:" event)
/* For a typedef of u32: its names are those of that enum in the running kernel. */
#define KERNEL_ENUM(name) TAG("enum:" name)

#ifndef VARIANT
#define VARIANT "default"
#endif

/*
 * A member of a kernel struct: by a plain load where the verifier knows the pointer, by the
 * helper where it is only a number (`probe`, a constant).
 */
#define LOAD(probe, pointer, member) ((probe) ? BPF_CORE_READ(pointer, member) : (pointer)->member)

/*
 * Names the probe, for people, and the groups by which it can be loaded: one or more of net, mem,
 * io, cpu and lock, and `default` if it is cheap enough to stay loaded on any machine. Every object
 * has one. The licence is what the helpers ask for.
 */
#define PROBE(groups, text)                                                                        \
	char LICENSE[] SEC("license") TAG("probe:" text) TAG("groups:" groups)                     \
		TAG("variant:" VARIANT) = "GPL"
