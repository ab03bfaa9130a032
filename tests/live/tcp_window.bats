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
	probe_load tcp_window --map-entries conns=8
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

@test "a reader that pauses: its window is closed so long, and probed so long" {
	think_over 4 "$ADDR2" 700000000
	think_over 6 "[$ADDR2_6]" 700000000
	served client4 client6 server4 server6
	judge 'lossless, reopened($kernel),
		expect("closed"; [$ENV.ADDR2, $ENV.ADDR2_6]; [.conns | at($ENV.NETNS_b; .closed > 0).local] | sort),
		expect("probed"; [$ENV.ADDR2, $ENV.ADDR2_6]; [.conns | at($ENV.NETNS_a; .peer_closed > 0).remote] | sort),
		between("windows probed"; 2; 4; [.conns[].peer_closed] | add),
		between("longest closed"; 600000000; 800000000; .durations.closed.max_ns),
		between("soonest probe"; 200000000; 400000000; .durations.probed.slots[0][0]),
		between("latest probe"; 200000000; .durations.closed.max_ns; .durations.probed.max_ns)'
}

@test "a connection that ends ends what was closed" {
	think_over 4 "$ADDR2" 60000000000
	wait_for seen 'closed > 0' b
	wait_for seen 'probes > 0' a
	kill -KILL "${SERVER[client4]}"
	kill "${SERVER[server4]}"
	wait "${SERVER[client4]}" "${SERVER[server4]}" || true
	judge 'lossless, expect("not opened"; 1; .durations.closed.count - ($kernel | together.TcpExtTCPFromZeroWindowAdv))'
}

# hurry SERVER CLIENT: it has thought enough, and the client its answer.
hurry() {
	kill -USR1 "${SERVER[$1]}" 2>/dev/null || true
	[[ -s $(result "$2") ]]
}

@test "a small buffer clamps the window, a large one does not" {
	serve small b "$ADDR2" --rcvbuf 16384 --think 60000000000
	serve large b "$ADDR2" --think 60000000000
	export SMALL=${PORT[small]}
	ask_meanwhile client1 a "$ADDR2:$SMALL"
	ask_meanwhile client2 a "$ADDR2:${PORT[large]}"
	wait_for seen "lport = $SMALL" b
	assert_between "limit of the small" 1 32767 "$(rcv_ssthresh "$SMALL")"
	assert_between "limit of the large" 32768 131072 "$(rcv_ssthresh "${PORT[large]}")"
	wait_for hurry small client1
	wait_for hurry large client2
	served small large client1 client2
	judge 'lossless, expect("clamped"; [[$ENV.SMALL, 1]]; [.conns[] | select(.clamped > 0) | [(.lport | tostring), .clamped]])'
}

@test "what is a low value is a setting" {
	"$READER" set "$PROBE" low=100000
	serve server b "$ADDR2"
	ask client a "$ADDR2:${PORT[server]}" --requests 2 --interval 60000000
	served server
	judge 'lossless, expect("clamped"; [1, 1]; ($ENV.NETNS_a, $ENV.NETNS_b) as $netns | [.conns | at($netns; true).clamped] | add)'
}

@test "a filter on the namespace keeps one end" {
	"$READER" set "$PROBE" "netns=${NETNS_a?}"
	think_over 4 "$ADDR2" 400000000
	served client4 server4
	"$READER" set "$PROBE" netns=0
	dump >"$BATS_TEST_TMPDIR/now"
	"$READER" diff --json "$BATS_FILE_TMPDIR/before" "$BATS_TEST_TMPDIR/now" |
		jq -en -L "$HERE" 'include "tcp_window"; [inputs] | summary | [.conns[], .rest] | add_stats
			| .probes > 0 and .closed == 0'
}

@test "connections that find no row are counted in the rest" {
	serve server b "$ADDR2" --conns 10 --request "$REQUEST" --think 500000000
	ask client a "$ADDR2:${PORT[server]}" --conns 10 --request "$REQUEST" --requests 2 --pipeline 2
	served server
	judge 'reopened($kernel), expect("other losses"; 0; .losses | .no_memory + .backwards), expect("rows"; 8; .conns | length),
		between("closed in the rest"; 1; 100; .rest.closed), between("probes in the rest"; 1; 100; .rest.probes),
		between("closed"; 10; 100; [.conns[].closed, .rest.closed] | add)'
	assert_eq "lines of text" 9 "$(wc -l <"$(pin_root)/tcp_window/conns")"
}
