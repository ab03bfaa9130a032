#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# oom against the kernel's log and its counters, where a cgroup has too little memory:
#
#    cgroup, 32 MiB
#    +-------------------------------------+
#    | faults (faults.c), wants 64 MiB     | ---> killed, and memory.events counts it
#    | sleep, killed as well where         |
#    |        memory.oom.group says so     |
#    +-------------------------------------+

bats_require_minimum_version 1.5.0

setup_file() {
	load oom.bash
	((EUID == 0)) || { echo "needs root to load probes" >&2 && return 1; }
	need_faults
	probe_load oom
}

teardown_file() {
	load oom.bash
	probe_unload oom
}

setup() {
	load oom.bash
	cgroup_up memory.max=32M memory.swap.max=0
	faulter_start
	echo 300 >"/proc/$FAULTER/oom_score_adj"
}

teardown() {
	faulter_stop
	traffic_stop
	cgroup_down
}

@test "a kill in a cgroup: the victim, its memory, who triggered it, and the limit" {
	local before pid=$FAULTER
	before=$(kills memcg)
	cgroup_takes "$FAULTER"
	dies write 16384
	assert_eq "kills" $((before + 1)) "$(kills memcg)"
	assert_eq "kills" "$(vmstat oom_kill)" "$(dump | jq -s 'map(select(.map == "kills").count) | add')"
	assert_eq "memory.events" 1 "$(cgroup_events oom_kill)"
	as_said "$pid"
	killed "$pid" | jq -e --argjson pid "$pid" --argjson cgroup "$(cgroup_id)" '
		(.labels | .comm == "faults" and .trigger_pid == $pid and .trigger_comm == "faults" and .scope == "memcg"
			and .cgroup == $cgroup and .limit_cgroup == $cgroup)
		and .pages.limit == 8192 and .pages.anon > 7000 and .pages.swap == 0 and .order == 0'
}

@test "with memory.oom.group, each process of the cgroup has a row" {
	local before pid=$FAULTER sleeper
	before=$(kills memcg)
	background sleeper - sleep 600
	sleeper=${SERVER[sleeper]}
	wait_for grep -qx sleep "/proc/$sleeper/comm" # it was a shell
	echo 1 >"$CGROUP/memory.oom.group"
	cgroup_takes "$FAULTER" "$sleeper"
	dies write 16384
	wait_for is_gone "$sleeper"
	# (The kernel may kill, and count, the first of them twice.)
	assert_eq "kills" "$(cgroup_events oom_kill)" $(($(kills memcg) - before))
	as_said "$pid"
	as_said "$sleeper"
	killed "$sleeper" | jq -e --argjson pid "$pid" '.labels | .comm == "sleep" and .trigger_pid == $pid'
}

@test "a kill of the whole machine, asked for by the operator" {
	local before pid=$FAULTER
	before=$(kills global)
	fault write 100
	echo 1000 >"/proc/$FAULTER/oom_score_adj"
	echo f >/proc/sysrq-trigger
	wait_for is_gone "$FAULTER"
	assert_eq "kills" $((before + 1)) "$(kills global)"
	as_said "$pid"
	killed "$pid" | jq -e --argjson total "$(awk '/^(MemTotal|SwapTotal)/ { n += $2 } END { print n / 4 }' /proc/meminfo)" '
		.order == -1 and .labels.limit_cgroup == 0 and .pages.limit == $total and (.labels.trigger_comm | startswith("kworker"))'
}

# bats test_tags=peer
@test "oomkill sees the same kill" {
	local pid=$FAULTER
	command -v oomkill >/dev/null || skip "oomkill (package libbpf-tools) is not here"
	cd "$BATS_TEST_TMPDIR"
	stdbuf -oL oomkill >peer 2>&1 3>&- &
	SERVER["peer"]=$!
	wait_for -t 60 grep -q Tracing peer
	cgroup_takes "$FAULTER"
	dies write 16384
	wait_for grep -q "OOM kill of PID $pid" peer
	grep -q "Triggered by PID $pid (\"faults\"), OOM kill of PID $pid (\"faults\"), 8192 pages" peer
	killed "$pid" | jq -e '.pages.limit == 8192'
}

# bats test_tags=once
@test "a newer kill takes the place of an older one, and the count stays right" {
	probe_unload oom
	probe_load oom --map-entries recent=1
	cgroup_takes "$FAULTER"
	dies write 16384
	faulter_stop
	faulter_start
	cgroup_takes "$FAULTER"
	dies write 16384
	dump | jq -es --argjson pid "$FAULTER" '(map(select(.map == "recent")) | length == 1 and .[0].labels.pid == $pid)
		and (map(select(.map == "kills").count) | add) == 2
		and map(select(.map == "losses"))[0].count == 1'
}
