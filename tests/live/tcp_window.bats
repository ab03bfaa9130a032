#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# tcp_window with a server that reads late, against the kernel's own counters (nstat) at both ends:
#
#      namespace a                     namespace b
#    +----------------+              +----------------+
#    | traffic client |----- veth ---| traffic server |   buffers of 128 KiB
#    | probes         |              | zero windows   |
#    +----------------+              +----------------+

# shellcheck disable=SC2016 # jq's variables

bats_require_minimum_version 1.5.0

setup_file() {
	load tcp_window.bash
	need_traffic
	net_up a b
	net_sysctl b net.ipv4.tcp_rmem='4096 131072 131072'
	probe_load tcp_window --map-entries conns=12
}

teardown_file() {
	load tcp_window.bash
	net_down
	probe_unload tcp_window
}

setup() {
	load tcp_window.bash
	begin
}

teardown() {
	traffic_stop
	"$READER" set "$PROBE" low=32768
}

@test "requests and answers close no window" {
	serve server b "$ADDR2"
	ask client a "$ADDR2:${PORT[server]}" --requests 50
	served server
	judge 'lossless, expect("rows"; [0, 0, 0, 0, 0]; [.conns[], .rest] | add_stats | [.[]])'
}

# hurry NAME: server NAME has thought enough, and its client the last answer.
hurry() {
	kill -USR1 "${SERVER[server$1]}" 2>/dev/null || true
	[[ -s $(result "client$1") ]]
}

# closed NAME: the window of server NAME.
closed() {
	seen b "lport = ${PORT[server$1]}" 'closed > 0'
}

# probed NAME: the client of server NAME has probed.
probed() {
	seen a "rport = ${PORT[server$1]}" 'probes > 0'
}

@test "a reader that pauses: its window is closed so long, and probed so long" {
	local start since until name
	start=$(date +%s%N)
	think_over 4 "$ADDR2" 60000000000
	think_over 6 "[$ADDR2_6]" 60000000000
	for name in 4 6; do
		wait_for closed "$name"
	done
	since=$(date +%s%N)
	for name in 4 6; do
		wait_for probed "$name"
	done
	until=$(date +%s%N)
	for name in 4 6; do
		wait_for hurry "$name"
	done
	served client4 client6 server4 server6
	export LEAST=$((until - since)) MOST=$(($(date +%s%N) - start))
	judge 'lossless, reopened($kernel), (($ENV.LEAST | tonumber) as $least | ($ENV.MOST | tonumber) as $most
		| expect("closed"; [$ENV.ADDR2, $ENV.ADDR2_6]; [.conns | at($ENV.NETNS_b; .closed > 0).local] | sort),
		expect("probed"; [$ENV.ADDR2, $ENV.ADDR2_6]; [.conns | at($ENV.NETNS_a; .peer_closed > 0).remote] | sort),
		between("windows probed"; 2; .durations.closed.count; [.conns[].peer_closed] | add),
		between("longest closed"; $least; $most; .durations.closed.max_ns),
		between("both closed"; 2 * $least; 2 * $most; .durations.closed.sum_ns),
		between("soonest probe"; 200000000; $most; .durations.probed.slots[0][0]),
		between("latest probe"; 200000000; $most; .durations.probed.max_ns))'
}

# bats test_tags=once
@test "a filter on the namespace keeps one end" {
	"$READER" set "$PROBE" "netns=${NETNS_a?}"
	think_over 4 "$ADDR2" 60000000000
	wait_for probed 4
	wait_for hurry 4
	served client4 server4
	"$READER" set "$PROBE" netns=0
	dump >"$BATS_TEST_TMPDIR/now"
	"$READER" diff --json "$BATS_FILE_TMPDIR/before" "$BATS_TEST_TMPDIR/now" |
		jq -en -L "$HERE" 'include "tcp_window"; [inputs] | summary | [.conns[], .rest] | add_stats
			| .probes > 0 and .closed == 0'
}

# bats test_tags=once
@test "a connection that ends ends what was closed" {
	think_over 4 "$ADDR2" 60000000000
	wait_for closed 4
	kill -KILL "${SERVER[client4]}"
	kill "${SERVER[server4]}"
	wait "${SERVER[client4]}" "${SERVER[server4]}" || true
	judge 'lossless, between("closed"; 1; 4; .durations.closed.count),
		expect("time"; .durations.closed.sum_ns; .conns | at($ENV.NETNS_b; .closed > 0).closed_time_ns)'
}

@test "a small buffer clamps the window, a large one does not" {
	serve server1 b "$ADDR2" --rcvbuf 16384 --think 60000000000
	serve server2 b "$ADDR2" --think 60000000000
	export SMALL=${PORT[server1]}
	ask_meanwhile client1 a "$ADDR2:$SMALL"
	ask_meanwhile client2 a "$ADDR2:${PORT[server2]}"
	wait_for seen b "lport = $SMALL"
	assert_between "limit of the small" 1 32767 "$(rcv_ssthresh "$SMALL")"
	assert_between "limit of the large" 32768 131072 "$(rcv_ssthresh "${PORT[server2]}")"
	wait_for hurry 1
	wait_for hurry 2
	served server1 server2 client1 client2
	judge 'lossless, expect("clamped"; [[$ENV.SMALL, 1]]; [.conns[] | select(.clamped > 0) | [(.lport | tostring), .clamped]])'
}

# bats test_tags=once
@test "what is a low value is a setting" {
	"$READER" set "$PROBE" low=100000
	serve server b "$ADDR2"
	ask client a "$ADDR2:${PORT[server]}" --requests 2 --interval 60000000
	served server
	judge 'expect("clamped"; 2; [.conns[].clamped, .rest.clamped] | add)'
}

# all_closed N: the kernel in b has told of so many zero windows since the beginning.
all_closed() {
	kernel | jq -e --argjson n "$1" --slurpfile was "$BATS_FILE_TMPDIR/kernel" \
		'[., $was[0] | .[$ENV.NETNS_b].TcpExtTCPToZeroWindowAdv] | .[0] - .[1] >= $n' >/dev/null
}

# bats test_tags=once
@test "connections that find no row are counted in the rest" {
	serve server9 b "$ADDR2" --conns 10 --request "$REQUEST" --think 60000000000
	ask_meanwhile client9 a "$ADDR2:${PORT[server9]}" --conns 10 --request "$REQUEST" --requests 2 --pipeline 2
	wait_for all_closed 10
	wait_for hurry 9
	served client9 server9
	judge 'reopened($kernel), expect("other losses"; 0; .losses | .no_memory + .backwards), expect("rows"; 12; .conns | length),
		between("without a row"; 1; .losses.table_full; .rest | .closed + .probes)'
	assert_eq "lines of text" 13 "$(wc -l <"$(pin_root)/tcp_window/conns")"
}
