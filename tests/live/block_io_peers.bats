#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# block_io against biolatency, which looks at the same two events: one that was attached before the
# probe, and so sees each of them first, and one attached after it:
#
#    event         issued                              completed
#    seen by       first  block_io  last  (kernel)     first  block_io  last
#    first         +-----------------------------------+
#    last                           +--------------------------------------+
#    device                                 +-----------------+
#    total      +---------------------------------------------+
#
# So `first` cannot be longer than `total`, nor `device` longer than `last`, whatever stops in between.
# With -Q they begin when the request is inserted in the queue, and the same is true.

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

# watch WHEN: with and without the time in the queue.
watch() {
	peer "$1" biolatency -D
	peer "$1-queued" biolatency -DQ
}

@test "biolatency sees as many requests, and times between those of the device and the total" {
	null_up completion_nsec=20000000 irqmode=2 hw_queue_depth=2
	queue scheduler=mq-deadline
	queue nr_requests=16
	queue max_sectors_kb=4
	watch first
	probe_load block_io
	watch last
	look before
	reader "$DISK" count=10
	reader "$DISK" bs=32k count=5 # 8 requests at once, of which the disk takes two at a time
	look after
	peer_stop first first-queued last last-queued
	for name in first first-queued last last-queued; do
		peer_slots "$name" "disk = $DISK" | jq -c --arg name "$name" '{key: $name, value: .}'
	done | jq -s from_entries >"$BATS_TEST_TMPDIR/peers"
	PEERS=$(<"$BATS_TEST_TMPDIR/peers") judge '(env.PEERS | fromjson) as $peers
		| ($after | stage($disk; "read"; "device")) as $device | ($after | stage($disk; "read"; "total")) as $total
		| expect("requests"; [50, 50, 50, 50, 50, 50]; [$device.count, $total.count, ($peers[] | peer_from(0))]),
			(range(30) | pow(2; .) as $us | ($us * 1000) as $ns
			| (["first", "first-queued"][] | between("\(.), from \($us) us"; 0; $total | perhaps($ns); $peers[.] | peer_from($us))),
				(["last", "last-queued"][] | between("\(.), from \($us) us"; $device | surely($ns); 50; $peers[.] | peer_from($us)))),
			expect("all took 20 ms"; [50, 50]; [$device | surely(16384000)] + [$peers.first | peer_from(16384)])'
}
