#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# The settings of lock_contention, and its table when it is full. The waits are those of
# lock_contention.bats.

# bats file_tags=native,once

bats_require_minimum_version 1.5.0

setup_file() {
	load lock_contention.bash
	((EUID == 0)) || skip "needs root to load probes"
	probe_load lock_contention
}

teardown_file() {
	load lock_contention.bash
	probe_unload lock_contention
}

setup() {
	load lock_contention.bash
	cd "$BATS_TEST_TMPDIR" || return
	dump >before
}

teardown() {
	settings paused=off pid=0 min_latency=0 min_site=10us sample=1 by_cgroup=off
}

# mutexes: the waits for a mutex that were recorded since `before`, as FILTER shows them.
mutexes() {
	dump >after
	rows 'select(.map == "sites" and .labels.kind == "mutex") | '"$1"
}

@test "paused nothing is recorded, nor what min_latency or sample leave out" {
	settings paused=on
	locks mutex 5 2
	settings paused=off min_latency=1h
	locks mutex 5 2
	settings min_latency=0 sample=1000000000
	locks mutex 5 2
	assert_nothing "waits" mutexes .
	settings sample=1
	locks mutex 5 2
	assert_eq "waits" 2 "$(mutexes .count)"
}

@test "the call site of what is shorter than min_site is not looked for" {
	settings min_site=1h
	locks mutex 5 2
	assert_eq "waits" "0x0 2" "$(mutexes '"\(.labels.site) \(.count)"')"
}

@test "by_cgroup makes a row for the cgroup that waits" {
	local cgroup=/sys/fs/cgroup/pinscope-locks
	[[ $(stat -fc %T /sys/fs/cgroup) == cgroup2fs ]] || skip "no cgroup v2 is mounted here"
	mkdir "$cgroup"
	settings by_cgroup=on
	(echo "$BASHPID" >"$cgroup/cgroup.procs" && locks mutex 5 2)
	assert_eq "waits" "$(stat -c %i "$cgroup") 2" "$(mutexes '"\(.labels.cgroup) \(.count)"')"
	rmdir "$cgroup"
}

@test "what has no row is in the rest and counted as lost, and totals stay right" {
	probe_unload lock_contention
	probe_load lock_contention --map-entries sites=1
	locks dir 5 3
	settings pid=1 # nothing more
	dump | jq -es 'def of($map): map(select(.map == $map));
		of("rest")[0].count > 0
		and of("rest")[0].count == (of("losses")[] | select(.labels.reason == "table_full").count)'
	balanced
}
