#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# packet_drop against packets that are sure to be dropped, and the kernel's own counters:
#
#      namespace a                     namespace b
#    +----------------+              +----------------+
#    | sends          |----- veth ---| drops          |
#    +----------------+              +----------------+

# shellcheck disable=SC2016,SC2154 # jq's variables; those of net.bash

# bats file_tags=native

bats_require_minimum_version 1.5.0

setup_file() {
	load packet_drop.bash
	net_up a b
	probe_load packet_drop
	begin
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

teardown() {
	traffic_stop
}

@test "ports where nobody listens: UDP and TCP, IPv4 and IPv6" {
	local interface
	interface=$(on b ip -j link show ve0 | jq -r ".[0].ifindex")
	ends c.at=a c.open=4 c.to="$ADDR2,7777" c.send=5,10 d.open=6 d.to="$ADDR2_6,7777" d.send=4,20 >/dev/null
	knock 3 "$ADDR2" 7777
	knock 2 "$ADDR2_6" 7777
	INTERFACE=$interface judge 'expect("UDP"; {packets: 5, bytes: 90}; dropped("no_socket"; "__udp4_lib_rcv|udp_rcv"; "ipv4"; "udp")),
		expect("UDP, IPv6"; {packets: 4, bytes: 112}; dropped("no_socket"; "__udp6_lib_rcv|udpv6_rcv"; "ipv6"; "udp")),
		expect("TCP"; 3; dropped("no_socket"; "tcp_v4_rcv"; "ipv4"; "tcp").packets),
		expect("TCP, IPv6"; 2; dropped("no_socket"; "tcp_v6_rcv"; "ipv6"; "tcp").packets),
		expect("where"; [[$b, $ENV.INTERFACE]]; map(select(.map == "drops" and .labels.protocol == "tcp") | .labels
			| [.netns, (.ifindex | tostring)]) | unique)'
}

@test "a full receive buffer" {
	ends s.at=b s.open=4 s.bind="$ADDR2,7778" s.rcvbuf=4096 t.open=6 t.bind="$ADDR2_6,7778" t.rcvbuf=4096 \
		c.at=a c.open=4 c.to="$ADDR2,7778" c.send=40,500 d.open=6 d.to="$ADDR2_6,7778" d.send=40,500 >/dev/null
	judge 'expect("IPv4"; $kernel.b.UdpRcvbufErrors; dropped("socket_rcvbuff"; "__udp_queue_rcv_skb|udp_queue_rcv_one_skb"; "ipv4"; "udp").packets),
		expect("IPv6"; $kernel.b.Udp6RcvbufErrors; dropped("socket_rcvbuff"; "__udpv6_queue_rcv_skb|udpv6_queue_rcv_one_skb"; "ipv6"; "udp").packets),
		between("IPv4"; 1; 40; $kernel.b.UdpRcvbufErrors), between("IPv6"; 1; 40; $kernel.b.Udp6RcvbufErrors)'
}

@test "a firewall" {
	on b nft -f - <<-'END'
		table inet pinscope {
			chain in {
				type filter hook input priority 0;
				udp dport 7779 counter drop
			}
		}
	END
	ends s.at=b s.open=6 s.bind=::,7779 c.at=a c.open=4 c.to="$ADDR2,7779" c.send=7,10 \
		d.open=6 d.to="$ADDR2_6,7779" d.send=6,10 >/dev/null
	run -0 on b nft -j list table inet pinscope
	assert_eq "dropped, says the firewall" 13 "$(jq '[.. | .counter? // empty | .packets] | add' <<<"$output")"
	on b nft delete table inet pinscope
	judge 'expect("IPv4"; 7; dropped("netfilter_drop"; "nf_hook_slow|nft_do_chain"; "ipv4"; "udp").packets),
		expect("IPv6"; 6; dropped("netfilter_drop"; "nf_hook_slow|nft_do_chain"; "ipv6"; "udp").packets)'
}

@test "a wrong checksum" {
	ends c.at=a c.open=4 c.to="$ADDR2,7780" c.spoil=3,7780 >/dev/null
	judge 'expect("dropped"; 3; dropped("udp_csum"; "__udp4_lib_rcv|udp_rcv"; "ipv4"; "udp").packets),
		expect("kernel"; 3; $kernel.b.UdpInCsumErrors)'
}

# bats test_tags=once
@test "paused, or elsewhere: nothing is kept" {
	settings paused=on
	ends c.at=a c.open=4 c.to="$ADDR2,7781" c.send=5,10 >/dev/null
	settings paused=off netns="$NETNS_a"
	ends c.at=a c.open=4 c.to="$ADDR2,7781" c.send=4,10 >/dev/null
	settings netns="$NETNS_b"
	ends c.at=a c.open=4 c.to="$ADDR2,7781" c.send=3,10 >/dev/null
	settings netns=0
	judge 'expect("kept"; 3; dropped("no_socket"; "__udp4_lib_rcv|udp_rcv"; "ipv4"; "udp").packets)'
}

streamed() {
	(($(wc -l <"$(result tail)") >= 2))
}

# bats test_tags=once
@test "each drop as it happens" {
	settings netns="$NETNS_b" stream=on
	background tail - "$READER" tail packet_drop
	ends c.at=a c.open=4 c.bind="$ADDR1,7782" c.to="$ADDR2,7783" c.send=1,10 \
		d.open=6 d.bind="$ADDR1_6,7782" d.to="$ADDR2_6,7783" d.send=1,10 >/dev/null
	wait_for streamed
	settings netns=0 stream=off
	run -0 jq -sc '[.[] | select(.labels.protocol == "udp") | .labels.from, .labels.to, .labels.from_port, .labels.to_port, .length_bytes]' \
		"$(result tail)"
	assert_eq "events" "[\"$ADDR1\",\"$ADDR2\",7782,7783,18,\"$ADDR1_6\",\"$ADDR2_6\",7782,7783,18]" "$output"
}
