#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# stack_tx against delays of known length at each stage, and against what the kernel counts itself:
#
#      namespace a                          namespace b
#    +-----------------------+            +--------------------+
#    | client -> qdisc, ve0  |--- veth ---| ve0 (no qdisc)     |
#    +-----------------------+            +--------------------+
#
# Counts are exact, but for the runs of programs that the kernel left out and counts itself (recursion_misses:
# an interrupt came while the same program ran).

# shellcheck disable=SC2016,SC2153,SC2154 # variables of jq, traffic.bash and net.bash

bats_require_minimum_version 1.5.0

setup_file() {
	load stack_tx.bash
	need_traffic
	[[ -x $ROOT/build/tests/tun ]] || make -s -C "$ROOT" build/tests/tun
	net_up a b
	probe_load stack_tx
}

teardown_file() {
	load stack_tx.bash
	net_down
	probe_unload stack_tx
}

setup() {
	load stack_tx.bash
}

teardown() {
	traffic_stop
	for place in a b; do
		tc -n "$NET_ID-$place" qdisc del dev ve0 root 2>/dev/null || true
	done
}

@test "netem's delay is in the stage qdisc, and all counters agree: TCP over IPv4 and IPv6" {
	net_shape a netem delay 20ms
	begin
	converse "" "--requests 30"
	converse "" "--requests 30" "$ADDR2_6"
	judge '.losses as $losses | .series
		| ("ipv4", "ipv6") as $family
		| (of($a; {family: $family, protocol: "tcp", kind: "data"})
			| passed("requests"; 30; ["socket", "tcp", "ip", "qdisc"]), slow("requests"; 20e6; "qdisc"), quick("requests"; 5e6; ["socket", "tcp", "ip"])),
		(of($b; {family: $family, protocol: "tcp", kind: "data"})
			| passed("answers"; 30; ["socket", "tcp", "ip"]), quick("answers"; 5e6; ["socket", "tcp", "ip"])),
		(of($a; {protocol: "tcp"}) | expect("OutSegs"; $of_a.OutSegs;
			of($a; {kind: "data"}) + of($a; {kind: "control"}) | count("tcp"))),
		(of($b; {protocol: "tcp"}) | expect("OutSegs of b without the SYN-ACKs"; $of_b.OutSegs - 2;
			of($b; {kind: "data"}) + of($b; {kind: "control"}) | count("tcp"))),
		expect("packets of ve0"; $of_a.packets; of($a; {}) | count("total")),
		expect("losses"; 0; $losses | add)'
}

@test "tbf's delay is in the stage qdisc: UDP" {
	local start
	net_shape a tbf rate 80kbit burst 3000 limit 100000
	begin
	start=$EPOCHREALTIME
	datagrams a "$ADDR2" 10 1000
	# each is 1042 bytes, of which the first 3000 wait for nothing
	start=$((742000 - (${EPOCHREALTIME/./} - ${start/./})))
	judge '(.series | of($a; {family: "ipv4", protocol: "udp", kind: "data"})
			| passed("datagrams"; 10; ["socket", "ip", "qdisc"]), quick("datagrams"; 20e6; ["socket", "ip"]),
			expect("OutDatagrams"; $of_a.OutDatagrams; count("total")),
			least("longest in the queue"; '"${start}000"'; longest("qdisc"))),
		expect("losses"; 0; .losses | add)'
}

@test "a reader that does not read fills the socket's buffer: that is in the stage socket" {
	begin
	converse "--rcvbuf 4096 --read-delay 200000000 --request 20000" "--sndbuf 8192 --request 20000"
	judge '.series | of($a; {family: "ipv4", protocol: "tcp", kind: "data"})
		| least("longest in the socket"; 150e6; longest("socket")),
		(("tcp", "ip") as $s | most("longest in \($s)"; 100e6; longest($s)))'
}

# drops PLACE: what its qdisc dropped.
drops() {
	tc -n "$NET_ID-$1" -s -j qdisc show dev ve0 root | jq '.[0].drops'
}

@test "retransmissions are apart, and what a queue drops leaves nothing" {
	net_module cls_u32
	net_module act_gact
	net_shape b prio
	# every fifth answer: its length is that of 64 bytes of data and the headers
	tc -n "$NET_ID-b" filter add dev ve0 protocol ip u32 match u16 $((20 + 32 + 64)) 0xffff at 2 \
		action pass random determ drop 5 || skip "no gact in this kernel"
	begin
	converse "" "--requests 20"
	judge '.losses as $losses | .series
		| (of($a; {kind: "retransmission"}) | count("tcp")) as $by_a | (of($b; {kind: "retransmission"}) | count("tcp")) as $by_b
		| least("retransmissions in b"; 4; $by_b), least("dropped there"; 4; '"$(drops b)"'),
		expect("RetransSegs in a"; $of_a.RetransSegs; $by_a),
		expect("segments of b without the SYN-ACK and those dropped"; $of_b.OutSegs + $of_b.RetransSegs - 1 - '"$(drops b)"';
			of($b; {protocol: "tcp"}) | count("tcp")),
		least("RetransSegs in b, some of them dropped"; $by_b; $of_b.RetransSegs),
		(of($a; {protocol: "tcp", kind: "data"}) | passed("requests"; 20; ["socket", "tcp", "ip"])),
		expect("packets of ve0 in b"; $of_b.packets; of($b; {}) | count("qdisc")),
		expect("losses"; 0; $losses | add)'
}

@test "UDP over IPv4 and IPv6, on a cable and on the loopback" {
	begin
	datagrams a "$ADDR2" 7
	datagrams a "$ADDR2_6" 8
	datagrams a 127.0.0.1 9
	datagrams a ::1 10
	judge '.losses as $losses | .series | of($a; {protocol: "udp", kind: "data"})
		| (({ifindex: 1, family: "ipv4", n: 9}, {ifindex: 1, family: "ipv6", n: 10},
			{ifindex: 2, family: "ipv4", n: 7}, {ifindex: 2, family: "ipv6", n: 8}) as $of
			| of($a; $of | del(.n)) | passed("datagrams \($of)"; $of.n; ["socket", "ip"])),
		expect("OutDatagrams"; $of_a.OutDatagrams; of($a; {family: "ipv4"}) | count("total")),
		expect("Udp6OutDatagrams"; $of_a.Udp6OutDatagrams; of($a; {family: "ipv6"}) | count("total")),
		expect("losses"; 0; $losses | add)'
}

#      c                 d                        e
#    +-----+          +----------------+       +-----+
#    | ve0 |-- veth --| ve0  br0  ve1  |- veth-| ve0 |
#    +-----+          +----------------+       +-----+
@test "through a bridge: the same packet at each interface it leaves by" {
	net_module bridge
	net_up c d
	ip netns add "$NET_ID-e"
	ip link add ve1 netns "$NET_ID-d" type veth peer name ve0 netns "$NET_ID-e"
	net_one e 3
	ip -n "$NET_ID-d" link add br0 type bridge || skip "no bridge in this kernel"
	ip -n "$NET_ID-d" addr flush dev ve0
	ip -n "$NET_ID-d" addr add "$ADDR2/24" dev br0
	for port in ve0 ve1; do
		ip -n "$NET_ID-d" link set "$port" master br0 up
	done
	ip -n "$NET_ID-d" link set br0 up
	serve server e 10.77.0.3
	begin
	ask client c "10.77.0.3:${PORT[server]}" --requests 20
	served server
	datagrams d 10.77.0.3 5
	judge '.losses as $losses | .series
		| (of('"$NETNS_c"'; {protocol: "tcp", kind: "data"}) | passed("requests, in the container"; 20; ["socket", "tcp", "ip"])),
		(of('"$NETNS_d"'; {ifindex: '"$(index_of d ve1)"', protocol: "tcp", kind: "data"}) | passed("requests, at the host"; 20; ["forward"])),
		(of('"$NETNS_d"'; {ifindex: '"$(index_of d ve0)"', protocol: "tcp", kind: "data"}) | passed("answers, at the host"; 20; ["forward"])),
		(of('"$NETNS_d"'; {ifindex: '"$(index_of d br0)"', protocol: "udp", kind: "data"}) | passed("datagrams, at the bridge"; 5; ["socket", "ip"])),
		(of('"$NETNS_d"'; {ifindex: '"$(index_of d ve1)"', protocol: "udp", kind: "data"}) | passed("datagrams, at the port"; 5; ["forward"])),
		expect("losses"; 0; $losses | add)'
}

@test "a driver that frees a packet late: that is in the stage completion" {
	net_module tun
	background tun a "$ROOT/build/tests/tun" tun0 100 3
	wait_for grep -q ready "$(result tun)"
	on a sh -c 'echo 1 >/proc/sys/net/ipv6/conf/tun0/disable_ipv6'
	ip -n "$NET_ID-a" addr add 10.78.0.1/24 dev tun0
	ip -n "$NET_ID-a" link set tun0 up
	begin
	datagrams a 10.78.0.2 3
	served tun
	judge '.losses as $losses | .series | of($a; {family: "ipv4", protocol: "udp", kind: "data"})
		| passed("datagrams"; 3; ["socket", "ip", "qdisc"]), expect("completions"; 3; count("completion")),
		slow("datagrams"; 100e6; "completion"), expect("losses"; 0; $losses | add)'
}

@test "a network card frees a packet when it has sent it, and counts as many" {
	cards_up a b || skip "no network cards"
	local packets index
	packets=$(link_packets a "$CARD_a" tx)
	index=$(ip -n "$NET_ID-a" -j link show dev "$CARD_a" | jq '.[0].ifindex') # its name may be that of tun0, if it has its number
	begin
	datagrams a 10.79.0.2 20
	converse "" "--requests 20" 10.79.0.2
	packets=$(($(link_packets a "$CARD_a" tx) - packets))
	judge '.losses as $losses | .series | of($a; {ifindex: '"$index"'})
		| (of($a; {protocol: "udp", kind: "data"}) | passed("datagrams"; 20; ["socket", "ip", "qdisc"])),
		(of($a; {protocol: "tcp", kind: "data"}) | passed("requests"; 20; ["socket", "tcp", "ip", "qdisc"])),
		expect("packets of the interface"; '"$packets"'; count("total")),
		expect("completions"; '"$packets"'; count("completion")),
		expect("losses"; 0; $losses | add)'
}

@test "settings: what is left out is left out whole" {
	pinscope set stack_tx port=8
	begin
	datagrams a "$ADDR2" 3
	datagrams a "$ADDR2" 4 1 8
	judge '(.series | passed("to this port"; 4; ["socket", "ip"])), expect("losses"; 0; .losses | add)'
	pinscope set stack_tx port=0 sample=5
	begin
	datagrams a "$ADDR2" 100
	judge '.series | of($a; {protocol: "udp"}) | expect("stages"; count("total"); count("socket")),
		least("1 in 5 of 100"; 4; count("total")), most("1 in 5 of 100"; 40; count("total"))'
	pinscope set stack_tx sample=1 paused=on
	begin
	datagrams a "$ADDR2" 3
	judge '(.series | expect("paused"; 0; count("total"))), expect("losses"; 0; .losses | add)'
	pinscope set stack_tx paused=off
}
