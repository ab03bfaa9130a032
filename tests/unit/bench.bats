#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# R23 and R7: the check of costs trips, and only when it should. Nothing is measured here: the
# results are given.

# shellcheck disable=SC2154 # stderr is set by run

bats_require_minimum_version 1.5.0

setup() {
	BENCH=$BATS_TEST_DIRNAME/../bench
	BUDGET=$BATS_TEST_TMPDIR/budget
	RESULTS=$BATS_TEST_TMPDIR/results
	# shellcheck source=tests/bench/baseline.bash
	. "$BENCH/baseline.bash"
}

# result ADDED [WHAT]
result() {
	local what=${2-tcp_latency}
	jq -nc --argjson added "$1" --arg what "$what" '{kernel: "6.1", op: "request", $what,
		instructions: (30000 + $added), $added, added_elsewhere: 0}' >>"$RESULTS"
}

nothing() {
	jq -nc --argjson drift "$1" '{kernel: "6.1", op: "request", what: "nothing", instructions: 30000, $drift}' >>"$RESULTS"
}

check() {
	"$BENCH/cost" --check --budget "$BUDGET" --from "$RESULTS"
}

@test "5 % above the budget passes" {
	echo '6.1 1000 request tcp_latency' >"$BUDGET"
	nothing 0.001
	result 1050
	run -0 check
}

@test "more than 5 % above the budget fails, and says by what" {
	echo '6.1 1000 request tcp_latency' >"$BUDGET"
	nothing 0.001
	result 1055
	run -1 --separate-stderr check
	[[ $stderr == "cost: request tcp_latency on 6.1: 1055, above 1000 by more than 5 %" ]]
}

@test "what is in the budget and was not measured fails" {
	printf '6.1 1000 request %s\n' tcp_latency tcp_latency:port=1 >"$BUDGET"
	result 1000
	run -1 --separate-stderr check
	[[ $stderr == "cost: request tcp_latency:port=1 on 6.1: in $BUDGET, but not measured" ]]
}

@test "what is not in the budget fails" {
	echo '6.1 1000 request tcp_latency' >"$BUDGET"
	result 1000
	result 10 other
	run -1 --separate-stderr check
	[[ $stderr == *"request other on 6.1: not in $BUDGET"* ]]
}

@test "another kernel's budget does not count" {
	printf '%s request tcp_latency\n' '6.1 1000' '6.12 1' >"$BUDGET"
	result 1000
	run -0 check
}

@test "a machine that changed meanwhile fails" {
	echo '6.1 1000 request tcp_latency' >"$BUDGET"
	nothing -0.006
	result 1000
	run -1 --separate-stderr check
	[[ $stderr == *"request with nothing loaded changed by -0.6 %"* ]]
}

@test "what could not be measured fails, and is named" {
	: >"$BUDGET"
	echo '{"kernel":"6.1","op":"request","what":"peer: nosuch","error":"it ended"}' >"$RESULTS"
	run -1 --separate-stderr "$BENCH/cost" --from "$RESULTS"
	[[ $stderr == "cost: cannot measure request with peer: nosuch: it ended" ]]
}

@test "an update replaces what was measured and keeps the rest" {
	printf '%s\n' '# costs' '6.1 7 pingpong tcp_latency' '6.1 9 request tcp_latency' '6.12 3 request tcp_latency' >"$BUDGET"
	baseline_update "$BUDGET" 6.1 <<<'8 request tcp_latency'
	run -0 cat "$BUDGET"
	[[ $output == $'# costs\n6.1 7 pingpong tcp_latency\n6.1 8 request tcp_latency\n6.12 3 request tcp_latency' ]]
}

@test "10 % more for the verifier passes, above fails" {
	echo '6.1 10000 tcp_latency/fentry tcp_read' >"$BUDGET"
	run -0 baseline_check "$BUDGET" 6.1 10 <<<'11000 tcp_latency/fentry tcp_read'
	[[ -z $output ]]
	run -0 baseline_check "$BUDGET" 6.1 10 <<<'11003 tcp_latency/fentry tcp_read'
	[[ $output == *"11003, above 10000 by more than 10 %" ]]
}
