#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The difference of two snapshots, and R21: what does not subtract is said.

# shellcheck disable=SC2154 # reader: set by what is loaded
load reader

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	snapshot a 100 "$(row 10.0.0.1 10 1000 50 3000 1500 '[1023,2],[1535,1]')" \
		"$(row 10.0.0.2 5 0 0 0 0 '')" "$(row 2001:db8::1 1 1 1 0 0 '')"
	snapshot b 110 "$(row 10.0.0.1 30 5000 70 9000 5000 '[1023,2],[1535,3],[5119,1]')" \
		"$(row 10.0.0.3 7 70 9 0 0 '')" "$(row 2001:db8::1 1 1 1 0 0 '')"
}

diff_json() {
	"$reader" diff --json "$@" 2>/dev/null
}

@test "diff subtracts counters, gives rates, and shows gauges as they are now" {
	diff_json a b | holds 'select(.labels.peer == "10.0.0.1") |
		.count == 20 and .count_per_s == 2 and .sent_bytes == 4000 and
		.sent_bytes_per_s == 400 and .rtt_ns == 70 and (has("rtt_ns_per_s") | not)'
	diff_json a b | holds 'select(.type == "diff") | .seconds == 10'
}

@test "diff makes histograms of the interval, with their own percentiles" {
	diff_json a b | holds 'select(.labels.peer == "10.0.0.1") | .time |
		.count == 3 and .sum_ns == 6000 and .slots == [[1535,2],[5119,1]] and
		.bounds_ns.p50 == [1408,1535] and .max_ns == 5000'
}

@test "diff bounds a maximum that is older than the interval by the highest slot" {
	snapshot c 120 "$(row 10.0.0.1 31 5000 70 9600 5000 '[1023,3],[1535,3],[5119,1]')"
	diff_json b c | holds 'select(.type == "row" and .labels.peer == "10.0.0.1") | .time |
		.max_ns == 1023 and .bounds_ns.max == [960,1023]'
	run "$reader" diff b c
	says 0 'max <= 1.02 us'
}

@test "diff counts new rows in full and says which are gone" {
	diff_json a b | holds 'select(.labels.peer == "10.0.0.3") | .count == 7'
	diff_json a b | holds 'select(.type == "gone") | .labels.peer == "10.0.0.2"'
	run "$reader" diff a b
	says 0 'gone: 1 row'
}

# ratio HITS MISSES: a row with their ratio.
ratio() {
	printf '{"type":"row","probe":"p","map":"m","labels":{"peer":"::1","comm":"x"},"hits":%s,"misses":%s,"hit_ratio":null}' "$@"
}

@test "the ratio of a difference is that of the interval" {
	fields='"hits":"count","misses":"count","hit_ratio":"ratio"' snapshot a 100 "$(ratio 10 10)"
	fields='"hits":"count","misses":"count","hit_ratio":"ratio"' snapshot b 110 "$(ratio 40 20)"
	diff_json a b | holds 'select(.type == "row") | .hits == 30 and .misses == 10 and .hit_ratio == 0.75
		and (has("hit_ratio_per_s") | not)'
	fields='"hits":"count","hit_ratio":"ratio"' snapshot b 110
	run "$reader" diff a b
	says 4 'a ratio does not follow two numbers'
}

@test "diff of a snapshot in which another label changed still finds the row" {
	snapshot c 120 "$(row 10.0.0.1 31 5000 70 9600 5000 '[1023,3],[1535,3],[5119,1]' other)"
	diff_json b c | holds 'select(.type == "row") | .labels.comm == "other" and .count == 1'
}

@test "diff subtracts losses" {
	lost=4 misses=2 snapshot a 100
	lost=9 misses=5 snapshot b 110
	diff_json a b | holds 'select(.type == "diff") | .probes[0] |
		.losses.map_full == 5 and .recursion_misses.l == 3'
	run "$reader" diff a b
	says 0 'lost: map_full 5'
}

@test "R21: diff of two boots is refused" {
	boot_id=other snapshot b 110
	run "$reader" diff a b
	says 5 'was booted again'
}

@test "R21: diff across a reload says so and leaves the map out" {
	map_id=9 snapshot b 110 "$(row 10.0.0.1 30 5000 70 0 0 '')"
	run "$reader" diff a b
	says 5 'loaded again'
	[ -z "$(diff_json a b | jq -c 'select(.type == "row")')" ]
}

@test "R21: diff of snapshots in the wrong order is refused" {
	run "$reader" diff b a
	says 5 'the earlier one first'
}

@test "R21: a wall clock that was set back is said, and does not change the interval" {
	realtime=1 snapshot b 110
	run "$reader" diff a b
	says 0 'set back' '10.000 s'
}

@test "R21: rows that count less than before are left out and said" {
	snapshot b 110 "$(row 10.0.0.1 3 5000 70 9000 5000 '[1023,2],[1535,3]')"
	run "$reader" diff a b
	says 5 'count less'
	[ -z "$(diff_json a b | jq -c 'select(.type == "row")')" ]
}

@test "diff refuses snapshots that were filtered or cut" {
	partial=1 snapshot b 110
	run "$reader" diff a b
	says 5 '--filter or --top'
}

@test "diff says that the configuration changed" {
	sample=10 snapshot b 110
	run "$reader" diff a b
	says 0 'sample of p was changed from 1 to 10'
}

@test "diff sorts, cuts and filters like the others" {
	diff_json --filter 'peer = 10.0.0.0/8' --filter 'count > 10' a b >out
	[ "$(jq -c 'select(.type == "row")' out | wc -l)" -eq 1 ]
	diff_json --filter 'peer = 2001:db8::/32' a b | holds 'select(.type == "row") | .count == 0'
	diff_json --filter 'peer != 10.0.0.0/8' a b | holds 'select(.type == "row") | .count == 0'
	diff_json --sort time.p99 --top 1 a b | holds 'select(.type == "row") | .count == 20'
	diff_json --filter 'time.p50 > 1us' a b | holds 'select(.type == "row") | .count == 20'
	diff_json --filter 'comm = y' a b | holds 'select(.type == "end") | .rows == 0'
	"$reader" diff --tsv --sort peer a b | cut -f 3 | head -2 | tail -1 | grep -qx 10.0.0.1
}

@test "numbers above 2^53 stay whole numbers, up to the last slot" {
	snapshot a 100 "$(row 10.0.0.1 9007199254740993 0 0 0 0 '')"
	snapshot b 110 "$(row 10.0.0.1 18014398509481987 0 0 0 0 '')"
	diff_json a b | grep -q '"count":9007199254740994,'
	snapshot a 100 "$(row 10.0.0.1 1 0 0 0 0 '')"
	snapshot b 110 "$(row 10.0.0.1 1 0 0 5 18446744073709551615 '[17293822569102704639,2],[18446744073709551615,1]')"
	diff_json a b | grep -q '\[\[17293822569102704639,2\],\[18446744073709551615,1\]\]'
}
