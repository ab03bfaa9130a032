#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# block_io against what the kernel counts of a disk, and against disks that take a known time:
#
#    dd ---> loop (requests) ---> a file in memory
#    dd ---> null_blk: each request 5 ms, two at a time, the others wait

# bats file_tags=native

# shellcheck disable=SC2016 # jq's variables

bats_require_minimum_version 1.5.0

setup_file() {
	load block_io.bash
	((EUID == 0)) || skip "needs root to load probes"
	probe_load block_io
	truncate -s 16M "$BATS_FILE_TMPDIR/disk"
	loop_up "$BATS_FILE_TMPDIR/disk"
	export LOOP
}

teardown_file() {
	load block_io.bash
	losetup -d "$LOOP"
	null_down
	probe_unload block_io
}

setup() {
	load block_io.bash
	DISK=${LOOP#/dev/}
	cd "$BATS_TEST_TMPDIR" || return
}

teardown() {
	"$READER" set block_io paused=off
	[[ ! -d $TRACER ]] || rmdir "$TRACER"
	busy_down
}

# All kinds of requests, one of which is completed twice: data that a flush must follow.
exercise() {
	reader "$DISK" count=50
	dd if=/dev/zero of="$LOOP" bs=16k count=20 oflag=direct status=none
	dd if=/dev/zero of="$LOOP" bs=4k count=10 oflag=direct,dsync status=none
	dd if=/dev/zero of="$LOOP" bs=64k count=30 conv=fsync status=none
	blkdiscard -o 1M -l 1M "$LOOP"
}

@test "requests, merges, sectors and times are those of /proc/diskstats, by operation" {
	reader "$DISK" count=1 # so that the disk is known
	look before
	exercise
	look after
	# The kernel reads its clock after the probe; a guest may stand still in between.
	judge 'expect("requests, merges, sectors of reads, writes, discards; flushes";
			($after | kernel($disk).counts) | minus($before | kernel($disk).counts);
			($after | diskstats($disk)) | minus($before | diskstats($disk))),
		([$after | kernel($disk).ms, ms($disk)] as [$k, $p] | [$before | kernel($disk).ms, ms($disk)] as [$k0, $p0]
			| range(4) | between("ms, group \(.)"; ($k[.] - $k0[.]) / 2 - 1; $k[.] - $k0[.] + 1; $p[.] - $p0[.])),
		(($after | diskstats($disk)) | minus($before | diskstats($disk))
			| expect("sectors written, discards, their sectors"; [4560, 1, 2048]; [.[5, 6, 8]]),
			between("reads, of which udev may do some"; 50; 200; .[0]), between("flushes"; 11; 40; .[9])),
		expect("depth"; 0; $after | row("disks"; $disk; null).depth)'
}

@test "what is in order is sequential; paused, nothing is counted" {
	reader "$DISK" count=1 skip=100
	look before
	reader "$DISK" count=10 skip=200
	for skip in 220 210 211 300; do
		reader "$DISK" count=1 skip="$skip"
	done
	"$READER" set block_io paused=on
	reader "$DISK" count=10
	"$READER" set block_io paused=off
	look after
	judge 'expect("reads"; 14; ($after | io($disk; "read").requests) - ($before | io($disk; "read").requests)),
		([$after, $before | row("disks"; $disk; null)] | expect("sequential"; 10; .[0].sequential - .[1].sequential),
			expect("depth"; 0; .[0].depth))'
}

@test "requests that fail are counted" {
	local full=$BATS_TEST_TMPDIR/full
	mkdir "$full"
	mount -t tmpfs -o size=64k tmpfs "$full"
	truncate -s 1M "$full/disk"
	loop_up "$full/disk"
	look before
	run ! dd if=/dev/zero of="$LOOP" bs=4k count=30 oflag=direct
	run ! dd if=/dev/zero of="$LOOP" bs=4k count=30 seek=40 oflag=direct
	look after
	losetup -d "$LOOP"
	umount "$full"
	judge '[$after, $before | io($disk; "write")] | expect("failed"; 2; .[0].errors - .[1].errors),
		between("written"; 10; 18; .[0].requests - .[1].requests)'
}

# 8 requests at once, of which the disk takes two at a time: 20 ms each.
read_split() {
	dd if="/dev/$DISK" of=/dev/null bs=32k iflag=direct status=none "$@" 3>&-
}

split_is_right() {
	look before
	read_split count=2
	look after
	# The waits are 0, 0, 20, 20, 40, 40, 60 and 60 ms, less what it takes to hand in those that wait; the kernel
	# knows the sum of both.
	judge '([$after, $before | kernel($disk).ms[0]] | .[0] - .[1] + 1) as $ms
		| (["queue", "device", "total"] | map(. as $s | [$after, $before | stage($disk; "read"; $s)]
			| {count: (.[0].count - .[1].count), ms: ((.[0].sum_ns - .[1].sum_ns) / 1000000)}) as [$queue, $device, $total]
		| expect("requests"; [16, 16, 16]; [$queue, $device, $total | .count]),
			expect("parts of the total"; $total.ms * 1000 | round; ($queue.ms + $device.ms) * 1000 | round),
			between("device"; 320; $ms - 440; $device.ms), between("queue"; 440; $ms - 320; $queue.ms)),
		expect("size"; 16 * 4096; [$after, $before | io($disk; "read").bytes] | .[0] - .[1]),
		expect("depth, at most"; [0, 2]; $after | row("disks"; $disk; null) | [.depth, .depth_max]),
		expect("losses"; $before | [row("losses"; null; null)]; $after | [row("losses"; null; null)])'
}

@test "a known time in the device, in the queue before it, and depth" {
	local reading
	null_up completion_nsec=20000000 irqmode=2 hw_queue_depth=2
	queue scheduler=mq-deadline
	queue nr_requests=16
	queue max_sectors_kb=4
	read_split count=1
	split_is_right
	queue wbt_lat_usec=0 # now the kernel does not note any more when it issues
	read_split count=1
	split_is_right
	read_split count=100 &
	reading=$!
	wait_for both_have_two
	kill "$reading"
	wait "$reading" || true
	null_down
}

# requeued: as the kernel's tracer saw it.
requeued() {
	grep -c ' block_rq_requeue: ' "$TRACER/trace"
}

# bats test_tags=once
@test "requests that the disk cannot take yet go back to the queue as often as the kernel traces" {
	busy_up 5
	mkdir "$TRACER"
	echo 1 >"$TRACER/events/block/block_rq_requeue/enable"
	look before
	reader "$DISK" count=50
	look after
	REQUEUED=$(requeued) judge '[$after, $before | [row("disks"; $disk; null)][0] // {requeues: 0} | .requeues]
		| expect("requeued"; $ENV.REQUEUED | tonumber; .[0] - .[1]), between("of 50"; 10; 10000; .[0] - .[1])'
}

# both_have_two: the kernel and the probe say that the disk has two requests.
both_have_two() {
	[[ $(awk '{ print $1 + $2 }' "/sys/block/$DISK/inflight") == 2 ]] &&
		"$READER" dump --json block_io --map disks | jq -es --arg disk "$DISK" \
			'any(.[]; .labels.disk? == $disk and .depth == 2)' >/dev/null
}
