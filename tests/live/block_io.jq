# SPDX-License-Identifier: GPL-2.0-only
#
# What block_io says of disks, between two looks, and what the kernel says.

include "judge";

# A look: rows of the probe, and the lines of /proc/diskstats.
def row($map; $disk; $op): .rows[] | select(.map == $map and .labels.disk == $disk and (.labels.op // $op) == $op);

# Requests, merges, bytes and failures of an operation.
def io($disk; $op): [row("io"; $disk; $op)][0] // {size: {count: 0, sum_bytes: 0}, merges: 0, errors: 0}
	| {requests: .size.count, bytes: .size.sum_bytes, merges, errors};

def stage($disk; $op; $stage): [row("latency"; $disk; $op) | select(.labels.stage == $stage).delay][0]
	// {count: 0, sum_ns: 0, slots: []};

def loss($reason): [row("losses"; null; null) | select(.labels.reason == $reason)][0].count;

# As /proc/diskstats has it: there a flush that is waited for is a write.
def diskstats($disk):
	(io($disk; "write") as $write | io($disk; "flush_wait") as $wait
	| [io($disk; "read"), ($write | .requests += $wait.requests), io($disk; "discard")]
	| map(.requests, .merges, .bytes / 512)) + [io($disk; "flush").requests];

def kernel($disk): [.diskstats[] | select(.[2] == $disk)][0][3:] | map(tonumber)
	| {counts: [.[0, 1, 2, 4, 5, 6, 11, 12, 13, 15]], ms: [.[3, 7, 14, 16]]};

def ms($disk): . as $look
	| [["read"], ["write", "flush_wait"], ["discard"], ["flush"]]
	| map(map(. as $op | $look | stage($disk; $op; "total").sum_ns) | add / 1000000 | floor);

def minus($past): [., $past] | transpose | map(.[0] - .[1]);

# How many of a histogram's values surely are at least so many ns, and how many may be: its slots are
# eighths of a power of two.
def slot_least: (log2 | floor) as $e | . + 1 - pow(2; $e - 3);
def surely($ns): [.slots[] | select((.[0] | slot_least) >= $ns)[1]] | add // 0;
def perhaps($ns): [.slots[] | select(.[0] >= $ns)[1]] | add // 0;

# The same of what a peer printed, [[LEAST, COUNT], ..], by microseconds.
def peer_from($us): [.[] | select(.[0] >= $us)[1]] | add // 0;
