#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# What the tests judge with: it must fail where nothing was compared.

# shellcheck disable=SC2030,SC2031 # output is that of the last run

bats_require_minimum_version 1.5.0

setup() {
	load ../live/wait.bash
	load ../live/assert.bash
	LIVE=$BATS_TEST_DIRNAME/../live
}

# in_a_test FUNCTION-BODY COMMAND: as a test runs it.
in_a_test() {
	run bash -ec '. "$0/wait.bash"; . "$0/assert.bash"; it() { '"$1"$'\n'"}; $2" "$LIVE"
}

@test "wait_for: what fails in the middle has failed" {
	in_a_test 'false; true' 'wait_for -t 1 it'
	[[ $status == 1 && $output == "waited "*" s in vain for: it" ]]
	in_a_test 'true; true' 'wait_for -t 1 it'
	[[ $status == 0 && -z $output ]]
}

@test "wait_for ends at once where no time helps" {
	in_a_test 'nosuch' 'wait_for it'
	[[ $status == 1 && $output == *"waited 0 s in vain"* ]]
	in_a_test 'jq -n "def end: 1; end"' 'wait_for it'
	[[ $status == 1 && $output == *"waited 0 s in vain"* ]]
}

@test "assert_nothing: a command that fails has not printed nothing" {
	in_a_test ':' 'assert_nothing rows it'
	((status == 0))
	in_a_test 'echo row' 'assert_nothing rows it'
	[[ $status == 1 && $output == "rows: expected , got row" ]]
	in_a_test 'false | cat' 'assert_nothing rows it'
	((status == 1))
	in_a_test 'false; true' 'assert_nothing rows it'
	((status == 1))
}

# judges FILTER SENTENCE
judges() {
	run -0 jq -nr -L "$LIVE" 'include "judge"; '"$1"
	[[ $output == "$2" ]]
}

@test "a judgement is a sentence, and none about what is right" {
	judges 'expect("x"; 1; 1), between("y"; 1; 3; 3)' ''
	judges 'expect("x"; 1; 2)' 'x: expected 1, got 2'
	judges 'expect("x"; 1; null)' 'x: expected 1, got null'
	judges 'between("y"; 1; 3; 4)' 'y: expected 1..3, got 4'
	judges 'between("y"; null; 3; 2)' 'y: expected null..3, got 2'
}

@test "what has no value, or several, is no judgement" {
	local filter
	for filter in 'expect("x"; 1; empty)' 'expect("x"; empty; 1)' 'expect("x"; 1; 1, 1)' 'between("x"; 1; 2; [][])'; do
		run -5 jq -nr -L "$LIVE" 'include "judge"; '"$filter"
		[[ $output == *"x: "[02]" values instead of one"* ]]
	done
}
