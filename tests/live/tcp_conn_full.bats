#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# tcp_conn with a table of 8 rows, and with filters: what has no row is in the rest, and what is
# filtered out is nowhere. The namespaces are drawn in net.bash.

# bats file_tags=once

# shellcheck disable=SC2016 # jq's variables

bats_require_minimum_version 1.5.0

setup_file() {
	load tcp_conn.bash
	need_traffic
	net_up a b
	probe_load tcp_conn --map-entries conns=8
}

teardown_file() {
	load tcp_conn.bash
	net_down
	probe_unload tcp_conn
}

setup() {
	load tcp_conn.bash
	before=$(everything)
}

teardown() {
	traffic_stop
	"$READER" set tcp_conn paused=off port=0 addr=any netns=0 pid=0 cgroup=0
}

# everything: of rows and rest, by role: connections, and the sums of each counter; and how they ended.
everything() {
	"$READER" dump --json tcp_conn | jq -s '
		map(select(.type == "row")) as $rows
		| [("client", "server") as $role | {($role):
			([$rows[] | select(.map == "conns" and .labels.role == $role and .labels.state == "closed") | . + {connections: 1}]
			+ [$rows[] | select(.map == "rest" and .labels.role == $role)]
			| map({connections, bytes_sent: (.bytes_sent - .bytes_retrans), bytes_received, segs_in, data_segs_in})
			| reduce .[] as $row ({}; reduce ($row | keys[]) as $key (.; .[$key] += $row[$key]))
			| . + ($rows[] | select(.map == "totals" and .labels.role == $role) | {established, local_fin, remote_fin}))}] | add
		| . + {lost: [$rows[] | select(.map == "losses").count] | add}'
}

# since FILTER: of what was added since the test began.
since() {
	everything | jq -c --argjson before "$before" '
		with_entries(.key as $k | .value |= if type == "object" then with_entries(.value -= $before[$k][.key]) else . - $before[$k] end)
		| '"$1"
}

ended() {
	[[ $(since "[.client.local_fin, .server.remote_fin]") == "[$1,$1]" ]]
}

BOTH='[.client, .server | .connections, .established, .bytes_sent, .bytes_received]'

@test "50 connections at a time share 8 rows: the rest has the others, to the byte" {
	serve server b "$ADDR2" --conns 50 --request 100 --answer 2000
	ask_in_rounds client a "$ADDR2:${PORT[server]}" --conns 50 --requests 2 --request 100 --answer 2000
	ask_again client
	assert_eq "rows" 8 "$(conns | wc -l)"
	assert_eq "without a row" 92 "$(since .lost)"
	ask_no_more client
	served server
	wait_for ended 50
	assert_eq "all" "[50,50,10000,200000,50,50,200000,10000]" "$(since "$BOTH")"
}

@test "short connections at full rate: every one is counted, once" {
	converse "--conns 500" "--conns 500 --parallel 8"
	wait_for ended 500
	assert_eq "all" "[500,500,32000,32000,500,500,32000,32000]" "$(since "$BOTH")"
	assert_nothing "open rows" conns --filter 'state!=closed'
}

# only SETTING: of two conversations with 3 and 2 connections, the first is kept.
only() {
	serve other b "[$ADDR2_6]" --conns 2
	"$READER" set tcp_conn "$1"
	ask unseen a "[$ADDR2_6]:${PORT[other]}" --conns 2
	ask client a "$ADDR2:${PORT[server]}" --conns 3
	served server other
	wait_for ended 3
	assert_eq "kept" "[3,3,192,192,3,3,192,192]" "$(since "$BOTH")"
}

@test "only a port" {
	serve server b "$ADDR2" --conns 3
	only "port=${PORT[server]}"
}

@test "only IPv4 of a network" {
	serve server b "$ADDR2" --conns 3
	only addr=10.77.0.0/16
}

@test "only a process, which connects" {
	serve server b "$ADDR2" --conns 2
	on a bash -c '"$1" set tcp_conn pid=$$; exec 3<>"/dev/tcp/$2/$3"; printf %64s >&3; head -c 64 <&3 >/dev/null' \
		bash "$READER" "$ADDR2" "${PORT[server]}"
	ask unseen a "$ADDR2:${PORT[server]}"
	served server
	wait_for local_ended 1
	assert_eq "kept" "[1,1,64,64,0,0,0,0]" "$(since "$BOTH")"
}

local_ended() {
	[[ $(since .client.local_fin) == "$1" ]]
}

@test "only a process, which accepts" {
	[[ -e $(pin_root)/tcp_conn/links/tcp_accept ]] || skip "this variant does not see accept"
	serve server b "$ADDR2" --conns 3
	"$READER" set tcp_conn "pid=${SERVER[server]}"
	ask client a "$ADDR2:${PORT[server]}" --conns 3
	served server
	wait_for remote_ended 3
	assert_eq "kept" "[0,0,0,0,3,3,192,192]" "$(since "$BOTH")"
}

remote_ended() {
	[[ $(since .server.remote_fin) == "$1" ]]
}

@test "paused: nothing, and what was open then is there afterwards" {
	serve server b "$ADDR2" --conns 1
	"$READER" set tcp_conn paused=on
	ask_in_rounds client a "$ADDR2:${PORT[server]}" --conns 1
	ask_again client
	assert_nothing "open rows" conns --filter 'state!=closed'
	"$READER" set tcp_conn paused=off
	assert_eq "client" "[64,${SERVER[client]}]" "$(of_port "${PORT[server]}" client | jq -c '[.bytes_sent, .pid]')"
	assert_eq "server" "[64,${SERVER[server]}]" "$(of_port "${PORT[server]}" server | jq -c '[.bytes_sent, .pid]')"
	ask_no_more client
	served server
}
