#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# file_io with two rows for processes and three for operations on file systems, one of them the rest. The
# program is that of file_io.bats.

# bats file_tags=once

# shellcheck disable=SC2016 # jq's variables

bats_require_minimum_version 1.5.0

setup_file() {
	load file_io.bash
	probe_load file_io --map-entries procs=2 --map-entries series=2 --map-entries filesystems=3
	ramfs_up
}

teardown_file() {
	load file_io.bash
	ramfs_down
	probe_unload file_io
}

setup() {
	load file_io.bash
	cd "$BATS_TEST_TMPDIR" || return
}

@test "two rows for processes and three for file systems: all is counted, most in the rest" {
	look before
	calls 2
	look after
	judge 'def all($map; f): [$after[0], $before[0] | map(select(.map == $map)) | map(f // 0) | add // 0] | .[0] - .[1];
		expect("losses of rows"; [true, true]; [$after[0] | lost[] | select(.labels.reason == ("table_full", "unnamed")) | .count > 0]),
		expect("calls"; all("filesystems"; .calls);
			[("procs", "rest") as $map | all($map; .opens + .closes + .reads + .writes + .fsyncs + .fdatasyncs)] | add),
		expect("bytes"; all("filesystems"; .bytes); [("procs", "rest") as $map | all($map; .bytes_read + .bytes_written)] | add),
		expect("syncs"; 6; [("procs", "rest") as $map | all($map; .fsyncs + .fdatasyncs)] | add)'
}
