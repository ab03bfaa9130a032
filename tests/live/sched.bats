#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# sched against /proc and against processes (sched.c) whose way through the scheduler is known:
#
#    processor 0          processor 1
#    spin, spin           (whatever else this machine does)
#    sleep, mutex, storm, readers of a slow disk: wherever they are put

# shellcheck disable=SC2154 # those of sched.bash

bats_require_minimum_version 1.5.0

setup_file() {
	load sched.bash
	((EUID == 0)) || skip "needs root to load probes"
	(($(nproc) > 1)) || skip "needs two processors"
	probe_load sched
}

teardown_file() {
	load sched.bash
	probe_unload sched
}

setup() {
	load sched.bash
	PID_MAX=$(</proc/sys/kernel/pid_max)
}

teardown() {
	echo "$PID_MAX" >/proc/sys/kernel/pid_max
	[[ -z ${WORKER-} ]] || kill -9 "$WORKER" || true
	pinscope set sched pid=0 cgroup=0 paused=off min_latency=0
}

@test "a sleeper's switches, its time on the processor and off it are those of /proc" {
	local row run switches
	work sleep 40 5
	work_go
	row=$(row "$WORKER")
	read -r run _ < <(schedstat "$WORKER")
	switches=$(($(of "$row" voluntary) + $(of "$row" involuntary)))
	assert_eq voluntary "$(kernel_says "$WORKER" voluntary_ctxt_switches)" "$(of "$row" voluntary)"
	assert_eq involuntary "$(kernel_says "$WORKER" nonvoluntary_ctxt_switches)" "$(of "$row" involuntary)"
	near oncpu "$run" "$switches" "$(of "$row" oncpu_ns)"
	# Each of 40 sleeps takes 5 ms, and ends in a wakeup.
	assert_between sleep $((40 * 5000000)) $((AFTER - BEFORE)) "$(of "$row" sleep_ns)"
	assert_between wakeups 40 "$((switches + 1))" "$(of "$row" wakeup_latency.count)"
	# All its time, from before its first line to after its last, and none twice.
	assert_between "all its time" $((SAID[1] - SAID[0])) $((AFTER - BEFORE + 10000000)) "$(all_times "$row")"
	work_end
}

@test "two that compute on one processor share it, each runnable while the other runs" {
	local row pid run wait
	work spin 400
	work_go
	for pid in "${SAID[@]:0:2}"; do
		wait_for asleep "$pid"
		row=$(row "$pid")
		read -r run wait < <(schedstat "$pid")
		near "oncpu of $pid" "$run" "$(of "$row" involuntary)" "$(of "$row" oncpu_ns)"
		near "runnable of $pid" "$wait" "$(of "$row" involuntary)" "$(of "$row" runnable_ns)"
		assert_eq "involuntary of $pid" "$(kernel_says "$pid" nonvoluntary_ctxt_switches)" "$(of "$row" involuntary)"
		(($(of "$row" runnable_ns) > 100000000))
	done
	work_end
}
