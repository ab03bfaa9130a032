#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# udp_traffic with 8 rows for sockets and 16 places for times: what has no place of its own is missing
# there and counted as that, and totals are right. The namespaces are drawn in net.bash.

# bats file_tags=once

# shellcheck disable=SC2016,SC2154 # jq's variables; those of net.bash

bats_require_minimum_version 1.5.0

setup_file() {
	load udp_traffic.bash
	net_up a b
	probe_load udp_traffic --map-entries sockets=8 --map-entries arrivals=16
}

teardown_file() {
	load udp_traffic.bash
	net_down
	probe_unload udp_traffic
}

setup() {
	load udp_traffic.bash
}

@test "30 sockets share 8 rows, 100 packets wait in 16 places" {
	local socket port=7100 sends=() reads=()
	for socket in {a..o}; do
		sends+=("$socket.at=b" "$socket.open=4" "$socket.bind=$ADDR2,$port"
			z.at=a z.open=4 "z.to=$ADDR2,$port" "z.send=6,10")
		reads+=("$socket.recv=6")
		((port += 1))
	done
	talk "${sends[@]}" "${reads[@]}"
	judge '(map(select(.map == "sockets" or .map == "rest")) | def total(f): map(f) | add;
			expect("rows"; 9; length), expect("sent, bytes"; [90, 900]; [total(.sent), total(.sent_bytes)]),
			expect("arrived, received, bytes"; [90, 90, 900]; [total(.arrived), total(.received), total(.received_bytes)])),
		(map(select(.map == "read_delay"))[0] as $delay | expect("timed or lost"; 90; $delay.count + loss("untimed")),
			between("timed"; 1; 16; $delay.count),
			expect("in rows and rest"; $delay.count; map(select(.map == "sockets" or .map == "rest").read_delay.count) | add)),
		between("events without a row"; 180; 270; loss("table_full")), expect("other losses"; 0; loss("busy") + loss("backwards"))'
}

none_open() {
	"$READER" dump --json --map sockets --filter 'state = open' udp_traffic | jq -es 'any(.type == "row") | not' >/dev/null
}

@test "rows of sockets that were closed are used again, their numbers kept in the rest" {
	wait_for none_open
	talk s.at=b s.open=4 s.bind="$ADDR2,7200" c.at=a c.open=4 c.to="$ADDR2,7200" c.send=10,10 s.recv=10
	judge 'fits("s"; $b; 7200; {arrived: 10, timed: row($b; 7200).read_delay.count}),
		expect("sent"; 100; map(select(.map == "sockets" or .map == "rest").sent) | add),
		expect("received"; 100; map(select(.map == "sockets" or .map == "rest").received) | add)'
}
