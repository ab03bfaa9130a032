#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# tcp_backlog against listeners that accept nothing, and the kernel's own counters:
#
#      namespace a                     namespace b
#    +----------------+              +------------------------+
#    | clients        |----- veth ---| stopped servers        |
#    |                |              | somaxconn 4            |
#    +----------------+              +------------------------+
#
# Counts are exact.

# shellcheck disable=SC2016 # jq's variables

bats_require_minimum_version 1.5.0

setup_file() {
	load tcp_backlog.bash
	need_traffic
	net_up a b
	net_sysctl b net.core.somaxconn=4
	serve older b "$ADDR2" --conns 0
	probe_load tcp_backlog
	declare -p SERVER PORT >"$BATS_FILE_TMPDIR/older"
}

teardown_file() {
	load tcp_backlog.bash
	. "$BATS_FILE_TMPDIR/older"
	traffic_stop
	net_down
	probe_unload tcp_backlog
}

setup() {
	load tcp_backlog.bash
}

teardown() {
	for pid in "${SERVER[@]}"; do
		kill -CONT "$pid" 2>/dev/null || true
	done
	traffic_stop
	tc -n "$NET_ID-b" qdisc del dev ve0 root 2>/dev/null || true
	tc -n "$NET_ID-a" qdisc del dev ve0 root 2>/dev/null || true
	net_sysctl b net.ipv4.tcp_syncookies=1
	"$READER" set tcp_backlog paused=off port=0 addr=any netns=0
}

@test "connections that nobody accepts: each SYN finds one more" {
	local overflows drops
	overflows=$(kernel ListenOverflows) drops=$(kernel ListenDrops)
	listen server "$ADDR2"
	for i in 1 2 3 4 5; do
		knock 1 "$ADDR2:${PORT[server]}"
		wait_for arrived server "$i"
	done
	assert_eq "accept queue" "0:1 1:1 2:1 3:1 4:1" "$(seen server accept_queue)"
	assert_eq "SYN queue" "0:5" "$(seen server syn_queue)"
	assert_eq "limit, overflows, drops" "4 0 0" "$(row server '"\(.limit) \(.overflows) \(.drops)"')"
	# the next one finds more than the limit, again and again
	knock 1 "$ADDR2:${PORT[server]}"
	wait_for arrived server 7
	assert_eq "accept queue" "0:1 1:1 2:1 3:1 4:1 5:2" "$(seen server accept_queue)"
	assert_eq "overflows" "$(($(kernel ListenOverflows) - overflows))" "$(row server .overflows)"
	assert_eq "overflows" 2 "$(row server .overflows)"
	kill -KILL "${SERVER[server]}" # tells the row the last of it
	wait_for closed server
	assert_eq "drops" "$(($(kernel ListenDrops) - drops))" "$(row server .drops)"
}
