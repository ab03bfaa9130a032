#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# R24: damaged snapshots and wrong arguments are refused with one sentence.

# shellcheck disable=SC2154,SC2030,SC2031,SC2016,SC2086 # set by what is loaded and by run; scripts of sed; words to be split
load reader

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	snapshot a 100 "$(row 10.0.0.1 10 1000 50 3000 1500 '[1023,2],[1535,1]')"
	snapshot b 110 "$(row 10.0.0.1 11 1000 50 3000 1500 '[1023,2],[1535,1]')"
}

@test "R24: a snapshot cut short at any line or byte is refused" {
	head -n -1 b >c
	run "$reader" diff a c
	says 4 'cut short'
	size=$(stat -c %s b)
	for n in 1 100 $((size / 2)) $((size - 30)) $((size - 3)); do
		head -c "$n" b >c
		run "$reader" diff a c
		says 4 'cannot read c as a snapshot'
		[ "${#lines[@]}" -eq 1 ]
	done
	: >c
	run "$reader" diff a c
	says 4 'cut short'
	sed 2d b >c
	run "$reader" diff a c
	says 4 'rows are missing'
}

# broken SED-SCRIPT TEXT: the later snapshot, edited so, is refused with TEXT.
broken() {
	sed "$1" b >c
	[ "$(cat b)" != "$(cat c)" ]
	run "$reader" diff a c
	says 4 "$2"
	[ "${#lines[@]}" -eq 1 ]
}

@test "R24: each kind of damage has its sentence" {
	broken 's/"schema":1/"schema":2/' 'another version'
	broken 's/"identity"/"diff"/' 'not the identity'
	broken 's/"boot_id":"b",//' 'no text boot_id'
	broken 's/"ns_hist"/"ns_tree"/' 'of a kind'
	broken 's/"kind":"table"/"kind":"hist"/' 'is none'
	broken 's/"map":"m","labels"/"map":"n","labels"/' 'not in the identity'
	broken 's/"peer":"10.0.0.1"/"peer":"10.0.0"/' 'an address is none'
	broken 's/"peer":"10.0.0.1"/"peer":7/' 'an address is none'
	broken 's/"comm":"x"/"comm":null/' 'no text'
	broken 's/"count":11/"count":-11/' 'count is no whole number'
	broken 's/"count":11/"count":"11"/' 'count is no whole number'
	broken 's/"count":11,//' 'count is no whole number'
	broken 's/\[1535,1\]/[1534,1]/' 'bound of a slot'
	broken 's/\[1535,1\]/[1535]/' 'no pair'
	broken 's/\[1535,1\]/7/' 'no pair'
	broken 's/"time":{/"time":7,"x":{/' 'no whole number'
	broken '2p' 'earlier row'
	broken '$p' 'behind the end'
	broken '1d' 'not the identity'
	broken 's/^/[/' "cannot read c as a snapshot"
	printf '\0\0\0' >c
	run "$reader" diff a c
	says 4 "cannot read c as a snapshot"
}

@test "R24: a missing snapshot is one sentence" {
	run "$reader" diff a nowhere
	says 1 'cannot open the snapshot nowhere'
}

@test "R24: a wrong filter, field, map or number is one sentence" {
	run "$reader" diff --filter 'count' a b
	says 2 'FIELD OP VALUE'
	run "$reader" diff --filter 'nothing = 1' a b
	says 2 'no map has a field nothing' ' peer comm count sent rtt time.count'
	run "$reader" diff --sort nothing a b
	says 2 'no map has a field nothing'
	run "$reader" diff --map nothing a b
	says 2 'no map is called nothing; there are m'
	run "$reader" diff --filter 'time.p99 > 10parsecs' a b
	says 2 'ns us ms s m h'
	run "$reader" diff --filter 'peer = 10.0.0.0/99' a b
	says 2 'no address'
	run "$reader" diff --filter 'peer > 10.0.0.1' a b
	says 2 'no order'
	run "$reader" diff --top x a b
	says 2 'cannot take the top x'
}

@test "usage goes to stdout when asked for, to stderr when misused" {
	for verb in show dump diff get set; do
		run --separate-stderr "$reader" "$verb" --help
		[ "$status" -eq 0 ]
		[ -n "$output" ] && [ -z "$stderr" ]
	done
	for wrong in '' nosuch 'diff' 'diff a' 'get' 'set x' 'show' 'dump --nosuch' 'dump --top' 'show --prom x'; do
		run --separate-stderr "$reader" $wrong
		[ "$status" -eq 2 ]
		[ -z "$output" ]
		[[ $stderr == *"usage: "* && (-z $wrong || $stderr == "pinscope: "*) ]]
	done
	run "$reader" --help
	says 0 'exit status'
}
