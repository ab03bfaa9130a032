#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# tcp_latency with a table of 8 rows: more connections than rows cost detail and nothing else
# (R9, R10), and no latency is longer than the test (R11). The namespaces are drawn in net.bash.

# bats file_tags=once

# shellcheck disable=SC2016 # jq's variables

bats_require_minimum_version 1.5.0

setup_file() {
	load tcp_latency.bash
	need_traffic
	net_up a b
	probe_load tcp_latency --map-entries conns=8
	begin
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

@test "50 connections at a time share 8 rows: totals are right and the others counted" {
	serve server b "$ADDR2" --conns 50 --samples 100000
	ask_in_rounds client a "$ADDR2:${PORT[server]}" --conns 50 --requests 4 --samples 100000
	ask_again client
	judge 'expect("rows"; 8; .conns | length), expect("without a row"; 92; .losses.table_full),
		recorded("in rows"; 32; [.conns[].latency.count] | add), expect("turns"; 200; $client.turns),
		client_fits($client), recorded("server latencies"; 200; .kinds.server.count),
		recorded("read delays"; 400; .kinds.read.count),
		expect("sends"; 400; .missed.tcp_send + (.roles | .client.sends + .server.sends))'
	# the same connections again: none is new
	ask_again client
	judge 'expect("without a row"; 0; .losses.table_full), recorded("client latencies"; 200; .kinds.client.count),
		recorded("server latencies"; 200; .kinds.server.count)'
	ask_no_more client
	served server
}

@test "rows of connections that ended are used again, their numbers kept in the rest" {
	converse "--conns 3" "--conns 3 --requests 5"
	judge 'plain, lossless, expect("rows"; 6; [rows("client", "server")[]] | length)'
}

@test "short connections at full rate" {
	converse "--conns 1500" "--conns 1500 --parallel 8"
	judge 'plain, expect("open rows"; 0; .conns | map(select(.state == "open")) | length),
		expect("other losses"; 0; .losses | .no_memory + .backwards + .stream),
		expect("longest"; true; [.kinds[].slots[][0]] | max < 2 * $client.elapsed_ns)'
}

@test "short connections that are reset" {
	converse "--conns 500" "--conns 500 --parallel 4 --end reset"
	judge 'plain, expect("open rows"; 0; .conns | map(select(.state == "open")) | length),
		expect("other losses"; 0; .losses | .no_memory + .backwards + .stream)'
}

# never_less BEFORE NOW: the totals of two dumps.
never_less() {
	jq -en -L "$HERE" --slurpfile before "$1" --slurpfile now "$2" '
		include "tcp_latency";
		($before | summary.kinds) as $before | $now | summary.kinds
		| all(to_entries[]; .value.count >= $before[.key].count and .value.sum_ns >= $before[.key].sum_ns)'
}

@test "totals never decrease while connections come and go" {
	serve server b "$ADDR2" --conns 0
	ask_meanwhile client a "$ADDR2:${PORT[server]}" --conns 1000000 --parallel 4
	dump >"$BATS_TEST_TMPDIR/0"
	for i in 1 2 3 4; do
		dump >"$BATS_TEST_TMPDIR/$i"
		never_less "$BATS_TEST_TMPDIR/$((i - 1))" "$BATS_TEST_TMPDIR/$i"
	done
}

@test "each pinned map is readable by bpftool, with names" {
	local maps
	maps=$(pin_root)/tcp_latency/maps
	for map in "$maps"/*; do
		[[ ${map##*/} != events ]] || continue
		bpftool -j map dump pinned "$map" >"$BATS_TEST_TMPDIR/${map##*/}"
	done
	cd "$BATS_TEST_TMPDIR"
	jq -e '.[0].formatted.values[0].value.client.slots | length > 400' latency
	jq -e 'any(.[].formatted.value; .conn.netns > 0 and (.latency | has("sum")))' conns
	jq -e 'any(.[0].formatted.values[].value; .server.read_delay.count > 0)' rest
	jq -e '.[0].formatted.values[0].value | has("table_full")' losses
	jq -e '.[0].formatted.value[".data.config"][0].config | .sample == 1' config
}
