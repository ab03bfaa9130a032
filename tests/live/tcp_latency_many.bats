#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# tcp_latency and 2000 connections at a time. The namespaces are drawn in net.bash.

# bats file_tags=once

# shellcheck disable=SC2016 # jq's and awk's variables

bats_require_minimum_version 1.5.0

setup_file() {
	load tcp_latency.bash
	need_traffic
	net_up a b
	probe_load tcp_latency
}

teardown_file() {
	load tcp_latency.bash
	net_down
	probe_unload tcp_latency
}

setup() {
	load tcp_latency.bash
}

teardown() {
	traffic_stop
}

# count_rows N: rows, the latencies in them, and rows with other than N: of clients, then of servers.
count_rows() {
	"$READER" dump --tsv --map conns tcp_latency | awk -F'\t' -v n="$1" '
		NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
		{
			role = $column["role"]
			rows[role]++
			sum[role] += $column["latency.count"]
			odd[role] += $column["latency.count"] != n
		}
		END { for (i = 0; i < 2; i++) { role = i ? "server" : "client"; print rows[role] + 0, sum[role] + 0, odd[role] + 0 } }'
}

open_rows() {
	"$READER" dump --tsv --map conns --filter 'state = open' tcp_latency | sed 1d
}

# number FILTER: from a dump without the rows of connections.
number() {
	jq -s "$1" "$BATS_TEST_TMPDIR/totals"
}

@test "2000 connections at a time: each has its row, and 3 latencies" {
	local rows sum odd role missed lost=0
	serve server b "$ADDR2" --conns 2000
	ask client a "$ADDR2:${PORT[server]}" --conns 2000 --requests 3 --together
	served server
	assert_eq "turns" 6000 "$(got client .turns)"
	"$READER" dump --json --map latency --map rest --map losses tcp_latency >"$BATS_TEST_TMPDIR/totals"
	missed=$(number '.[0].probes[0].recursion_misses | add')
	while read -r role rows sum odd; do
		sum=$((sum + $(number "map(select(.map == \"rest\" and .labels.role == \"$role\"))[].latency.count")))
		assert_between "latencies in rows and rest ($role)" $((6000 - missed)) 6000 "$sum"
		assert_eq "latencies ($role)" "$sum" "$(number "map(select(.labels.kind == \"$role\"))[].count")"
		assert_between "rows with other than 3 ($role)" 0 "$missed" "$odd"
		lost=$((lost + 2000 - rows))
	done < <(count_rows 3 | paste -d ' ' <(printf 'client\nserver\n') -)
	# A row must be near the place its socket's address hashes to: a few may find none there.
	assert_between "connections without a row" 0 40 "$lost"
	assert_eq "the same, as a loss" "$lost" "$(number 'map(select(.labels.reason == "table_full"))[].count')"
	assert_nothing "rows still open" open_rows
}
