/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every block hangs on: tcp_rcv_space_adjust, which the operation `peek` runs once. It exists on
 * all kernels as a function and as a tracepoint, and brings a socket.
 */
#pragma once

#include "pinscope.bpf.h"

PROBE("test", "a building block, to measure what it costs");

#define FENTRY SEC("fentry/tcp_rcv_space_adjust")
