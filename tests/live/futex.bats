#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# futex against two threads that know what they do:
#
#    thread on processor 0 --- hands the futex to and fro --- thread on processor 1
#                              (and holds a PI futex for the other, interrupts it, moves it to another futex)

bats_require_minimum_version 1.5.0

setup_file() {
	load futex.bash
	probe_load futex
}

teardown_file() {
	load futex.bash
	probe_unload futex
}

setup() {
	load futex.bash
	cd "$BATS_TEST_TMPDIR" || return
}

teardown() {
	settings paused=off pid=0 min_latency=0
}

@test "waits, wakes, timeouts and interruptions at an address are those that the threads count" {
	local line
	play 4 20
	for line in "${KNOWN[@]}"; do
		as_known "$PID" "$line"
	done
	rows | jq -es --arg address "${KNOWN[0]%% *}" --argjson cgroup "$(stat -c %i /sys/fs/cgroup)" '
		map(select(.labels.address == $address).labels | [.comm, .cgroup]) == [["futex", $cgroup]]'
}

@test "another process with the same address has a row of its own" {
	local first line
	play 2 5
	first=$PID line=${KNOWN[0]}
	play 2 5
	assert_eq "address" "${line%% *}" "${KNOWN[0]%% *}"
	as_known "$PID" "${KNOWN[0]}"
	as_known "$first" "$line"
}

@test "paused nothing is counted, and under min_latency no wait" {
	settings paused=on
	play 1 1
	assert_nothing "rows" rows
	settings paused=off min_latency=1h
	play 1 1
	dump | jq -es --arg pid "$PID" '[.[] | select((.labels.pid | tostring) == $pid)]
		| (map(.wait.count) | add) == 0 and (map(.wakes) | add) > 0'
}

@test "with too few rows, what has none is in the rest, and counted as lost" {
	probe_unload futex
	probe_load futex --map-entries futexes=1
	bash -c '"$1" set futex pid=$$ >/dev/null && exec "$2" 3 5' - "$READER" "$PLAY" >known
	settings pid=1
	dump >after
	jq -es 'map(select(.type == "row")) as $rows
		| def of($map): $rows | map(select(.map == $map));
		(of("rest")[0].wait.count > 0)
		and ((of("rest") + of("futexes") | map(.wait.count) | add) == (of("waits") | map(.count) | add))
		and (of("losses")[] | select(.labels.reason == "table_full").count > 0)' after
	# All of them are among what was counted, and nothing of them is missing.
	jq -es --argjson least "$(awk '{ n += $2 } END { print n }' known)" \
		'[.[] | select(.map == "waits").count] | add >= $least' after
}
