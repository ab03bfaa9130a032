#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# The tool the network tests measure against: what its two ends report has to agree with each
# other and with what was asked for.

bats_require_minimum_version 1.5.0

setup_file() {
	load ../live/traffic.bash
	need_traffic
}

setup() {
	export TRAFFIC_DEADLINE=20
	load ../live/traffic.bash
	load ../live/assert.bash
}

teardown() {
	traffic_stop
}

# talk SERVER-OPTIONS CLIENT-OPTIONS [ADDR [CLIENT-ADDR]]
talk() {
	local address=${3:-127.0.0.1}
	# shellcheck disable=SC2086
	serve server - "$address" $1
	# shellcheck disable=SC2086
	ask client - "${4:-$address}:${PORT[server]}" $2
	served server
}

# both FILTER EXPECTED: at each end.
both() {
	assert_eq "client $1" "$2" "$(got client "$1")" "$(result client)"
	assert_eq "server $1" "$2" "$(got server "$1")" "$(result server)"
}

# agree: what one sent the other received.
agree() {
	local from=client to=server
	for to in server client; do
		assert_eq "messages to the $to" "$(got $from .messages_sent)" "$(got $to .messages_received)"
		assert_eq "bytes to the $to" "$(got $from .sent_bytes)" "$(got $to .received_bytes)"
		from=server
	done
}

# bracketed NAME: every inner measurement is at most its outer one.
bracketed() {
	run -0 jq -e '.latency | .inner.count == .outer.count and
		([.inner.samples_ns, .outer.samples_ns] | transpose | all(.[0] <= .[1]))' "$(result "$1")"
}

@test "both ends count the same requests, answers and bytes" {
	talk "--request 100 --answer 5000" "--requests 200 --request 100 --answer 5000"
	agree
	both .turns 200
	both .conns 1
	both .ended 1
	assert_eq "requests" 20000 "$(got client .sent_bytes)"
	assert_eq "answers" 1000000 "$(got client .received_bytes)"
}

@test "a think time of 100 us is one, and the client waits at least that" {
	talk "--think 100000 --samples 500" "--requests 500 --samples 500"
	bracketed server
	bracketed client
	assert_between "median think time" 100000 200000 "$(got server .latency.inner.p50_ns)"
	assert_between "shortest think time" 100000 200000 "$(got server .latency.inner.min_ns)"
	(($(got client .latency.outer.sum_ns) >= $(got server .latency.inner.sum_ns)))
	(($(got client .latency.outer.min_ns) >= 100000))
}

@test "a think time of 20 ms is one" {
	talk "--think 20000000" "--requests 5"
	assert_between "median think time" 20000000 30000000 "$(got server .latency.inner.p50_ns)"
}

@test "a reader's delay is its own" {
	talk "--read-delay 2000000" "--requests 20"
	assert_eq "reads" 20 "$(got server .read_delay.inner.count)"
	(($(got server .read_delay.inner.min_ns) >= 2000000))
	(($(got server .read_delay.outer.min_ns) >= $(got server .read_delay.inner.min_ns)))
	(($(got client .read_delay.inner.p50_ns) < 2000000))
}

@test "the sample list, the histogram and the count agree" {
	talk "--samples 1000" "--requests 100 --samples 10"
	run -0 jq -e '.latency.inner | .count == (.samples_ns | length) and .sum_ns == (.samples_ns | add)
		and .count == ([.log2[][1]] | add) and .samples_ns == (.samples_ns | sort)
		and .min_ns == .samples_ns[0] and .max_ns == .samples_ns[-1]' "$(result server)"
	run -0 jq -e '.latency.inner | (.samples_ns | length) == 10 and .min_ns == .samples_ns[0]
		and .max_ns == .samples_ns[-1]' "$(result client)"
}

@test "2000 connections are open at the same time" {
	talk "--conns 2000" "--conns 2000 --requests 3 --together"
	agree
	both .conns 2000
	both .ended 2000
	both .turns 6000
}

@test "a short connection for each request" {
	talk "--conns 3000" "--conns 3000 --parallel 1"
	agree
	both .ended 3000
	both .turns 3000
}

@test "eight short connections at a time" {
	talk "--conns 3000" "--conns 3000 --parallel 8"
	agree
	both .turns 3000
}

@test "pipelined requests are one turn of the client" {
	talk "" "--requests 100 --pipeline 10 --samples 100"
	agree
	assert_eq "turns" 10 "$(got client .turns)"
	assert_between "turns of the server" 10 100 "$(got server .turns)"
	bracketed client
}

@test "a half-closed connection still gets its answer" {
	talk "" "--requests 3 --end half"
	agree
	both .turns 3
	both .resets 0
}

@test "a reset ends the conversation after the last answer" {
	talk "--conns 3" "--conns 3 --requests 2 --end reset"
	agree
	both .turns 6
	assert_eq "resets" 3 "$(got server .resets)"
}

@test "an aborted request gets no answer" {
	talk "--conns 3 --think 5000000" "--conns 3 --requests 2 --end abort"
	assert_eq "turns" 3 "$(got client .turns)"
	assert_eq "answers" 3 "$(got client .messages_received)"
	assert_eq "resets" 3 "$(got server .resets)"
}

@test "a stream to the server has no turns" {
	talk "--answer 0 --request 100000" "--answer 0 --request 100000 --requests 50"
	agree
	both .turns 0
	assert_eq "bytes" 5000000 "$(got server .received_bytes)"
	assert_eq "read by the client" 0 "$(got client .reads)"
}

@test "a stream to the client has no turns" {
	talk "--request 0 --answer 100000 --requests 50" "--request 0 --answer 100000 --requests 50"
	agree
	both .turns 0
	assert_eq "bytes" 5000000 "$(got client .received_bytes)"
	assert_eq "sent by the client" 0 "$(got client .sends)"
}

@test "a large upload is one blocking write" {
	talk "--request 8000000 --read 65536 --read-delay 500000 --rcvbuf 100000" \
		"--request 8000000 --block --sndbuf 100000"
	agree
	both .turns 1
	assert_eq "writes" 1 "$(got client .sends)"
	# nearly all of it was spent in the write
	(($(got client .latency.inner.max_ns) * 4 < $(got client .latency.outer.max_ns)))
}

@test "an answer in three parts is one turn" {
	talk "--pieces 3 --gap 300000" "--requests 10"
	agree
	both .turns 10
	assert_eq "writes" 30 "$(got server .sends)"
	assert_between "reads" 11 30 "$(got client .reads)"
}

@test "an answer from a file" {
	talk "--sendfile --answer 1000000" "--answer 1000000 --requests 5"
	agree
	both .turns 5
}

@test "a request in four writes, read ten bytes at a time" {
	talk "--read 10" "--requests 10 --pieces 4"
	agree
	both .turns 10
	assert_eq "writes" 40 "$(got client .sends)"
	assert_between "reads" 70 100 "$(got server .reads)"
}

@test "a look before each read" {
	talk "--peek" "--requests 10 --peek"
	both .turns 10
	both .reads 10
	both .peeks 10
}

@test "an answer read whole" {
	talk "--answer 300000 --pieces 3 --gap 500000" \
		"--answer 300000 --requests 5 --block --waitall --read 300000"
	both .turns 5
	assert_eq "reads" 5 "$(got client .reads)"
}

@test "blocking calls" {
	talk "--block --conns 50" "--block --conns 50 --parallel 1 --requests 4"
	agree
	both .turns 200
}

@test "rounds on connections that stay" {
	serve server - 127.0.0.1 --conns 3
	ask_in_rounds client - "127.0.0.1:${PORT[server]}" --conns 3 --requests 10
	ask_again client
	both_turns=$(got client .turns)
	assert_eq "turns" 30 "$both_turns"
	assert_eq "ended" 0 "$(got client .ended)"
	ask_again client
	assert_eq "turns" 60 "$(got client .turns)"
	ask_no_more client
	served server
	agree
	both .ended 3
}

@test "IPv6" {
	talk "" "--requests 2" "[::1]"
	both .turns 2
	both .local ::1
	both .peer ::1
}

@test "IPv4 through IPv6 sockets" {
	talk "" "--requests 2" "[::]" "[::ffff:127.0.0.1]"
	both .turns 2
	both .local ::ffff:127.0.0.1
}

@test "the client's own address" {
	talk "" "--bind 127.0.0.9:0"
	assert_eq "address" 127.0.0.9 "$(got server .peer)"
	assert_eq "port" "$(got client .local_port)" "$(got server .peer_port)"
}

@test "a server without a number of connections ends when told" {
	serve server - 127.0.0.1 --conns 0
	ask client - "127.0.0.1:${PORT[server]}" --conns 7
	kill "${SERVER[server]}"
	served server
	both .turns 7
}

@test "a pause can be cut short" {
	serve server - 127.0.0.1 --think 3600000000000
	ask_meanwhile client - "127.0.0.1:${PORT[server]}"
	while kill -USR1 "${SERVER[server]}" 2>/dev/null; do :; done
	served client server
	both .turns 1
}

@test "a deadline ends it with a sentence" {
	run -1 --separate-stderr "$TRAFFIC" server --listen 127.0.0.1:0 --deadline 1
	[[ $stderr == "traffic server: the deadline of 1 s passed with 0 of 1 connections opened"* ]]
	run -1 --separate-stderr "$TRAFFIC" server --listen 127.0.0.1:0 --deadline 1 --block
	[[ $stderr == "traffic server: the deadline of 1 s passed"* ]]
	[[ -z $output ]]
}

@test "a refused connection is an error" {
	serve server - 127.0.0.1
	kill "${SERVER[server]}"
	served server
	run -1 "$TRAFFIC" client --connect "127.0.0.1:${PORT[server]}"
	[[ $output == "traffic client: connecting: Connection refused" ]]
}

@test "misuse shows the usage on stderr" {
	run -2 --separate-stderr "$TRAFFIC"
	[[ -z $output && $stderr == *usage:* ]]
	run -2 --separate-stderr "$TRAFFIC" client --connect 127.0.0.1
	[[ $stderr == "traffic: an address is ADDR:PORT"* ]]
	run -2 --separate-stderr "$TRAFFIC" client --connect 127.0.0.1:1 --requests -1
	[[ $stderr == "traffic: not a number that fits: requests"* ]]
	run -2 --separate-stderr "$TRAFFIC" server --listen 127.0.0.1:1 --frobnicate 1
	[[ $stderr == "traffic: unknown option: frobnicate"* ]]
	run -0 --separate-stderr "$TRAFFIC" --help
	[[ -z $stderr && $output == usage:* ]]
}
