#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# hw_cache as far as a machine without hardware counters can show it: the same program on counters of
# the kernel (tests/fixture/sw_counters), against what the kernel says of a process:
#
#    processor 0              processor 1
#    (this test)  -- order -> worker: touches so many pages, and waits

# bats file_tags=native

bats_require_minimum_version 1.5.0

setup_file() {
	load hw_cache.bash
	((EUID == 0)) || skip "needs root to load probes"
	sw_load >"$BATS_FILE_TMPDIR/load" 2>&1
}

teardown_file() {
	load hw_cache.bash
	probe_unload sw_counters
}

setup() {
	load hw_cache.bash
	worker_start
}

teardown() {
	worker_stop
	"$READER" set sw_counters paused=off pid=0
}

@test "page faults of a process are those in /proc, and migrations too; nothing is lost" {
	local before i
	begin
	for i in 1 4000000 100000; do
		touch_pages "$i"
	done
	(($(faults) - FAULTS > 900))
	wait_for agree
	before=$(($(counted migrations) - $(moves)))
	for i in 0 1 0 1 0 1; do
		taskset -cp "$i" "$WORKER" >/dev/null
		touch_pages 1
	done
	moved() {
		(($(counted migrations) - $(moves) == before))
	}
	wait_for moved
	assert_eq "lost" 0 "$(lost no_counter)"
}

@test "what happens while paused, and of others than the pid asked for, is nobody's" {
	begin
	"$READER" set sw_counters paused=on
	touch_pages 4000000
	"$READER" set sw_counters paused=off pid=1
	touch_pages 4000000
	"$READER" set sw_counters pid="$WORKER"
	assert_eq "counted" "$COUNTED" "$(counted page_faults)"
	touch_pages 1
	begin
	touch_pages 4000000
	wait_for agree
}

@test "perf stat counts as many" {
	command -v perf >/dev/null || skip "perf (package linux-perf) is not here"
	begin
	export ORDERS DONE
	# shellcheck disable=SC2016 # for the shell that perf starts
	perf stat -x, -e page-faults -p "$WORKER" -o "$BATS_TEST_TMPDIR/perf" \
		bash -c 'echo 4000000 >&"$ORDERS" && read -r -u "$DONE"'
	wait_for agree
	assert_eq "page faults" "$(awk -F, '$3 == "page-faults" { print $1 }' "$BATS_TEST_TMPDIR/perf")" \
		"$(($(counted page_faults) - COUNTED))"
}

@test "a counter that is not there is said to be missing, and has no column" {
	grep -qx "sw_counters: nonsense is not available: this machine has no such counter .*" "$BATS_FILE_TMPDIR/load"
	run -0 "$READER" dump sw_counters
	jq -es '.[0].probes[0] | .unavailable == ["nonsense"] and
		([.maps.procs, .maps.rest | .fields | keys] | unique) == [["cpu_clock", "migrations", "page_faults"]]' <<<"$output"
	[[ $(tail -n +2 <<<"$output") != *nonsense* ]]
	run -0 "$READER" show sw_counters
	[[ $output == *"not available on this machine: nonsense"* ]]
}

@test "without hardware counters hw_cache is not loaded, and says why" {
	[[ ! -e /sys/bus/event_source/devices/cpu ]] || skip "this machine has hardware counters"
	run -1 pinscope load hw_cache
	[[ $output == "pinscope: cannot load hw_cache on this kernel: variant default: its counters are not available: "* ]]
	[[ ! -e $(pin_root)/hw_cache ]]
}

# bats test_tags=peer
@test "without hardware counters llcstat has none either, for the same reason" {
	[[ ! -e /sys/bus/event_source/devices/cpu ]] || skip "this machine has hardware counters"
	command -v llcstat >/dev/null || skip "llcstat (package libbpf-tools) is not here"
	run llcstat 1
	[[ $output == "failed to init perf sampling: No such file or directory" ]]
	run -1 pinscope load hw_cache
	[[ $output == *": this machine has no such counter "* ]]
}

@test "with hardware counters hw_cache has those that are free" {
	[[ -e /sys/bus/event_source/devices/cpu ]] || skip "this machine has no hardware counters"
	probe_load hw_cache
	run -0 "$READER" dump hw_cache
	probe_unload hw_cache
	jq -es '.[0].probes[0].maps.procs.fields | keys | all(IN("l1d_loads", "l1d_misses", "llc_loads", "llc_misses",
		"dtlb_loads", "dtlb_misses")) and length > 0' <<<"$output"
}

# bats test_tags=once
@test "processes without a row are counted under rest" {
	local before now kernel
	probe_unload sw_counters
	sw_load --map-entries procs=1
	kernel=$(awk '$1 == "pgfault" { print $2 }' /proc/vmstat)
	before=$(in_all page_faults)
	FAULTS=$(faults)
	touch_pages 4000000
	enough() {
		(($(in_all page_faults) - before >= $(faults) - FAULTS))
	}
	wait_for enough
	now=$(in_all page_faults)
	assert_between "faults in all" 900 $(($(awk '$1 == "pgfault" { print $2 }' /proc/vmstat) - kernel)) \
		$((now - before))
	(($(lost table_full) > 0))
}

# bats test_tags=once
@test "what a processor does that has been away is counted as lost" {
	local before
	[[ -d /run/vm ]] || skip "not a guest: it would take a processor from this machine"
	assert_eq "lost" 0 "$(lost no_counter)"
	echo 0 >/sys/devices/system/cpu/cpu1/online
	echo 1 >/sys/devices/system/cpu/cpu1/online
	before=$(lost no_counter)
	more() {
		taskset -c 1 true
		(($(lost no_counter) > before))
	}
	wait_for more
}
