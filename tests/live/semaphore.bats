#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# semaphore against the kernel's tracer (kprobes where waits begin and end), at the console's
# semaphore, which each write to a virtual terminal takes:
#
#    writer to tty11 --- console_lock() --- the semaphore --- console_lock() --- writer to tty12

bats_require_minimum_version 1.5.0

setup_file() {
	load semaphore.bash
	probe_load semaphore
	tracer_start
}

teardown_file() {
	load semaphore.bash
	tracer_stop
	probe_unload semaphore
}

setup() {
	load semaphore.bash
	cd "$BATS_TEST_TMPDIR" || return
	[[ -c /dev/tty12 ]] || skip "no virtual terminals in this kernel"
}

teardown() {
	"$READER" set semaphore paused=off min_latency=0 pid=0
}

@test "waits for the console's semaphore are as many and as long as the tracer sees" {
	mark 0
	dump >before
	mark 1
	write_both
	mark 2
	dump >after
	mark 3
	jq -nr "$WAITED" --slurpfile before before --slurpfile after after >judged
	awk -f "$HERE/semaphore.awk" judged "$TRACER/trace"
}

@test "they are under the function that locks the console" {
	dump | jq -es 'map(select(.map == "sites")) as $sites
		| ($sites | map(select(.labels.site | startswith("console_lock+")).wait.count) | add) > 0
		and ($sites | map(.wait.count) | add) == (map(select(.map == "all").count) | add)'
}

@test "paused nothing is counted, and under min_latency no short wait" {
	"$READER" set semaphore paused=on
	dump | jq -c 'select(.type == "row")' >before
	write_both
	dump | jq -c 'select(.type == "row")' | cmp before -
	"$READER" set semaphore paused=off min_latency=1h
	write_both
	dump | jq -c 'select(.type == "row")' | cmp before -
}
