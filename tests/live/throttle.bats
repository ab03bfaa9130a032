#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# throttle against cpu.stat:
#
#    cgroup one: 10 ms of each 50           cgroup two: 10 ms of each 50
#    processor 0: computes                  processors 0 and 1: compute

bats_require_minimum_version 1.5.0

setup_file() {
	load throttle.bash
	((EUID == 0)) || skip "needs root to load probes"
	[[ -e $CGROUPS/cgroup.controllers ]] || skip "no cgroup v2"
	probe_load throttle
	limited one 10000 50000
	limited two 10000 50000
}

teardown_file() {
	load throttle.bash
	rmdir "$CGROUPS"/{one,two,three,four} 2>/dev/null || true
	probe_unload throttle
}

setup() {
	load throttle.bash
}

teardown() {
	pinscope set throttle paused=off
}

@test "the time a cgroup was throttled is that of cpu.stat to the microsecond, and so are its periods" {
	local row
	compute_in one 400 0
	wait_for ended one
	row=$(row "$(id_of one)")
	# The last period may be counted after the end of its stretch (7.2).
	assert_between nr_throttled "$(($(stat_of one nr_throttled) - 1))" "$(stat_of one nr_throttled)" "$(jq .nr_throttled <<<"$row")"
	# On one processor each period has one stretch at most; a late timer ends several periods at once.
	assert_between stretches 3 "$(stat_of one nr_throttled)" "$(jq .throttled.count <<<"$row")"
	# Of each 50 ms it may run 10, and 5 more that the processor had taken in advance.
	assert_between "longest" 20000000 "$(($(stat_of one throttled_usec) * 1000))" "$(jq .throttled.max_ns <<<"$row")"
}

@test "on two processors their times add up as in cpu.stat; while paused nothing is counted" {
	local pid before
	compute_in two 250 1 &
	pid=$!
	compute_in two 250 0
	wait "$pid"
	wait_for ended two
	(($(row "$(id_of two)" | jq .throttled.count) >= 4))
	pinscope set throttle paused=on
	before=$(row "$(id_of two)")
	compute_in two 200 0
	(($(stat_of two throttled_usec) > $(jq '.throttled.sum_ns / 1000 | ceil' <<<"$before")))
	assert_eq "paused" "$before" "$(row "$(id_of two)")"
}

@test "a cgroup that is removed gives its numbers to the rest" {
	local was id
	id=$(id_of one)
	was=$(row "$id" | jq -c '[.throttled.count, .throttled.sum_ns, .nr_periods, .nr_throttled]')
	rmdir "$CGROUPS/one"
	assert_nothing "the row" row "$id"
	assert_eq "the rest" "$was" \
		"$(dump | jq -c 'select(.map == "rest") | [.throttled.count, .throttled.sum_ns, .nr_periods, .nr_throttled]')"
}

@test "what finds no row is in the rest, and counted as lost" {
	probe_unload throttle
	probe_load throttle --map-entries cgroups=1
	limited three 10000 50000
	limited four 10000 50000
	compute_in three 120 0
	wait_for ended three
	compute_in four 120 0
	wait_for ended_in_rest four
	dump | jq -es '(map(select(.map == "rest"))[0].throttled.count) as $rest
		| $rest > 0 and $rest == map(select(.map == "losses" and .labels.reason == "table_full"))[0].count'
}
