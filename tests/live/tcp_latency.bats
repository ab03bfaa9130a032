#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# tcp_latency against conversations whose both ends say what they did and measured:
#
#      namespace a                     namespace b
#    +----------------+              +----------------+
#    | traffic client |----- veth ---| traffic server |
#    +----------------+              +----------------+
#
# Counts are exact. Times: each value lies between what was measured within and around it.

# shellcheck disable=SC2016 # jq's variables

bats_require_minimum_version 1.5.0

setup_file() {
	load tcp_latency.bash
	need_traffic
	net_up a b
	net_up c d
	probe_load tcp_latency
	begin
}

teardown_file() {
	load tcp_latency.bash
	net_down
	probe_unload tcp_latency
}

setup() {
	load tcp_latency.bash
}

teardown() {
	traffic_stop
}

@test "a server that thinks for 100 us: every latency at both ends is in its place" {
	converse "--think 100000" "--requests 200"
	judge 'expect("turns"; 200; $client.turns), plain, lossless'
}

# bats test_tags=once
@test "a server that thinks for 2 ms" {
	converse "--think 2000000" "--requests 50"
	judge 'plain, lossless, between("shortest"; 2000000; 60000000000; .kinds.server.slots[0][0])'
}

# bats test_tags=once
@test "a server that thinks for 100 ms" {
	converse "--think 100000000" "--requests 5"
	judge 'plain, lossless, between("shortest"; 100000000; 60000000000; .kinds.server.slots[0][0])'
}

@test "a server that reads 5 ms late delays the read, not its own answer" {
	converse "--read-delay 5000000" "--requests 20"
	judge 'plain, lossless, expect("late reads"; 20; [.roles.server.read_delay.slots[] | select(.[0] > 5000000)[1]] | add),
		expect("quick answers"; true; .kinds.server.sum_ns < 20 * 5000000)'
}

@test "a client that reads 5 ms late" {
	converse "" "--read-delay 5000000 --requests 20"
	judge 'plain, lossless, expect("late reads"; 20; [.roles.client.read_delay.slots[] | select(.[0] > 5000000)[1]] | add)'
}

@test "a row says who, where and which role" {
	converse "" "--requests 3 --bind $ADDR1:7001"
	judge 'plain, lossless, expect("client"; [7001, $port, $ENV.ADDR1, $ENV.ADDR2, $client.pid, "traffic", ($ENV.NETNS_a | tonumber)];
			rows("client")[] | [.lport, .rport, .local, .remote, .pid, .comm, .netns]),
		expect("server"; [$port, 7001, $ENV.ADDR2, $ENV.ADDR1, $server.pid, "traffic", ($ENV.NETNS_b | tonumber)];
			rows("server")[] | [.lport, .rport, .local, .remote, .pid, .comm, .netns])'
}

@test "IPv6 addresses" {
	converse "" "--requests 3" "[$ADDR2_6]"
	judge 'plain, lossless, expect("client"; [$ENV.ADDR1_6, $ENV.ADDR2_6]; rows("client")[] | [.local, .remote]),
		expect("server"; [$ENV.ADDR2_6, $ENV.ADDR1_6]; rows("server")[] | [.local, .remote])'
}

@test "IPv4 through IPv6 sockets is IPv4" {
	converse "" "--requests 3" "[::ffff:$ADDR2]"
	judge 'plain, lossless, expect("client"; [$ENV.ADDR1, $ENV.ADDR2]; rows("client")[] | [.local, .remote]),
		expect("server"; [$ENV.ADDR2, $ENV.ADDR1]; rows("server")[] | [.local, .remote])'
}

# bats test_tags=once
@test "the same addresses and ports in two namespaces are two connections" {
	serve server b "$ADDR2:7700"
	serve other d "$ADDR2:7700"
	ask client a "$ADDR2:7700" --bind "$ADDR1:7701" --requests 5
	ask client2 c "$ADDR2:7700" --bind "$ADDR1:7701" --requests 7
	served server other
	judge 'lossless, ([("client", "server") as $role | rows($role; 7700) | sort_by(.latency.count) | map([.netns, .latency.count])]
		| expect("rows"; [[[($ENV.NETNS_a | tonumber), 5], [($ENV.NETNS_c | tonumber), 7]], [[($ENV.NETNS_b | tonumber), 5], [($ENV.NETNS_d | tonumber), 7]]]; .))'
}

@test "pipelined requests are one turn of the client" {
	converse "--think 50000" "--requests 200 --pipeline 10"
	judge 'turns, lossless, expect("turns"; 20; .kinds.client.count)'
}

# bats test_tags=once
@test "answers to pipelined requests read one by one are still one turn" {
	converse "" "--requests 200 --pipeline 10 --read 64"
	judge 'turns, lossless'
}

# bats test_tags=once
@test "an answer that came before the last request does not end its turn" {
	# Between the two pieces of the second request the first answer comes; it is read when the
	# second is there too, by itself.
	converse "" "--requests 20 --pipeline 2 --pieces 2 --gap 3000000 --read 64 --read-delay 3000000"
	judge 'turns, lossless, expect("turns"; 10; .kinds.client.count)'
}

# bats test_tags=once
@test "a stream to the server is no request" {
	converse "--answer 0 --request 100000" "--answer 0 --request 100000 --requests 20"
	judge 'expect("latencies"; 0; .kinds.client.count + .kinds.server.count), lossless,
		between("read delays"; 1; .roles.server.segments; .roles.server.read_delay.count),
		expect("calls"; $client.sends + $client.refused; .roles.client.sends)'
}

# bats test_tags=once
@test "a stream to the client is no answer" {
	converse "--request 0 --answer 100000 --requests 20" "--request 0 --answer 100000 --requests 20"
	judge 'expect("latencies"; 0; .kinds.client.count + .kinds.server.count), lossless,
		between("read delays"; 1; .roles.client.segments; .roles.client.read_delay.count),
		expect("calls"; $server.sends + $server.refused; .roles.server.sends)'
}

@test "half-closed connections" {
	converse "--conns 5 --think 1000000" "--conns 5 --requests 2 --end half"
	judge 'plain, lossless, expect("turns"; 10; .kinds.client.count)'
}

# bats test_tags=once
@test "connections reset after the last answer" {
	converse "--conns 5" "--conns 5 --requests 2 --end reset"
	judge 'plain, lossless, expect("turns"; 10; .kinds.server.count)'
}

# bats test_tags=once
@test "connections reset before the last answer" {
	converse "--conns 5 --think 3000000" "--conns 5 --requests 2 --end abort"
	judge 'turns, lossless, expect("turns"; 5; .kinds.client.count)'
}

@test "a large upload in one write: the wait for room is not the answer's" {
	converse "--request 8000000 --read-delay 200000 --rcvbuf 100000" "--request 8000000 --block --sndbuf 100000"
	# The last byte is handed over once the reader has made room for it; what it has to read
	# then is what both buffers hold, doubled by the kernel: 5 % of the whole, and more where it comes late.
	judge 'lossless, expect("server"; 1; .kinds.server.count), expect("client"; 1; .kinds.client.count),
		between("client latency"; $client.latency.inner.sum_ns;
			$client.latency.inner.sum_ns + $client.latency.outer.sum_ns / 2; .kinds.client.sum_ns)'
}

# bats test_tags=once
@test "a request in four writes counts from the last" {
	converse "" "--requests 20 --pieces 4 --gap 300000"
	judge 'turns, lossless, expect("turns"; 20; .kinds.client.count)'
}

# bats test_tags=once
@test "an answer in three writes counts to the first" {
	converse "--pieces 3 --gap 300000 --think 300000" "--requests 20"
	judge 'turns, lossless, expect("turns"; 20; .kinds.client.count)'
}

# bats test_tags=once
@test "an answer read ten bytes at a time" {
	converse "" "--requests 20 --read 10"
	judge 'turns, lossless, expect("read delays"; 20; .roles.client.read_delay.count),
		(.roles.client.read_delay | fits("read delay"; $client.read_delay; 0))'
}

@test "an answer sent from a file" {
	converse "--sendfile --answer 300000" "--answer 300000 --requests 10"
	judge 'turns, lossless, expect("turns"; 10; .kinds.server.count)'
}

# bats test_tags=once
@test "blocking calls" {
	converse "--block --think 100000" "--block --requests 50"
	judge 'plain, lossless'
}

# bats test_tags=once
@test "an answer read whole" {
	converse "--answer 200000 --pieces 2 --gap 500000 --think 300000" \
		"--answer 200000 --requests 5 --block --waitall --read 200000"
	judge 'turns, lossless, expect("turns"; 5; .kinds.client.count)'
}

# bats test_tags=once
@test "a look before each read changes no count" {
	converse "--peek" "--requests 20 --peek"
	judge 'turns, lossless, expect("read delays"; 40; .kinds.read.count)'
}

@test "a delay on the cable is the client's, not the server's" {
	net_shape b netem delay 10ms
	converse "--think 100000" "--requests 20"
	tc -n "$NET_ID-b" qdisc del dev ve0 root
	judge 'plain, lossless, between("client"; 20 * 10000000; 60000000000; .kinds.client.sum_ns),
		expect("quick server"; true; .kinds.server.sum_ns < 20 * 10000000)'
}

# bats test_tags=once
@test "lost segments cost time and no count" {
	net_shape b netem delay 1ms loss 20%
	converse "" "--requests 20"
	tc -n "$NET_ID-b" qdisc del dev ve0 root
	judge 'turns, lossless, expect("turns"; 20; .kinds.client.count)'
}

@test "a connection that is older than the probe" {
	pinscope unload tcp_latency
	serve server b "$ADDR2"
	ask_in_rounds client a "$ADDR2:${PORT[server]}" --requests 5
	ask_again client
	pinscope load tcp_latency
	begin
	ask_again client
	ask_no_more client
	served server
	judge 'lossless, expect("client"; 5; .kinds.client.count), expect("server"; 5; .kinds.server.count),
		expect("rows"; [5, 5]; [rows("client", "server")[].latency.count])'
}

# text: the rows as `cat` shows them.
text() {
	cat "$(pin_root)/tcp_latency/conns"
}

@test "cat shows the rows that dump shows" {
	local columns='netns role state pid sends segments reads count read_count'
	converse "" "--requests 3" "[$ADDR2_6]"
	diff <(text | awk -v columns="$columns" '
			NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; n = split(columns, name, " "); next }
			{ for (i = 1; i <= n; i++) printf "%s ", $at[name[i]]; print "" }' | sort) \
		<(dump | jq -r 'select(.map == "conns") | .labels + . | "\(.netns) \(.role) \(.state) \(.pid) \(.sends) \(
			.segments) \(.reads) \(.latency.count) \(.read_delay.count) "' | sort)
	text | grep -E "^[0-9]+ \[fd77:[0:]*1\]:$(got client .local_port) \[fd77:[0:]*2\]:${PORT[server]} client closed "
}

# bats test_tags=once
@test "a name that would break the output" {
	local name=$'"\n\033]\xff\\,{}=\'<&' file
	file=$BATS_FILE_TMPDIR/$name
	cp "$TRAFFIC" "$file"
	TRAFFIC=$file converse "" ""
	# JSON is text: what is no UTF-8 is replaced
	judge 'expect("rows"; 1; rows("client") | length),
		expect("name"; true; rows("client")[].comm | startswith("\"\n\u001b]"))'
	text >"$BATS_TEST_TMPDIR/text"
	run -1 grep -aP '[^\x20-\x7e]' "$BATS_TEST_TMPDIR/text"
	run -0 awk 'NF != 16 { print; bad = 1 } END { exit bad }' "$BATS_TEST_TMPDIR/text"
}

# sockperf_percentile P: in ns.
sockperf_percentile() {
	awk -v p="$1" '$3 == "percentile" && $4 == p { printf "%d", $NF * 1000 }' "$BATS_TEST_TMPDIR/sockperf"
}

# bats test_tags=once
@test "percentiles agree with those of sockperf" {
	type -P sockperf || skip "no sockperf here"
	local p25 p50 apart
	# Across a cable of 5 ms, so that what a busy machine adds between sockperf's look at its
	# clock and the probe's is small beside a slot (1/8 of the latency).
	net_shape a netem delay 5ms
	# sockperf looks before send() and after recv(): how far that is from where the probe looks
	# is what a blocking client of our own measures. Its own code around the calls takes as
	# long as ours or less: twice that.
	converse "--block" "--block --requests 100"
	apart=$(since_then '($client.latency.outer.sum_ns - .kinds.client.sum_ns) / .kinds.client.count * 2 | ceil')
	background sockperf b sockperf server --tcp -i "$ADDR2" -p 7720
	wait_for on b grep -q ":1E28 00000000:0000 0A" /proc/net/tcp # 7720, listening
	on a sockperf ping-pong --tcp -i "$ADDR2" -p 7720 -t 3 --full-rtt -m 64 --mps=max >"$BATS_TEST_TMPDIR/sockperf"
	tc -n "$NET_ID-a" qdisc del dev ve0 root
	p25=$(sockperf_percentile 25.000)
	p50=$(sockperf_percentile 50.000)
	((p50 > 5000000))
	# the bounds of the slot the percentile is in
	judge 'def bounds($q): .count as $n | .slots | [., [foreach .[][1] as $c (0; . + $c; .)]] | transpose
			| map(select(.[1] >= $q * $n)) | .[0][0][0] | [. * 7 / 8, .];
		.kinds.client | (bounds(0.25) as [$lo, $hi] | between("p25"; $lo; $hi + '"$apart"'; '"$p25"')),
		(bounds(0.5) as [$lo, $hi] | between("p50"; $lo; $hi + '"$apart"'; '"$p50"'))'
}
