#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# block_io with room for one disk and two operations: what has no row is in the rest, and counted as
# that, and totals are right.
#
#    dd ---> loop A, loop B ---> two files in memory

# bats file_tags=once

# shellcheck disable=SC2016 # jq's variables

bats_require_minimum_version 1.5.0

setup_file() {
	load block_io.bash
	probe_load block_io --map-entries disks=1 --map-entries series=1
	truncate -s 1M "$BATS_FILE_TMPDIR"/{a,b}
	loop_up "$BATS_FILE_TMPDIR/a"
	export A=$DISK
	loop_up "$BATS_FILE_TMPDIR/b"
	export B=$DISK
}

teardown_file() {
	load block_io.bash
	losetup -d "/dev/$A"
	losetup -d "/dev/$B"
	probe_unload block_io
}

setup() {
	load block_io.bash
	cd "$BATS_TEST_TMPDIR" || return
	DISK=$B
}

@test "all requests are in the rows and the rest" {
	look before
	for DISK in "$A" "$B"; do
		reader "$DISK" count=20
		dd if=/dev/zero of="/dev/$DISK" bs=4k count=10 oflag=direct,dsync status=none
	done
	look after
	# There are no other disks in a guest.
	judge 'def kernel: [kernel(env.A, env.B).counts | .[0] + .[3] + .[6] + .[9]] | add;
		def probe: [.rows[] | select(.map == "io").size.count] | add // 0;
		def rest: [.rows[] | select(.map == "io" and .labels.disk == "rest").size.count] | add // 0;
		expect("requests"; ($after | kernel) - ($before | kernel); ($after | probe) - ($before | probe)),
		expect("rows"; 2; [$after.rows[] | select(.map == "io")] | length),
		expect("without a row"; $after | rest; $after | loss("table_full")),
		between("in the rest"; 50; 100000; $after | rest)'
}
