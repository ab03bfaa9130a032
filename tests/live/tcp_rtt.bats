#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# tcp_rtt against the delay of a cable, and against what the kernel and both ends say:
#
#      namespace a                     namespace b
#    +----------------+              +----------------+
#    | traffic client |----- veth ---| traffic server |
#    | 10.77.0.1      |        <---- | 10.77.0.2      |
#    | 10.78.0.1      |       netem  | 10.78.0.2      |
#    +----------------+       delay  +----------------+
#
# Counts are exact.

# shellcheck disable=SC2016 # jq's variables

bats_require_minimum_version 1.5.0

# patient NAMESPACE HOST MS: sends nothing twice because a busy machine is slow to answer.
patient() {
	net_sysctl "$1" net.ipv4.tcp_early_retrans=0 # tail loss probes
	for net in 10.77.0 10.78.0; do
		ip -n "$NET_ID-$1" route replace "$net.0/24" dev ve0 proto kernel scope link src "$net.$2" rto_min "$3ms"
	done
	ip -n "$NET_ID-$1" route change fd77::/64 dev ve0 proto kernel metric 256 rto_min "$3ms"
}

setup_file() {
	load tcp_rtt.bash
	need_traffic
	net_up a b
	ip -n "$NET_ID-a" addr add 10.78.0.1/24 dev ve0
	ip -n "$NET_ID-b" addr add 10.78.0.2/24 dev ve0
	patient a 1 5000
	patient b 2 5000
	probe_load tcp_rtt
}

teardown_file() {
	load tcp_rtt.bash
	net_down
	probe_unload tcp_rtt
}

setup() {
	load tcp_rtt.bash
	begin
}

teardown() {
	traffic_stop
	tc -n "$NET_ID-b" qdisc del dev ve0 root 2>/dev/null || true
	keep paused=off port=0 addr=any netns=0 min_rtt=0 by_prefix=off by_port=off ipv4_bits=24 ipv6_bits=64
}

# sees MS ADDR REMOTE-OF-CLIENT REMOTE-OF-SERVER
sees() {
	local delay=$1 address=$2 outer elapsed
	begin
	net_shape b netem delay "${delay}ms"
	talk server "$address" 20
	counted 44
	outer=$(got server_client '.latency.outer.sum_ns')
	elapsed=$(got server_client '.elapsed_ns')
	# The kernel counts in whole microseconds. Round trips of one end do not overlap, but the closing
	# may take longer than the client runs; those of requests lie within what the client measured.
	assert_nothing "wrong" since_then '
		def wrong($what; $ok): select($ok | not) | "\($what): \(.)";
		('"$delay"' * 1000000 - 1000) as $least | .parts as $parts
		| wrong("totals"; .rtt.count == ($parts | map(.count) | add) and .rtt.sum_ns == ($parts | map(.sum_ns) | add)),
		wrong("lowest slot"; .rtt.slots[0][0] >= $least),
		($parts[] | wrong("count, least, elapsed"; .count == 22 and .min_ns >= $least and .sum_ns - .max_ns <= '"$elapsed"')),
		($parts[] | select(.remote == "'"$3"'")
			| wrong("requests"; .sum_ns - 2 * .max_ns <= '"$outer"')),
		wrong("remotes"; ($parts | map(.remote) | sort) == (["'"$3"'", "'"$4"'"] | sort))'
}

@test "the delay of a cable is the round trip time of both ends" {
	keep by_prefix=on ipv4_bits=32 ipv6_bits=128
	sees 5 "$ADDR2" "$ADDR2/32" "$ADDR1/32"
	sees 20 "[$ADDR2_6]" "$ADDR2_6/128" "$ADDR1_6/128"
	sees 50 "[::ffff:10.78.0.2]" 10.78.0.2/32 10.78.0.1/32
}

# minrtt PLACE PORT: the shortest round trip of an open connection as the kernel keeps it, in ns.
minrtt() {
	on "$1" ss -tinH state established "( sport = :$2 or dport = :$2 )" |
		sed -n 's/.* minrtt:\([0-9.]*\).*/\1/p' | awk '{ printf "%.0f", $1 * 1000000 }'
}

@test "the shortest one is what ss shows, at either end" {
	keep by_prefix=on ipv4_bits=32
	serve server b 10.78.0.2
	ask_in_rounds client a "10.78.0.2:${PORT[server]}" --requests 20
	ask_again client
	counted 42 # nothing is closed yet
	assert_eq "client" "$(minrtt a "${PORT[server]}")" "$(since_then '.parts[] | select(.remote == "10.78.0.2/32").min_ns')"
	assert_eq "server" "$(minrtt b "${PORT[server]}")" "$(since_then '.parts[] | select(.remote == "10.78.0.1/32").min_ns')"
	ask_no_more client
	served server
}

# parts FILTER: what FILTER makes of each part that has changed, sorted.
parts() {
	since_then ".parts | map($1) | sort | join(\" \")"
}

@test "prefixes tell two delays apart" {
	keep by_prefix=on
	talk near "$ADDR2" 10
	talk six "[$ADDR2_6]" 10
	net_shape b netem delay 40ms
	talk far 10.78.0.2 10
	counted 72
	assert_eq "counts" "10.77.0.0/24=24 10.78.0.0/24=24 fd77::/64=24" "$(parts '"\(.remote)=\(.count)"')"
	assert_eq "quicker than 40 ms" "true false" "$(since_then '.parts | sort_by(.remote)[0:2] | map(.p50_ns < 33554432) | join(" ")')"
	assert_eq "the far one" "true" "$(since_then '.parts[] | select(.remote == "10.78.0.0/24").min_ns >= 39999000')"
}

# bats test_tags=once
@test "prefixes have the length that is set, while it runs" {
	keep by_prefix=on ipv4_bits=8 ipv6_bits=0
	talk four "$ADDR2" 1
	talk six "[$ADDR2_6]" 1
	counted 12
	assert_eq "short" "10.0.0.0/8 any" "$(parts .remote)"
	begin
	keep ipv4_bits=4294967295 ipv6_bits=127
	talk four 10.78.0.2 1
	talk six "[$ADDR2_6]" 1
	counted 12
	assert_eq "long" "10.78.0.1/32 10.78.0.2/32 fd77::/127 fd77::2/127" "$(parts .remote)"
}

# bats test_tags=once
@test "by port it is the port of the service, at either end" {
	keep by_port=on
	talk one "$ADDR2" 5
	talk two "[$ADDR2_6]" 10
	counted 38
	assert_eq "ports" "$(printf '%s\n' "any ${PORT[one]} 14" "any ${PORT[two]} 24" | sort | paste -sd ' ')" \
		"$(parts '"\(.remote) \(.port) \(.count)"')"
	begin
	keep by_prefix=on
	talk both "$ADDR2" 5
	counted 14
	assert_eq "both" "10.77.0.0/24 ${PORT[both]} 14" "$(parts '"\(.remote) \(.port) \(.count)"')"
}

# bats test_tags=once
@test "only a port, an address, a namespace, long ones, or nothing" {
	serve one b "$ADDR2" --conns 0
	serve two b "[$ADDR2_6]" --conns 0
	for filter in "port=${PORT[one]} 14" 'addr=fd77::/16 24' "netns=${NETNS_a?} 19" 'paused=on 0' 'min_rtt=1m 0' 'min_rtt=1us 38'; do
		begin
		keep paused=off port=0 addr=any netns=0 min_rtt=0 "${filter% *}"
		ask client a "$ADDR2:${PORT[one]}" --requests 5
		ask client a "[$ADDR2_6]:${PORT[two]}" --requests 10
		counted "${filter#* }"
	done
}

# sent_again: segments, by both ends, as the kernel counts.
sent_again() {
	{ on a nstat -asz TcpRetransSegs && on b nstat -asz TcpRetransSegs; } |
		awk '/^TcpRetransSegs/ { n += $2 } END { print n }'
}

@test "data that was sent again gives no sample, and is counted" {
	local again
	again=$(sent_again)
	patient a 1 200
	patient b 2 200
	net_shape b netem delay 1ms loss 20%
	talk server "$ADDR2" 60
	patient a 1 5000
	patient b 2 5000
	wait_for acknowledged 124
	# What was sent again for nothing is acknowledged once more.
	assert_between "acknowledgements" 124 $((124 + $(sent_again) - again)) "$(since_then '.rtt.count + .unsampled')"
	assert_between "unsampled" 1 123 "$(since_then .unsampled)"
}

tcprtt_attached() {
	bpftool -j prog show | jq -e 'any(.[]; .name == "tcp_rcv")' >/dev/null
}

# Of each segment that comes in while a connection is open, tcprtt counts the smoothed time: of 20
# requests, 20 answers, the first FIN, and bare acknowledgements, of which there is one at most for each of those.
# bats test_tags=peer
@test "tcprtt sees the same delay" {
	type -P tcprtt || skip "no tcprtt here"
	net_shape b netem delay 40ms
	background tcprtt - tcprtt -i 1000
	wait_for tcprtt_attached
	talk server "$ADDR2" 20
	counted 44
	kill -INT "${SERVER[tcprtt]}"
	served tcprtt
	run -0 awk '$2 == "->" { n += $5; if ($5 > most) { most = $5; at = $1 } } END { print at, n }' "$(result tcprtt)"
	assert_eq "most are from, us" 32768 "${output% *}"
	assert_between "segments" 41 82 "${output#* }"
	assert_eq "half of the samples" true "$(since_then '.rtt.p50_ns | 32768000 <= . and . < 65536000')"
}

# bats test_tags=once
@test "what finds no row is in the rest" {
	probe_unload tcp_rtt
	probe_load tcp_rtt --map-entries parts=1
	begin
	keep by_port=on
	talk one "$ADDR2" 5
	talk two "$ADDR2" 10
	talk three "$ADDR2" 10
	counted 62
	assert_eq "row, rest, loss" "14 48 48" "$(since_then '"\(.parts[].count) \(.rest) \(.table_full)"')"
}
