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
}

teardown_file() {
	load semaphore.bash
	probe_unload semaphore
}

setup() {
	load semaphore.bash
	cd "$BATS_TEST_TMPDIR" || return
	[[ -c /dev/tty12 ]] || skip "no virtual terminals in this kernel"
}

teardown() {
	tracer_stop
	"$READER" set semaphore paused=off min_latency=0 pid=0
}

@test "waits for the console's semaphore are as many and as long as the tracer sees" {
	tracer_start
	mark 0
	dump >before
	mark 1
	wait_for -t 120 waits_seen
	mark 2
	dump >after
	mark 3
	jq -nr "$WAITED" --slurpfile before before --slurpfile after after >judged
	awk -f "$HERE/semaphore.awk" judged "$TRACER/trace"
}

@test "they are under the functions that lock the console" {
	# Without the tracer: 5.10 cannot walk a stack that it has its hook in.
	dump >before
	wait_for -t 120 waits_more
	jq -en --slurpfile after after '
		def waits($map): $after | map(select(.map == $map)) | map(.count // .wait.count) | add // 0;
		waits("sites") + waits("rest") == waits("all")'
}

@test "paused nothing is counted, nor what is shorter than min_latency" {
	local setting
	for setting in "paused=on min_latency=0" "paused=off min_latency=1h"; do
		# shellcheck disable=SC2086
		"$READER" set semaphore $setting
		tracer_start
		dump | jq -c 'select(.type == "row")' >before
		wait_for -t 120 waits_seen
		dump | jq -c 'select(.type == "row")' | cmp before -
		tracer_stop
	done
}
