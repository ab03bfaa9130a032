#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# block_io against biolatency, which looks at the same events: one that was attached before the probe,
# and sees each of them before it does, and one that was attached after it:
#
#    allocated   inserted (first)    issued (last, kernel)    completed (first, block_io, last)
#        |           +- first, with -Q --------------------------+
#        +-------------- total ----------------------------------------+
#                                              +--- device ------------+
#                                       +----- last ---------------------------+
#
# So `first` cannot be longer than `total`, nor `device` longer than `last`, wherever the machine stops.

# shellcheck disable=SC2016 # jq's variables

# bats file_tags=peer

bats_require_minimum_version 1.5.0

setup() {
	load block_io.bash
}

teardown() {
	traffic_stop
	probe_unload block_io
	null_down
}

@test "biolatency sees as many requests, with its queue no longer than our total, without no shorter than our device" {
	null_up completion_nsec=20000000 irqmode=2 hw_queue_depth=2
	queue scheduler=mq-deadline
	queue nr_requests=16
	queue max_sectors_kb=4
	peer first biolatency -DQ
	probe_load block_io
	peer last biolatency -D
	look before
	reader "$DISK" count=10
	reader "$DISK" bs=32k count=5 # 8 requests at once, of which the disk takes two at a time
	look after
	peer_stop first last
	FIRST=$(peer_slots first "disk = $DISK") LAST=$(peer_slots last "disk = $DISK") judge '
		(env.FIRST | fromjson) as $first | (env.LAST | fromjson) as $last
		| ($after | stage($disk; "read"; "device")) as $device | ($after | stage($disk; "read"; "total")) as $total
		| expect("requests"; [50, 50, 50, 50]; [$device.count, $total.count] + ([$first, $last] | map(peer_from(0)))),
			expect("all took 20 ms"; [50, 50]; [$device | surely(16384000)] + [$first | peer_from(16384)]),
			(range(30) | pow(2; .) as $us | ($us * 1000) as $ns
			| between("first, from \($us) us"; 0; $total | perhaps($ns); $first | peer_from($us)),
				between("last, from \($us) us"; $device | surely($ns); 50; $last | peer_from($us)))'
}
