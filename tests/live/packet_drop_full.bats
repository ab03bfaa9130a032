#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# packet_drop with 2 rows: what has none is in the rest, and totals are right. The namespaces are
# drawn in net.bash.

# bats file_tags=once

# shellcheck disable=SC2016,SC2154 # jq's variables; those of net.bash

bats_require_minimum_version 1.5.0

setup_file() {
	load packet_drop.bash
	net_up a b
	# Nothing but what is sent here: no IPv6 by itself, and other namespaces do not count.
	net_sysctl a net.ipv6.conf.all.disable_ipv6=1
	net_sysctl b net.ipv6.conf.all.disable_ipv6=1
	probe_load packet_drop --map-entries drops=2
	settings netns="$NETNS_b"
}

teardown_file() {
	load packet_drop.bash
	net_down
	probe_unload packet_drop
}

setup() {
	load packet_drop.bash
	counters before
}

@test "three kinds of drops in two rows" {
	begin
	knock 3 "$ADDR2" 7777
	ends c.at=a c.open=4 c.to="$ADDR2,7777" c.send=5,10 s.at=b s.open=4 s.bind="$ADDR2,7778" s.rcvbuf=4096 \
		c.to="$ADDR2,7778" c.send=40,500 s.drain=100 >/dev/null
	# Where it is dropped a SYN is 40 bytes long, a datagram to nobody has its header of 8, one to a full socket has not.
	judge '(map(select(.map == "rest")) | total.packets) as $rest
		| ([$begin[] | select(.map == "drops" or .map == "rest")] | total) as $was
		| (map(select(.map == "drops" or .map == "rest")) | total) as $all
		| expect("all"; 8 + $kernel.b.UdpRcvbufErrors; $all.packets - $was.packets),
		expect("bytes of all"; 3 * 40 + 5 * 18 + 500 * $kernel.b.UdpRcvbufErrors; $all.bytes - $was.bytes),
		expect("without a row"; $rest; map(select(.map == "losses" and .labels.reason == "table_full"))[0].count),
		between("without a row"; 1; 8 + $kernel.b.UdpRcvbufErrors; $rest)'
}
