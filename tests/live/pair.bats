#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# The probes of the network in two guests that are joined by virtio network cards (tests/vm/pair), each with a kernel
# and clocks of its own:
#
#      this guest: namespace a           the second guest: namespace b
#    +-------------------------+       +-------------------------+
#    | client       ve0, netem |-------| ve0, netem       server |
#    +-------------------------+       +-------------------------+
#
# Counts are exact; what one guest saw leave, the other saw arrive.

# bats file_tags=pair

# shellcheck disable=SC2016,SC2154 # jq's variables; those of the helpers

bats_require_minimum_version 1.5.0

setup_file() {
	load pair.bash
	need_traffic
	pair_up
	in_both "$PINSCOPE" load stack_rx stack_tx tcp_conn tcp_latency
}

teardown_file() {
	load pair.bash
	in_both "$PINSCOPE" unload all
	net_down
}

teardown() {
	traffic_stop
	for place in a b; do
		on "$place" tc qdisc del dev ve0 root 2>/dev/null || true
	done
}

# sent_there: packets that stack_tx saw leave namespace b, and runs that it missed.
sent_there() {
	"$THERE" "$READER" dump --json stack_tx | jq -n '[inputs] | [
		(map(select(.map == "stages" and .labels.stage == "total" and "\(.labels.netns)" == $ENV.NETNS_b).delay.count) | add // 0),
		(map(select(.type == "identity").probes[0].recursion_misses[]) | add // 0)]'
}

@test "received packets: every stage from the interrupt to the read, as many as the card, the protocols and the sender count" {
	load stack_rx.bash
	load pair.bash
	local packets segs sent
	begin
	packets=$(link_packets a ve0 rx) segs=$(snmp a TcpInSegs) sent=$(sent_there)
	echoes 20 "$ADDR1" "$ADDR2"
	echoes 20 "$ADDR1_6" "$ADDR2_6"
	converse "" "--requests 20"
	converse "" "--requests 20" "[$ADDR2_6]"
	wait_for still a
	judge '(.ways | with_entries(select(.key | startswith("\($a) ")))) as $ways | lossless,
		expect("ways"; ["\($a) ve0 \("ipv4", "ipv6") \("tcp", "udp")"] | sort; $ways | keys),
		($ways[] | expect("polls"; [.irq.count, .irq.count]; [.softirq.count, .driver.count]),
			between("of an interrupt"; 1; .gro.count; .irq.count),
			expect("packets"; [.gro.count, .gro.count]; [.link.count, .ip.count]),
			expect("read"; [20, 20]; [.socket.count, .total.count])),
		($ways["\($a) ve0 \("ipv4", "ipv6") udp"] | expect("datagrams"; [20, 20]; [.gro.count, .transport.count]),
			expect("sum of their stages"; .total.sum; [del(.total)[].sum] | add)),
		expect("segments"; $segs; [$ways["\($a) ve0 \("ipv4", "ipv6") tcp"].gro.count] | add),
		expect("packets of the card"; $packets; [$ways[].gro.count] | add),
		between("packets that left there"; $packets - ($sent_now[1] - $sent[1]); $packets; $sent_now[0] - $sent[0])' \
		packets:=$(($(link_packets a ve0 rx) - packets)) segs:=$(($(snmp a TcpInSegs) - segs)) sent:="$sent" sent_now:="$(sent_there)"
}

@test "a reader that sleeps before it reads moves the last stage only" {
	load stack_rx.bash
	load pair.bash
	begin
	converse "" "--read-delay 100000000 --requests 5"
	judge '.ways["\($a) ve0 ipv4 tcp"] as $w | lossless, expect("reads"; 5; $w.socket.count),
		between("socket"; 500e6; $elapsed; $w.socket.sum),
		($w | del(.socket, .total) | to_entries[] | between("median of \(.key)"; 0; 50e6; .value.p50))' \
		elapsed:="$(got client .elapsed_ns)"
}

@test "sent packets: as many to the card's completion as card and protocols count; netem's delay is in the stage qdisc only" {
	load stack_tx.bash
	load pair.bash
	net_shape a netem delay 100ms
	begin
	datagrams a "$ADDR2" 10
	datagrams a "$ADDR2_6" 10
	converse "" "--requests 10"
	converse "" "--requests 10" "[$ADDR2_6]"
	judge '.losses as $losses | .series | of($a; {ifindex: '"$(index_of a ve0)"'})
		| (("ipv4", "ipv6") as $family
			| (of($a; {family: $family, protocol: "udp", kind: "data"}) | passed("\($family) datagrams"; 10; ["socket", "ip", "qdisc"])),
			(of($a; {family: $family, protocol: "tcp", kind: "data"}) | passed("\($family) requests"; 10; ["socket", "tcp", "ip", "qdisc"]))),
		(of($a; {kind: "data"}) | slow("data"; 100e6; "qdisc"), quick("data"; 50e6; ["socket", "tcp", "ip", "completion"])),
		expect("segments"; $of_a.OutSegs; of($a; {protocol: "tcp"}) | of($a; {kind: "data"}) + of($a; {kind: "control"}) | count("tcp")),
		expect("segments sent again"; $of_a.RetransSegs; of($a; {kind: "retransmission"}) | count("tcp")),
		expect("packets of the card"; $of_a.packets; count("total")),
		expect("completions"; $of_a.packets; count("completion")),
		expect("losses"; 0; $losses | add)'
}

# kernels: what both count in their namespaces.
kernels() {
	printf '{"a": %s, "b": %s}' "$(on a nstat -asz -j)" "$(on b nstat -asz -j)"
}

# talk_in_rounds ADDRESS BYTES: each request and answer has that many.
talk_in_rounds() {
	wait_for still a
	wait_for still b
	BEFORE=$(kernels)
	serve server b "$1" --request "$2" --answer "$2"
	ask_in_rounds client a "$1:${PORT[server]}" --requests 10 --request "$2" --answer "$2"
	ask_again client
}

# mirrored STATES DROPPED-HERE DROPPED-THERE: what each end has sent the other one received, or it was dropped. (To a server's
# row belongs one SYN, and no SYN-ACK.)
mirrored() {
	local wrong
	wrong=$(conns | jq -nr -L "$HERE" --argjson port "${PORT[server]}" --argjson was "$BEFORE" --argjson is "$(kernels)" \
		--arg states "$1" --argjson drops "[$2, $3]" '
		include "judge";
		def grew($place; $name): $is[$place].kernel[$name] - $was[$place].kernel[$name];
		[inputs] | map(select(.role == "client" and .rport == $port))[0] as $c | map(select(.role == "server" and .lport == $port))[0] as $s
		| expect("ends"; [$c | .local, .remote]; [$s | .remote, .local]),
		expect("states"; $states; [$c, $s | .state, .reason] | join(" ")),
		expect("bytes to the server"; $c.bytes_sent - $c.bytes_retrans; $s.bytes_received),
		expect("bytes to the client"; $s.bytes_sent - $s.bytes_retrans; $c.bytes_received),
		expect("segments to the server"; $c.segs_out; $s.segs_in + grew("a"; "TcpExtTCPSynRetrans") + $drops[0]),
		expect("segments to the client"; $s.segs_out + 1 + grew("b"; "TcpExtTCPSynRetrans"); $c.segs_in + $drops[1]),
		expect("sent again"; [grew("a", "b"; "TcpRetransSegs")]; [$c, $s | .retrans])') || return
	assert_eq "wrong" "" "$wrong"
}

@test "a connection's rows in both guests mirror each other: bytes, segments, how it ended" {
	load tcp_conn.bash
	load pair.bash
	READER=both
	for address in "$ADDR2" "[$ADDR2_6]"; do
		talk_in_rounds "$address" 20000
		wait_for mirrored "established none established none" 0 0
		ask_no_more client
		served server
		all_closed
		assert_eq "ends" "local_fin 200000 200000 remote_fin 200000 200000" "$({
			of_port "${PORT[server]}" client
			of_port "${PORT[server]}" server
		} | jq -r '.reason, .bytes_sent - .bytes_retrans, .bytes_received' | paste -sd ' ')"
	done
}

# One more round, until both have sent something again.
both_retransmit() {
	ask_again client && kernels | jq -e --argjson was "$BEFORE" \
		'. as $is | all("a", "b"; $is[.].kernel.TcpRetransSegs > $was[.].kernel.TcpRetransSegs)' >/dev/null
}

# dropped PLACE: by its netem.
dropped() {
	on "$1" tc -s -j qdisc show dev ve0 root | jq '.[0].drops'
}

@test "what netem drops at either card is sent again, and missing in the other guest" {
	load tcp_conn.bash
	load pair.bash
	READER=both
	talk_in_rounds "[$ADDR2_6]" 1000
	net_shape a netem loss 10%
	net_shape b netem loss 10%
	wait_for -t 120 both_retransmit
	net_shape a netem loss 0%
	net_shape b netem loss 0%
	ask_again client # acknowledges the last
	wait_for mirrored "established none established none" "$(dropped a)" "$(dropped b)"
	ask_no_more client
	served server
}

@test "netem's delay at the other guest's card is in the client's latency and the round trips, not in the server's latency" {
	load tcp_conn.bash
	load pair.bash
	READER=both
	local wrong
	net_shape b netem delay 50ms
	converse "--think 1000000" "--requests 10"
	all_closed
	"$READER" dump --json --map conns tcp_latency >"$BATS_TEST_TMPDIR/latency"
	wrong=$(conns | jq -nr -L "$HERE" --argjson port "${PORT[server]}" --slurpfile dump "$BATS_TEST_TMPDIR/latency" \
		--slurpfile client "$(result client)" --slurpfile server "$(result server)" '
		include "judge";
		def mean: .sum_ns / .count;
		# Some ns: the clocks of a probe and of a process, while the kernel adjusts time.
		def fits($what; $said; $missed): $said.latency as {$inner, $outer} | between("\($what), number"; 10 - $missed; 10; .count),
			between("\($what), sum"; $inner.sum_ns - $missed * $inner.max_ns - 10000; $outer.sum_ns + 10000; .sum_ns);
		def client: select(.role == "client" and .rport == $port);
		def server: select(.role == "server" and .lport == $port);
		[inputs] as $conns | $client[0] as $client | $server[0] as $server
		| ([$dump[] | select(.type == "identity").probes[0].recursion_misses[]] | add // 0) as $missed
		| [$dump[] | select(.labels.role?) | .labels + {latency}] as $rows
		| ([$rows[] | client][0].latency) as $c | ([$rows[] | server][0].latency) as $s
		| ($c | fits("client"; $client; $missed)), ($s | fits("server"; $server; $missed)),
		between("mean of the client, more than that of the server"; 50e6; $client.elapsed_ns; ($c | mean) - ($s | mean)),
		between("shortest round trip of the client"; 50e6 - 1000; $client.latency.outer.min_ns + 1000; [$conns[] | client][0].min_rtt_ns),
		between("shortest round trip of the server"; 50e6 - 1000; $client.elapsed_ns; [$conns[] | server][0].min_rtt_ns)')
	assert_eq "wrong" "" "$wrong"
}
