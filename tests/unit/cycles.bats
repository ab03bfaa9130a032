#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# Maps whose rows are edges of a graph: the cycles that show and diff print.

# shellcheck disable=SC2154 # of reader.bash

bats_require_minimum_version 1.5.0
load reader

# edges FILE SECONDS EDGE...: a snapshot of a graph; an edge is FROM-TO.
edges() {
	local file=$1 at=$2 edge
	shift 2
	{
		printf '{"type":"identity","schema":1,"pinscope":"0.1.0","host":"h","boot_id":"b","kernel":"6.1",'
		printf '"realtime_ns":5,"monotonic_ns":%s000000000,"probes":[{"probe":"p","variant":"v","links":{},' "$at"
		printf '"recursion_misses":{},"maps":{"m":{"id":3,"kind":"table","edges":true,"labels":{"from":"text",'
		printf '"to":"text","to_life":"number","comm":"text","chain":"text"},"key":["from","to","to_life"],'
		printf '"fields":{"times":"count"}}},"config":{},"losses":{}}]}\n'
		for edge; do
			printf '{"type":"row","probe":"p","map":"m","labels":{"from":"%s/0","to":"%s","to_life":0,"comm":"c",' \
				"${edge%-*}" "${edge#*-}"
			printf '"chain":"start;middle;%s"},"times":7}\n' "$edge"
		done
		printf '{"type":"end","rows":%s}\n' "$#"
	} >"$file"
}

# cycles EDGE...: what is shown of them.
cycles() {
	cd "$BATS_TEST_TMPDIR" || return
	edges a 100
	edges b 110 "$@"
	run "$reader" diff --map m a b
	output=$(grep -E 'cycle| -> ' <<<"$output" | sed 's|/0||g; s/  *comm.*//; s/^ *//')
}

shows() {
	[[ $output == "$1" ]] || {
		printf 'wanted:\n%s\ngot:\n%s\n' "$1" "$output"
		return 1
	}
}

@test "a graph without edges, and one without cycles" {
	cycles
	shows ''
	cycles a-b b-c a-c d-c
	shows 'no cycle in 4 edges'
}

@test "two nodes, in both orders" {
	cycles a-b x-a b-a b-y
	shows $'a cycle of 2\na -> b\nb -> a'
}

@test "a node with itself" {
	cycles a-a a-b
	shows $'a cycle of 1\na -> a'
}

@test "four nodes are shown from one to the next, the shortest way" {
	cycles a-b b-c c-d d-a b-x x-c
	shows $'a cycle of 4\na -> b\nb -> c\nc -> d\nd -> a\na cycle of 5\nb -> x\nx -> c\nc -> d\nd -> a\na -> b'
}

@test "two cycles that share a node, and each edge once" {
	cycles a-b b-a a-c c-a
	shows $'a cycle of 2\na -> b\nb -> a\na cycle of 2\na -> c\nc -> a'
}

@test "each edge has its row and its call chain, the innermost first" {
	cd "$BATS_TEST_TMPDIR"
	edges a 100
	edges b 110 a-b b-a
	run -0 "$reader" diff --map m a b
	[[ $output == *$'    a/0 -> b/0  comm c  times 7\n        a-b\n        middle\n        start\n    b/0 -> a/0'* ]]
}
