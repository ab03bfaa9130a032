#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# tcp_connect with tables of few rows, and beside others who time connects. The namespaces are
# drawn in net.bash.

# bats file_tags=once

# shellcheck disable=SC2016 # jq's variables

bats_require_minimum_version 1.5.0

setup_file() {
	load tcp_connect.bash
	need_traffic
	net_up a b
	probe_load tcp_connect --map-entries targets=2 --map-entries listeners=2
}

teardown_file() {
	load tcp_connect.bash
	net_down
	probe_unload tcp_connect
}

setup() {
	load tcp_connect.bash
	begin
}

teardown() {
	traffic_stop
}

@test "more targets and listeners than rows: the totals are right, and what has no row is counted" {
	for _ in 1 2 3 4; do
		serve server b "$ADDR2" --conns 5
		ask client a "$ADDR2:${PORT[server]}" --conns 5
		served server
	done
	look
	saw '[.targets, .listeners | length]' '[2,2]'
	saw .clients '{"attempts":20,"established":20}'
	saw .servers '{"established":20,"accepted":20}'
	saw '.latency | map_values(.count) | [.active, .passive, .accept]' '[20,20,20]'
	# of 10 connections: the attempt, its end; the handshake, accept()
	saw .losses '{"table_full":40}'
}

# bats test_tags=peer
@test "tcpconnlat and tcpconnect see the same connects, and as long" {
	local theirs
	type -P tcpconnlat tcpconnect || skip "no libbpf-tools here"
	serve server b "$ADDR2" --conns 10
	net_shape b netem delay 20ms
	background lat - stdbuf -oL tcpconnlat -L
	background who - stdbuf -oL tcpconnect
	wait_for grep -q LAT "$(result lat)"
	wait_for grep -q PID "$(result who)"
	ask client a "$ADDR2:${PORT[server]}" --conns 10
	served server
	wait_for sh -c "[ \$(grep -c traffic '$(result lat)') = 10 ]"
	wait_for sh -c "[ \$(grep -c traffic '$(result who)') = 10 ]"
	tc -n "$NET_ID-b" qdisc del dev ve0 root
	look
	saw .clients '{"attempts":10,"established":10}'
	# Theirs begins at connect() and ends before the SYN-ACK is worked on, ours with the SYN and after.
	theirs=$(awk '/traffic/ { sum += $NF } END { printf "%d", sum * 1000000 }' "$(result lat)")
	saw_between $((theirs * 90 / 100)) $((theirs * 105 / 100)) .latency.active.sum_ns
	saw_between 200000000 60000000000 .latency.active.sum_ns
	assert_eq "who" "$(got client .pid)" "$(awk '/traffic/ { print $1 }' "$(result who)" | sort -u)"
}
