#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# tcp_retrans where known packets are lost, against the kernel's own counters (nstat) at both ends:
#
#      namespace a                                          namespace b
#    +----------------+                                   +----------------+
#    | traffic client |--- netem, drop --- veth --- drop, netem ---| server |
#    +----------------+                                   +----------------+
#
# Packets are dropped by their number (gact determ), where the sender does not notice. Every test
# compares all causes with the kernel's counters, exactly, for each namespace.

# shellcheck disable=SC2016 # jq's variables

bats_require_minimum_version 1.5.0

setup_file() {
	load tcp_retrans.bash
	need_traffic
	net_up a b
	probe_load tcp_retrans
	for module in sch_netem sch_ingress cls_u32 act_gact; do
		net_module "$module"
	done
	ask_both "" # the neighbours know each other
}

teardown_file() {
	load tcp_retrans.bash
	net_down
	probe_unload tcp_retrans
}

setup() {
	load tcp_retrans.bash
	begin
}

teardown() {
	traffic_stop
	no_loss
}

@test "duplicates are no retransmissions, but a second SYN is answered again" {
	net_shape a netem duplicate 100%
	ask_both "--requests 20"
	judge 'lossless, expect("segments but SYN-ACKs"; 0; [.causes[names[:5][]].segments] | add),
		expect("synack"; 2; .causes.synack.segments)'
}

# Where a machine is busy some retransmissions are for nothing, so those that must be are the least.

# longest CAUSE NS: not before that (what the timers start with, less some ticks), nor after the answer.
longest() {
	echo "between(\"longest\"; $2; \$ENV.LATENCY | tonumber; .causes.$1.delay.max_ns)"
}

@test "the last segment lost: a tail loss probe after 200 ms" {
	drop b ingress 64 drop random determ pass 2
	ask_both ""
	judge 'lossless, between("tlp"; 2; 4; .causes.tlp.segments), expect("times"; .causes.tlp.segments; .causes.tlp.delay.count),
		expect("to"; [$ENV.ADDR2, $ENV.ADDR2_6]; [.remotes | at($ENV.NETNS_a; .tlp > 0).remote] | sort),
		'"$(longest tlp 190000000)"
}

# bats test_tags=once
@test "that lost too: the timer, twice, its time since the first transmission" {
	drop b ingress 64 drop random determ pass 4
	ask_both ""
	judge 'lossless, between("tlp"; 2; 4; .causes.tlp.segments), between("rto"; 4; 6; .causes.rto.segments),
		expect("times"; .causes.rto.segments; .causes.rto.delay.count), '"$(longest rto 780000000)"
}

@test "one of eight lost: a fast retransmission, a round trip of 20 ms later" {
	net_shape b netem delay 20ms
	drop b ingress 1000 pass random determ drop 5
	ask_both "--request 8000 --pieces 8"
	judge 'lossless, between("fast"; 2; 4; .causes.fast.segments), expect("times"; .causes.fast.segments; .causes.fast.delay.count),
		'"$(longest fast 20000000)"
}

# bats test_tags=once
@test "all of eight lost: the timer, then slow start" {
	local before
	before=$(segments rto)
	drop b ingress 1000 drop
	serve server b "$ADDR2" --request 8000 --pieces 8
	ask_meanwhile client a "$ADDR2:${PORT[server]}" --request 8000 --pieces 8
	wait_for more_than rto "$before"
	no_loss
	served client server
	judge 'between("slow_start"; 1; 8; .causes.slow_start.segments), expect("fast"; 0; .causes.fast.segments)'
}

# bats test_tags=once
@test "a retransmission that the own host drops has failed" {
	drop b ingress 64 drop random determ pass 2
	drop a egress 64 pass random determ drop 2
	ask_both ""
	judge 'lossless, between("failed"; 2; 3; .causes.tlp.failed), between("rto"; 2; 4; .causes.rto.segments),
		(.causes[] | expect("times"; .segments - .failed; .delay.count))'
}

# handshakes_lose LOSER NAMESPACE STATE: both handshakes lose what LOSER sends, until NAMESPACE shows that.
handshakes_lose() {
	serve v4 b "$ADDR2"
	serve v6 b "[$ADDR2_6]"
	net_shape "$1" netem loss 100%
	ask_meanwhile client4 a "$ADDR2:${PORT[v4]}"
	ask_meanwhile client6 a "[$ADDR2_6]:${PORT[v6]}"
	wait_for in_state "$2" "$3" 2
	no_loss
	served client4 client6 v4 v6
}

@test "lost SYNs come again after a second" {
	handshakes_lose a a syn-sent
	judge 'lossless, between("syn"; 2; 16; .causes.syn.segments),
		expect("to"; [$ENV.ADDR2, $ENV.ADDR2_6]; [.remotes | at($ENV.NETNS_a; .syn > 0).remote] | sort),
		expect("times"; .causes.syn.segments; .causes.syn.delay.count),
		between("soonest"; 1000000000; 1300000000; .causes.syn.delay.slots[0][0])'
}

@test "lost SYN-ACKs come again after a second" {
	handshakes_lose b b syn-recv
	judge 'lossless, between("synack"; 2; 16; .causes.synack.segments),
		expect("to"; [$ENV.ADDR1, $ENV.ADDR1_6]; [.remotes | at($ENV.NETNS_b; .synack > 0).remote] | sort),
		expect("times"; .causes.synack.segments; .causes.synack.delay.count),
		between("soonest"; 1000000000; 1300000000; .causes.synack.delay.slots[0][0])'
}

@test "random loss, reordering and duplicates: every cause is what the kernel counts" {
	net_shape a netem delay 5ms 2ms loss 10% reorder 20% duplicate 5%
	net_shape b netem loss 10%
	ask_both "--request 200000 --answer 100000"
	judge 'between("segments"; 10; 100000; [.causes[].segments] | add)'
}

# bats test_tags=once
@test "a filter on the port holds for data, SYN and SYN-ACK" {
	"$READER" set tcp_retrans port=7777
	drop b ingress 64 drop random determ pass 2
	serve v4 b "$ADDR2:7777"
	serve v6 b "[$ADDR2_6]:7778"
	net_shape b netem loss 100%
	ask_meanwhile client4 a "$ADDR2:7777"
	ask_meanwhile client6 a "[$ADDR2_6]:7778"
	wait_for in_state b syn-recv 2
	tc -n "$NET_ID-b" qdisc del dev ve0 root
	served client4 client6 v4 v6
	"$READER" set tcp_retrans port=0
	dump >"$BATS_TEST_TMPDIR/now"
	"$READER" diff --json --map remotes "$BATS_FILE_TMPDIR/before" "$BATS_TEST_TMPDIR/now" |
		jq -en '[inputs | select(.type == "row") | select(.syn + .synack + .tlp > 0)]
			| length == 2 and all(.labels.remote | startswith("10.77.0."))
				and all((map(.syn) | add), (map(.tlp) | add), (map(.synack) | add); . >= 1)'
}

# peer_attached: tcpretrans waits for events.
peer_attached() {
	bpftool -j perf show | jq -e 'any(.[]; .func == "tcp_retransmit_skb")' >/dev/null
}

# bats test_tags=peer
@test "tcpretrans sees as many, tail loss probes apart" {
	local lines
	command -v tcpretrans.bt >/dev/null || skip "no tcpretrans.bt (package bpftrace)"
	background peer - tcpretrans.bt
	wait_for -t 120 peer_attached
	begin
	net_shape b netem delay 20ms
	drop b ingress 1000 pass random determ drop 5
	ask_both "--request 8000 --pieces 8"
	kill "${SERVER[peer]}"
	wait "${SERVER[peer]}" || true
	lines=$(grep -c '^[0-9]*:' "$(result peer)")
	export lines
	judge 'between("fast"; 2; 4; .causes.fast.segments),
		expect("lines"; $ENV.lines | tonumber; .causes | .rto.segments + .slow_start.segments + .fast.segments + .syn.segments)'
}
