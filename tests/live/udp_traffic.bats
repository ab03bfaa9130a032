#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# udp_traffic against sockets that say what they did, and the kernel's own counters:
#
#      namespace a                     namespace b
#    +----------------+              +----------------+
#    | udp: c, d, e   |----- veth ---| udp: s, t, u   |
#    +----------------+              +----------------+
#
# One process holds all sockets of a test (udp.c), so both ends and their order are in one line. Each
# test has ports of its own.

# shellcheck disable=SC2016,SC2154 # jq's variables; those of net.bash

bats_require_minimum_version 1.5.0

setup_file() {
	load udp_traffic.bash
	net_up a b
	probe_load udp_traffic
}

teardown_file() {
	load udp_traffic.bash
	net_down
	probe_unload udp_traffic
}

setup() {
	load udp_traffic.bash
}

@test "both ends, exactly: IPv4 with empty datagrams, IPv6 connected and both ways, IPv4 through IPv6" {
	talk s.at=b s.open=4 s.bind="$ADDR2,7000" c.at=a c.open=4 c.bind="$ADDR1,7000" c.to="$ADDR2,7000" \
		c.send=30,64 c.send=3,0 c.send=1,1400 s.recv=34 \
		t.at=b t.open=6 t.bind="$ADDR2_6,7001" t.connect="$ADDR1_6,7001" \
		d.at=a d.open=6 d.bind="$ADDR1_6,7001" d.connect="$ADDR2_6,7001" \
		d.send=20,100 t.recv=20 t.send=10,200 d.recv=10 \
		u.at=b u.open=6 u.bind=::,7002 e.at=a e.open=6 e.bind=::,7002 e.to="::ffff:$ADDR2,7002" \
		e.send=20,100 u.recv=20
	judge 'lossless,
		fits("s"; $b; 7000; {arrived: 34, local: $ENV.ADDR2, rport: 0, comm: "udp", pid: $said.pid}),
		fits("c"; $a; 7000; {arrived: 0, local: $ENV.ADDR1, remote: "0.0.0.0", comm: "udp", pid: $said.pid}),
		fits("t"; $b; 7001; {arrived: 20, local: $ENV.ADDR2_6, remote: $ENV.ADDR1_6, rport: 7001}),
		fits("d"; $a; 7001; {arrived: 10, local: $ENV.ADDR1_6, remote: $ENV.ADDR2_6}),
		fits("u"; $b; 7002; {arrived: 20}), fits("e"; $a; 7002; {arrived: 0}),
		expect("kernel"; [54, 54, 30, 30]; [$kernel.a.UdpOutDatagrams, $kernel.b.UdpInDatagrams,
			$kernel.a.Udp6OutDatagrams + $kernel.b.Udp6OutDatagrams, $kernel.a.Udp6InDatagrams + $kernel.b.Udp6InDatagrams])'
}

@test "a reader that sleeps 200 ms: each datagram waited so long, and a look at it was no read" {
	talk s.at=b s.open=4 s.bind="$ADDR2,7003" c.at=a c.open=4 c.to="$ADDR2,7003" \
		c.send=1,64 s.peek s.pause=200 s.recv=1 c.send=1,0 s.peek s.pause=200 s.recv=1
	judge 'fits("s"; $b; 7003; {arrived: 2}), (row($b; 7003).read_delay
		| between("shortest"; 200000000; $said.elapsed_ns; .min_ns), between("together"; 400000000; $said.elapsed_ns; .sum_ns)),
		expect("the histogram of all"; map(select(.map == "sockets" or .map == "rest").read_delay) | [(map(.count) | add), (map(.sum_ns) | add)];
			map(select(.map == "read_delay"))[0] | [.count, .sum_ns])'
}

@test "a full receive buffer, IPv4 and IPv6: drops are those of the kernel, the rest is unread" {
	talk s.at=b s.open=4 s.bind="$ADDR2,7004" s.rcvbuf=4096 c.at=a c.open=4 c.to="$ADDR2,7004" \
		c.send=40,500 s.drain=200 c.send=2,10 s.peek s.pause=50 \
		t.at=b t.open=6 t.bind="$ADDR2_6,7005" t.rcvbuf=4096 d.at=a d.open=6 d.to="$ADDR2_6,7005" \
		d.send=40,500 t.drain=200 d.send=2,10 t.peek t.pause=50
	judge 'fits("s"; $b; 7004; {arrived: 42, dropped_memory: 0, dropped_full: $kernel.b.UdpRcvbufErrors}),
		fits("t"; $b; 7005; {arrived: 42, dropped_memory: 0, dropped_full: $kernel.b.Udp6RcvbufErrors}),
		((7004, 7005) as $port | row($b; $port) | between("dropped"; 1; 40; .dropped_full),
			expect("unread"; 2; .arrived - .received - .dropped_full))'
}

@test "the memory of all UDP sockets is used up" {
	# Enough for the megabyte that each processor may have in advance.
	local mem socket port=7030 steps=()
	for socket in {g..n}; do
		steps+=("$socket.at=b" "$socket.open=4" "$socket.bind=$ADDR2,$port" "$socket.rcvbuf=212992"
			c.at=a "c.to=$ADDR2,$port" "c.send=150,1000")
		((port += 1))
	done
	mem=$(</proc/sys/net/ipv4/udp_mem)
	echo "0 0 1" >/proc/sys/net/ipv4/udp_mem
	talk c.at=a c.open=4 "${steps[@]}" c.pause=100 || true
	echo "$mem" >/proc/sys/net/ipv4/udp_mem
	judge '[range(7030; 7038) as $port | row($b; $port)] | expect("arrived"; 1200; map(.arrived) | add),
		expect("full"; 0; map(.dropped_full) | add), expect("no memory"; $kernel.b.UdpInErrors; map(.dropped_memory) | add),
		between("no memory"; 1; 1199; $kernel.b.UdpInErrors)'
}

@test "a wrong checksum, found while reading" {
	talk s.at=b s.open=4 s.bind="$ADDR2,7007" c.at=a c.open=4 c.to="$ADDR2,7007" c.spoil=3,7007 c.send=1,10 s.recv=1
	judge 'fits("s"; $b; 7007; {arrived: 4, dropped_checksum: 3, dropped_full: 0}), expect("kernel"; 3; $kernel.b.UdpInCsumErrors)'
}

@test "segments: a send of many is one, what arrives are many, or one where the reader takes them together" {
	talk s.at=b s.open=4 s.bind="$ADDR2,7008" c.at=a c.open=4 c.bind="$ADDR1,7008" c.to="$ADDR2,7008" \
		c.segment=100 c.send=2,1050 s.recv=22 \
		t.at=b t.open=4 t.gro t.bind="$ADDR2,7009" c.to="$ADDR2,7009" c.send=2,1050 t.drain=200
	judge 'fits("s"; $b; 7008; {arrived: 22}), fits("c"; $a; 7008; {sent: 4, sent_bytes: 4200}),
		fits("t"; $b; 7009; {arrived: $said.t.received, received_bytes: 2100})'
}

# bats test_tags=once
@test "a datagram sent in pieces is one" {
	talk s.at=b s.open=4 s.bind="$ADDR2,7010" c.at=a c.open=4 c.bind="$ADDR1,7010" c.to="$ADDR2,7010" \
		c.more=10 c.more=20 c.send=1,30 s.recv=1 \
		t.at=b t.open=6 t.bind="$ADDR2_6,7011" d.at=a d.open=6 d.bind="$ADDR1_6,7011" d.to="$ADDR2_6,7011" \
		d.more=10 d.send=1,30 t.recv=1
	judge 'fits("c"; $a; 7010; {sent: 1, sent_bytes: 60}), fits("s"; $b; 7010; {received_bytes: 60}),
		fits("d"; $a; 7011; {sent: 1, sent_bytes: 40}), fits("t"; $b; 7011; {received_bytes: 40})'
}

# bats test_tags=once
@test "a short read counts the bytes it got; sends that fail count apart" {
	talk s.at=b s.open=4 s.bind="$ADDR2,7012" c.at=a c.open=4 c.bind="$ADDR1,7012" c.to="$ADDR2,7012" \
		c.send=3,500 s.recv=3,100 c.fail=2,65535 \
		d.open=6 d.bind="$ADDR1_6,7013" d.connect="$ADDR2_6,7013" d.send=1,10 d.pause=100 d.fail=1,10 d.send=1,10
	judge 'fits("s"; $b; 7012; {received_bytes: 300}), fits("c"; $a; 7012; {sent: 3, send_errors: 2}),
		fits("d"; $a; 7013; {sent: 2, send_errors: 1})'
}

# bats test_tags=once
@test "a broadcast arrives at each socket; each socket that shares a port has its own row" {
	local port senders=()
	for port in {7100..7119}; do
		senders+=(c.open=4 "c.bind=$ADDR1,$port" "c.to=$ADDR2,7015" "c.send=1,10" c.close)
	done
	talk s.at=b s.open=4 s.reuse s.bind=0.0.0.0,7014 t.open=4 t.reuse t.bind=0.0.0.0,7014 \
		c.at=a c.open=4 c.broadcast c.to=10.77.0.255,7014 c.send=5,10 c.close s.recv=5 t.recv=5 s.close t.close \
		u.at=b u.open=4 u.reuse u.bind="$ADDR2,7015" v.open=4 v.reuse v.bind="$ADDR2,7015" \
		c.at=a "${senders[@]}" u.drain=200 v.drain=10
	judge 'expect("copies"; [[5, 5], [5, 5]]; sockets($b; 7014) | map([.arrived, .received])),
		expect("shared"; [$said.u.received, $said.v.received] | map(select(. > 0)) | sort; sockets($b; 7015) | map(.received) | sort),
		expect("together"; 20; sockets($b; 7015) | map(.arrived) | add)'
}

closed() {
	judge 'row($b; 7016).state | select(. != "closed")' 2>/dev/null
}

@test "closed with data that nobody read" {
	talk s.at=b s.open=4 s.bind="$ADDR2,7016" c.at=a c.open=4 c.to="$ADDR2,7016" c.send=10,10 s.peek s.pause=50
	wait_for closed
	judge 'fits("s"; $b; 7016; {arrived: 10, received: 0, dropped_full: 0})'
}

# bats test_tags=once
@test "several senders at once to one reader: nothing is counted twice or not at all" {
	talk s.at=b s.open=4 s.bind="$ADDR2,7017" s.rcvbuf=100000 c.at=a c.open=4 c.to="$ADDR2,7017" \
		c.crowd=3,1000 s.drain=1000
	judge 'loss("untimed") as $untimed | fits("s"; $b; 7017; {arrived: 3000, dropped_full: $kernel.b.UdpRcvbufErrors, timed: ($said.s.received - $untimed)}),
		(row($b; 7017) | expect("all"; 3000; .received + .dropped_full))'
}

# bats test_tags=once
@test "filters keep what they say, and nothing else" {
	settings port=7018
	ends s.at=b s.open=4 s.bind="$ADDR2,7018" t.open=4 t.bind="$ADDR2,7019" \
		c.at=a c.open=4 c.to="$ADDR2,7018" c.send=5,10 s.recv=5 c.to="$ADDR2,7019" c.send=5,10 t.recv=5
	settings port=0 netns="$NETNS_b"
	ends s.at=b s.open=4 s.bind="$ADDR2,7018" c.at=a c.open=4 c.bind="$ADDR1,7018" c.to="$ADDR2,7018" c.send=4,10 s.recv=4
	settings netns=0 pid=1
	ends s.at=b s.open=4 s.bind="$ADDR2,7018" c.at=a c.open=4 c.bind="$ADDR1,7018" c.to="$ADDR2,7018" c.send=3,10 s.recv=3
	settings pid=0 paused=on
	talk s.at=b s.open=4 s.bind="$ADDR2,7018" c.at=a c.open=4 c.bind="$ADDR1,7018" c.to="$ADDR2,7018" c.send=2,10 s.recv=2
	settings paused=off
	judge 'expect("kept"; [[4, 4], [5, 5]]; sockets($b; 7018) | map([.arrived, .received]) | sort),
		expect("not kept"; []; sockets($a; 7018) + sockets($b; 7019))'
}

queued() {
	[[ -e $BATS_TEST_TMPDIR/queued ]]
}

# bats test_tags=once
@test "what arrived while the probe paused has no time, and gets no wrong one" {
	local before
	before=$("$READER" dump --json udp_traffic | jq 'select(.map == "losses" and .labels.reason == "untimed").count')
	ends s.at=b s.open=4 s.bind="$ADDR2,7020" c.at=a c.open=4 c.to="$ADDR2,7020" c.send=50,10 s.recv=50
	settings paused=on
	(
		wait_for queued
		settings paused=off
		: >"$BATS_TEST_TMPDIR/unpaused"
	) &
	talk s.at=b s.open=4 s.bind="$ADDR2,7021" c.at=a c.open=4 c.to="$ADDR2,7021" \
		c.send=5,10 s.peek s.tell="$BATS_TEST_TMPDIR/queued" s.await="$BATS_TEST_TMPDIR/unpaused" s.recv=5
	wait
	BEFORE=$before judge 'fits("s"; $b; 7021; {arrived: 0, received: 5, timed: 0}), expect("untimed"; $ENV.BEFORE | tonumber; loss("untimed"))'
}

# bats test_tags=once
@test "a sample of 1 in 10" {
	settings sample=10
	talk s.at=b s.open=4 s.bind="$ADDR2,7022" c.at=a c.open=4 c.to="$ADDR2,7022" \
		c.send=200,10 s.recv=200 c.send=200,10 s.recv=200 c.send=200,10 s.recv=200
	settings sample=1
	# 60 expected; the deviation is 7.3
	judge 'row($b; 7022) | expect("received"; 600; .received), between("timed"; 20; 100; .read_delay.count)'
}

# bats test_tags=once
@test "\`cat\` shows the rows as text" {
	run -0 awk -v port="$ADDR2:7000" '$2 == port { print $4, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16 }' \
		"$(pin_root)/udp_traffic/sockets"
	assert_eq "columns" "closed udp 0 0 0 34 34 3320 0 0 0 34" "$output"
}
