#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# stack_rx against sockets that say what they did, and the kernel's own counters:
#
#      namespace a                     namespace b                  namespace m
#    +----------------+              +----------------+           +-------------+
#    | udp, traffic   |----- veth ---| udp, traffic   |           |     br0     |
#    |            ve1 |------------- | ve1 -------------- veth -- | m0       m1 |-- veth -- a's ve1
#    |        CARD_a  |--- virtio ---| CARD_b         |           +-------------+
#    +----------------+              +----------------+
#
# Counts are exact, and the stages of a packet add up to its total to the nanosecond.

# shellcheck disable=SC2016,SC2154 # jq's variables; those of net.bash

bats_require_minimum_version 1.5.0

setup_file() {
	load stack_rx.bash
	need_traffic
	net_up a b
	cards_up a b || true
	probe_load stack_rx
}

teardown_file() {
	load stack_rx.bash
	net_down
	probe_unload stack_rx
	probe_unload stack_rx_few
}

setup() {
	load stack_rx.bash
	begin
}

teardown() {
	traffic_stop
	[[ ! -d $(pin_root)/stack_rx ]] || settings sample=1 netns=0 ifindex=0 paused=off
}

@test "UDP across a cable, IPv4 and IPv6: each stage has each datagram, and they add up to the total" {
	local in in6
	in=$(snmp b UdpInDatagrams)
	in6=$(snmp b Udp6InDatagrams)
	datagrams 40 a b "$ADDR2" 7000
	datagrams 30 a b "$ADDR2_6" 7000
	assert_eq "the kernel's datagrams" "40 30" "$(($(snmp b UdpInDatagrams) - in)) $(($(snmp b Udp6InDatagrams) - in6))"
	judge 'lossless, expect("ways"; ["\($b) ve0 ipv4 udp", "\($b) ve0 ipv6 udp"]; .ways | keys),
		complete("\($b) ve0 ipv4 udp"; "backlog link ip transport socket"; 40),
		complete("\($b) ve0 ipv6 udp"; "backlog link ip transport socket"; 30)'
	run -0 pinscope show stack
	assert_eq "stages shown" "$(printf '%s\n' {,}{backlog,link,ip,transport,socket,total})" \
		"$(awk 'NF > 5 && $2 ~ /^[34]0$/ { print $1 }' <<<"$output")" "$output"
}

@test "UDP on the loopback; the difference of two snapshots has the stages of what came between" {
	dump >"$BATS_TEST_TMPDIR/one"
	datagrams 20 a a 127.0.0.1 7001
	datagrams 20 a a ::1 7001
	dump >"$BATS_TEST_TMPDIR/two"
	judge 'lossless, complete("\($a) lo ipv4 udp"; "backlog link ip transport socket"; 20),
		complete("\($a) lo ipv6 udp"; "backlog link ip transport socket"; 20)'
	run -0 "$READER" diff "$BATS_TEST_TMPDIR"/{one,two}
	assert_eq "stages shown" "$(printf '%s 20\n' {,}{backlog,link,ip,transport,socket,total})" \
		"$(awk '$2 == 20 { print $1, $2 }' <<<"$output")" "$output"
}

@test "TCP: as many segments as the kernel counts, as many reads as requests" {
	local address family before after
	for family in ipv4 ipv6; do
		[[ $family == ipv4 ]] && address=$ADDR2 || address=$ADDR2_6
		before=$(snmp b TcpInSegs)
		converse "" "--requests 30" "$address"
		after=$(snmp b TcpInSegs)
		judge '"\($b) ve0 \($family) tcp" as $way | .ways[$way] as $w | lossless,
			expect("segments"; [$segs, $segs, $segs]; [$w.backlog.count, $w.link.count, $w.ip.count | tostring]),
			expect("reads"; [30, 30]; [$w.socket.count, $w.total.count]),
			between("data, and a FIN"; 30; 31; $w.transport.count)' \
			segs="$((after - before))" family="$family"
	done
}

@test "TCP in bulk: segments merged in the queue share a socket stage, and nothing is lost" {
	local segs
	segs=$(snmp b TcpInSegs)
	converse "--request 1000000" "--request 1000000 --requests 2"
	judge '.ways["\($b) ve0 ipv4 tcp"] as $w | lossless, expect("segments"; $segs; $w.ip.count),
		between("read"; 1; $w.transport.count; $w.socket.count), expect("ends"; $w.socket.count; $w.total.count),
		between("longest"; 1; $elapsed; $w.total.max)' segs:=$(($(snmp b TcpInSegs) - segs)) elapsed:="$(got client .elapsed_ns)"
}

@test "a reader that sleeps before it reads moves the last stage only: UDP" {
	datagrams 3 a b "$ADDR2" 7002 s.pause=100
	judge '.ways["\($b) ve0 ipv4 udp"] as $w | lossless, complete("\($b) ve0 ipv4 udp"; "backlog link ip transport socket"; 3),
		between("socket"; 300e6; 2e9; $w.socket.sum), between("the others"; 1; 100e6; $w.total.sum - $w.socket.sum)'
}

@test "a reader that sleeps before it reads moves the last stage only: TCP" {
	converse "--read-delay 100000000" "--requests 3"
	judge '.ways["\($b) ve0 ipv4 tcp"] as $w | lossless, expect("reads"; 3; $w.socket.count),
		between("socket"; 300e6; 2e9; $w.socket.sum), between("the others"; 1; 100e6; $w.total.sum - $w.socket.sum)'
}

@test "RPS: another processor takes the packets from its backlog, which moves that stage only" {
	(($(nproc) > 1)) || skip "one processor"
	local others
	others=$(rps_received)
	taskset -cp 0 $$
	datagrams 60 a b "$ADDR2" 7003
	came >"$BATS_FILE_TMPDIR/one.json"
	rps_to b 2
	datagrams 60 a b "$ADDR2" 7003
	rps_to b 0
	assert_between "packets given to another processor" 60 70 $(($(rps_received) - others))
	judge '"\($b) ve0 ipv4 udp" as $way | ($one | .ways[$way]) as $one | .ways[$way] as $two | lossless,
		complete($way; "backlog link ip transport socket"; 60),
		between("median of the backlog"; 2 * $one.backlog.p50; 1e9; $two.backlog.p50),
		(("link", "ip", "transport") as $stage | between("median of \($stage)"; $one[$stage].p50 / 3; $one[$stage].p50 * 3; $two[$stage].p50))' \
		one:="$(<"$BATS_FILE_TMPDIR/one.json")"
}

@test "through a bridge: the container's part and the host's, each under its interface; forwarding leaves nothing" {
	bridge_up
	datagrams 1 a b 10.78.0.2 7004 # and whatever ARP has to say
	datagrams 1 a m 10.78.0.3 7004
	begin
	datagrams 20 a b 10.78.0.2 7004
	judge 'lossless, expect("ways"; ["\($b) ve1 ipv4 udp"]; .ways | keys),
		complete("\($b) ve1 ipv4 udp"; "backlog link ip transport socket"; 20)'
	datagrams 20 a m 10.78.0.3 7004
	judge 'lossless, expect("ways"; ["\($ENV.NETNS_m) br0 ipv4 udp"]; .ways | keys),
		complete("\($ENV.NETNS_m) br0 ipv4 udp"; "link ip transport socket"; 20)'
}

@test "dropped packets go as far as they went, and leave nothing behind" {
	local errors
	errors=$(snmp b UdpRcvbufErrors)
	ends s.at=b s.open=4 s.bind="$ADDR2,7005" s.rcvbuf=2304 c.at=a c.open=4 c.to="$ADDR2,7005" c.send=40,500 \
		s.drain=100 c.to="$ADDR2,7006" c.send=5,64 >"$BATS_TEST_TMPDIR/said"
	errors=$(($(snmp b UdpRcvbufErrors) - errors))
	assert_between "datagrams that found no room" 1 39 "$errors"
	judge '.ways["\($b) ve0 ipv4 udp"] as $w | lossless, expect("stages";
			{backlog: 45, link: 45, ip: 45, transport: 40, socket: (40 - $errors), total: (40 - $errors)} | tojson;
			$w | counts | tojson)' errors:="$errors"
	datagrams 20 a b "$ADDR2" 7005
	judge 'lossless, complete("\($b) ve0 ipv4 udp"; "backlog link ip transport socket"; 20)'
}

@test "settings: one in four, of one namespace, of one interface, none" {
	local i=0
	settings sample=4
	while ((i++ < 4)); do
		datagrams_at_once 100 a b "$ADDR2" 7007
	done
	# A hundred at once: now and then two have one place.
	judge '.ways["\($b) ve0 ipv4 udp"] as $w | between("one in four of 400"; 56; 144; $w.transport.count),
		expect("stages"; [range(4) | $w.transport.count]; [$w | .backlog, .link, .ip, .transport | .count]),
		between("overwritten"; $w.transport.count - $w.total.count; 20; .losses.overwritten)'
	settings sample=1 netns="$NETNS_a"
	datagrams 5 a b "$ADDR2" 7007
	datagrams 5 b a "$ADDR1" 7007
	judge 'lossless, expect("ways"; ["\($a) ve0 ipv4 udp"]; .ways | keys)'
	settings ifindex=1
	datagrams 5 b a "$ADDR1" 7007
	datagrams 5 a a 127.0.0.1 7007
	judge 'lossless, expect("ways"; ["\($a) lo ipv4 udp"]; .ways | keys)'
	settings netns=0 ifindex=0 paused=on
	datagrams 5 a b "$ADDR2" 7007
	settings paused=off
	judge 'lossless, expect("ways"; []; .ways | keys)'
	datagrams 5 a b "$ADDR2" 7007
	judge 'lossless, complete("\($b) ve0 ipv4 udp"; "backlog link ip transport socket"; 5)'
}

@test "a network card: its interrupt, its softirq, its driver and GRO" {
	local line i
	card_up || skip "no network card"
	exec {echo}<>/dev/tcp/10.0.2.100/7
	for ((i = 0; i < 30; i++)); do
		echo "$i" >&"$echo"
		read -r -t 30 -u "$echo" line
		assert_eq "echo" "$i" "$line"
	done
	exec {echo}>&-
	judge '.ways["\($host) \($card) ipv4 tcp"] as $w | lossless, expect("reads"; 30; $w.socket.count),
		expect("polls"; [$w.irq.count, $w.irq.count]; [$w.softirq.count, $w.driver.count]),
		expect("packets"; [$w.gro.count, $w.gro.count]; [$w.link.count, $w.ip.count]),
		between("of an interrupt"; 1; $w.gro.count; $w.irq.count)' host="$(stat -L -c %i /proc/self/ns/net)" card="$CARD"
	ip addr flush dev "$CARD"
	ip link set "$CARD" down
}

@test "two network cards on a cable: every stage, and as many packets as the interface and the protocols count" {
	[[ -n ${CARD_b-} ]] || skip "no network cards"
	local packets segs in
	packets=$(link_packets b "$CARD_b" rx) segs=$(snmp b TcpInSegs) in=$(snmp b UdpInDatagrams)
	datagrams 30 a b 10.79.0.2 7009
	converse "" "--requests 20" 10.79.0.2
	judge '.ways["\($b) \($card) ipv4 udp"] as $u | .ways["\($b) \($card) ipv4 tcp"] as $t | lossless,
		expect("datagrams"; [$in, $in, $in, $in, $in, $in]; [$u | .gro, .link, .ip, .transport, .socket, .total | .count]),
		expect("sum of their stages"; $u.total.sum; [$u | del(.total)[].sum] | add),
		expect("segments"; [$segs, $segs, $segs]; [$t | .gro, .link, .ip | .count]), expect("reads"; 20; $t.total.count),
		expect("packets of the interface"; $packets; $u.gro.count + $t.gro.count),
		(($u, $t) | expect("polls"; [.irq.count, .irq.count]; [.softirq.count, .driver.count]), between("of an interrupt"; 1; .gro.count; .irq.count))' \
		card="$CARD_b" packets:=$(($(link_packets b "$CARD_b" rx) - packets)) segs:=$(($(snmp b TcpInSegs) - segs)) \
		in:=$(($(snmp b UdpInDatagrams) - in))
}

@test "softirqs that work long on the card's processor move the stage softirq only" {
	[[ -n ${CARD_b-} ]] || skip "no network cards"
	(($(nproc) > 1)) || skip "one processor"
	local irq
	while IFS=' :' read -r irq _; do
		echo 0 >"/proc/irq/$irq/smp_affinity_list"
	done < <(grep 'virtio.*-input' /proc/interrupts)
	taskset -cp 1 $$ >/dev/null
	datagrams 40 a b 10.79.0.2 7010
	came >"$BATS_FILE_TMPDIR/one.json"
	long_softirqs 0 a
	datagrams 40 a b 10.79.0.2 7010
	traffic_stop
	judge '"\($b) \($card) ipv4 udp" as $way | ($one | .ways[$way]) as $one | .ways[$way] as $two
		| expect("datagrams"; 40; $two.total.count), between("of an interrupt"; 20; 40; $two.irq.count),
		between("median of softirq"; 4 * $one.softirq.p50; 1e9; $two.softirq.p50),
		# (Under emulation all that is not run all the time is slower, by some microseconds, or more on a busy machine.)
		(("irq", "driver", "gro", "link", "ip", "transport") as $stage | between("how much the median of \($stage) grew, of that of softirq";
			-0.5; 0.5; ($two[$stage].p50 - $one[$stage].p50) / ($two.softirq.p50 - $one.softirq.p50)))' \
		card="$CARD_b" one:="$(<"$BATS_FILE_TMPDIR/one.json")"
}

@test "a table of 8 places loses what it says it lost, and pairs nothing wrongly" {
	probe_unload stack_rx
	PINSCOPE_OBJECTS=$ROOT/build/fixture probe_load stack_rx_few
	local -x PROBE=stack_rx_few
	begin
	datagrams_at_once 60 a b "$ADDR2" 7008
	judge '.ways["\($b) ve0 ipv4 udp"] as $w | expect("transport"; 60; $w.transport.count),
		between("lost"; 52; 59; .losses.overwritten), expect("read and lost"; 60; $w.total.count + .losses.overwritten),
		expect("socket"; $w.total.count; $w.socket.count),
		between("longest"; 1; $elapsed; $w.total.max)' elapsed:="$(jq .elapsed_ns "$BATS_TEST_TMPDIR/said")"
}
