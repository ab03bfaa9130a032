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
	traffic_stop
	frozen_down
	null_down
	pinscope set sched pid=0 cgroup=0 paused=off min_latency=0
}

@test "a sleeper's switches are those of /proc; its times are all its time, and none counts twice" {
	local row switches
	work sleep 40 5
	work_go
	row=$(row "$WORKER")
	switches=$(($(of "$row" voluntary) + $(of "$row" involuntary)))
	assert_eq voluntary "$(kernel_says "$WORKER" voluntary_ctxt_switches)" "$(of "$row" voluntary)"
	assert_eq involuntary "$(kernel_says "$WORKER" nonvoluntary_ctxt_switches)" "$(of "$row" involuntary)"
	# Each of 40 sleeps takes 5 ms, and ends in a wakeup.
	assert_between sleep $((40 * 5000000)) $((AFTER - BEFORE)) "$(of "$row" sleep_ns)"
	assert_between wakeups 40 "$((switches + 1))" "$(of "$row" wakeup_latency.count)"
	# From before its first line to after its last.
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

@test "who waits for a mutex of another thread waits in futex(), and that one sleeps" {
	local row
	work mutex 150
	work_go
	row=$(row "$WORKER")
	assert_between futex "$((SAID[0] - 20000000))" "$((AFTER - BEFORE))" "$(of "$row" futex_ns)"
	assert_between sleep 150000000 $((2 * (AFTER - BEFORE))) "$(of "$row" sleep_ns)"
	((SAID[0] > 100000000))
	work_end
}

@test "each move to another processor is a migration" {
	work migrate 20
	work_go
	assert_eq migrations "$(awk '$1 ~ /nr_migrations/ { print $3 }' "/proc/$WORKER/sched")" \
		"$(of "$(row "$WORKER")" migrations)"
	(($(of "$(row "$WORKER")" migrations) >= 19))
	work_end
}

@test "20 reads of a disk that takes 10 ms for each wait 200 ms for it" {
	local row
	null_up queue_mode=2 irqmode=2 completion_nsec=10000000
	BEFORE=$(now_ns)
	run_known dd if="/dev/$DISK" of=/dev/null iflag=direct bs=4k count=20 status=none
	AFTER=$(now_ns)
	null_down
	row=$(row "$WORKER_WAS")
	assert_between io 200000000 $((AFTER - BEFORE + 10000000)) "$(of "$row" io_ns)"
}

@test "who writes to a frozen file system waits for a lock (before 5.19: is blocked)" {
	local writer row
	frozen_up
	fsfreeze --freeze "$FROZEN"
	echo >"$FROZEN/file" &
	writer=$!
	wait_for blocked "$writer"
	BEFORE=$(now_ns)
	read -r -t 0.2 <> <(:) || true
	AFTER=$(now_ns)
	fsfreeze --unfreeze "$FROZEN"
	wait "$writer"
	frozen_down
	row=$(row "$writer")
	assert_between lock $((AFTER - BEFORE - 10000000)) $((AFTER - BEFORE + 5000000000)) "$(of "$row" "$LOCK_WAIT")"
	assert_between "sleep" 0 100000000 "$(of "$row" sleep_ns)"
}

@test "fork storm: no pid's time is taken for that of the one that had it before (R11)" {
	local rows before all
	before=$(totals)
	echo 400 >/proc/sys/kernel/pid_max
	work storm 400 5000
	work_go
	rows=$("$READER" dump --json --map procs --filter comm=storm sched | jq -cs 'map(select(.type == "row"))')
	# The longest of them, and what its last switch took: far less than until its pid comes again.
	all=$(jq '[.[] | .oncpu_ns + .runnable_ns + .sleep_ns + (.futex_ns // 0) + .io_ns + (.lock_ns // 0) + .blocked_ns] | max' <<<"$rows")
	assert_between "longest life" 1000000 $((SAID[0] + 20000000)) "$all"
	(((SAID[2] - SAID[1]) / 2 > SAID[0] + 20000000))
	# Each has a row of its own, and fewer pids.
	assert_eq rows 400 "$(jq length <<<"$rows")"
	assert_between pids 1 399 "$(jq 'map(.labels.pid) | unique | length' <<<"$rows")"
	# (A last switch may come when the pid is another's already: it is in the rest.)
	assert_between "without a sleep and an end" 0 20 "$(jq 'map(select(.sleep_ns == 0 or .voluntary < 2)) | length' <<<"$rows")"
	(($(totals | jq ".voluntary - $(jq .voluntary <<<"$before")") >= 800))
	work_end
}

@test "a filter, a pause, a threshold" {
	local before short
	work sleep 5 1
	pinscope set sched pid="$WORKER" min_latency=1h
	before=$(others)
	short=$(of "$(row "$WORKER")" wakeup_latency.count)
	work_go
	assert_eq others "$before" "$(others)"
	(($(of "$(row "$WORKER")" voluntary) >= 5))
	assert_eq "under the threshold" "$short" "$(of "$(row "$WORKER")" wakeup_latency.count)"
	work_end
	pinscope set sched pid=0 paused=on
	before=$(totals)
	/bin/true
	assert_eq paused "$before" "$(totals)"
}

@test "perf stat counts as many switches and migrations, and as much time" {
	command -v perf >/dev/null || skip "perf (package linux-perf) is not here"
	beside_perf migrate 20
	assert_eq "switches, migrations" "${PERF[*]:0:2}" "${DID[*]:0:2}"
	((DID[0] >= 20 && DID[1] >= 20))
	# Where the machine stops between the two clocks, that is time for one of them only: this is not so each time.
	for _ in 1 2 3 4 5; do
		beside_perf spin 200
		assert_eq "switches, migrations" "${PERF[*]:0:2}" "${DID[*]:0:2}"
		if near oncpu "${PERF[2]}" "${PERF[0]}" "${DID[2]}"; then
			return
		fi
	done
	false
}

# bats test_tags=peer
@test "runqlat counts as many waits for the processor" {
	local row before
	work sleep 30 3
	peer runqlat runqlat -p "$WORKER"
	wait_for asleep "$WORKER"
	before=$(row "$WORKER")
	work_go
	peer_stop runqlat
	row=$(row "$WORKER")
	work_end
	# A wait begins with a wakeup, or when the thread has to leave.
	assert_eq runqlat \
		$(($(of "$row" wakeup_latency.count involuntary) - $(of "$before" wakeup_latency.count involuntary))) \
		"$(peer_count runqlat)"
}

# bats test_tags=once
@test "what has no row is in the rest, what has no place is counted: totals stay right" {
	probe_unload sched
	probe_load sched --map-entries procs=4
	local before after kernel
	kernel=$(awk '$1 == "ctxt" { print $2 }' /proc/stat)
	before=$(totals)
	work sleep 50 1
	work_go
	after=$(totals)
	kernel=$(($(awk '$1 == "ctxt" { print $2 }' /proc/stat) - kernel))
	# (Switches away from the idle task are nobody's.)
	assert_between switches 50 "$kernel" \
		$(($(jq '.voluntary + .involuntary' <<<"$after") - $(jq '.voluntary + .involuntary' <<<"$before")))
	dump | jq -es '(map(select(.map == "rest"))[0].voluntary) > 0
		and map(select(.map == "losses" and .labels.reason == "table_full"))[0].count > 0'
	work_end
	probe_unload sched
	probe_load sched --map-entries threads=4
	work sleep 5 1
	work_go
	work_end
	dump | jq -es 'map(select(.map == "losses" and .labels.reason == "untracked"))[0].count > 5'
}
