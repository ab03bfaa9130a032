#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# What tcp_latency keeps when it is told to keep less, while it runs. The namespaces are drawn
# in net.bash.

# bats file_tags=once

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
	CGROUP=
}

teardown() {
	traffic_stop
	[[ -z $CGROUP ]] || rmdir "$CGROUP"
	keep paused=off port=0 addr=any netns=0 pid=0 cgroup=0 sample=1 min_latency=0 outlier=60s
}

keep() {
	"$READER" set tcp_latency "$@"
}

# serve_two PLACE ADDR PLACE ADDR: the server, and another.
serve_two() {
	serve server "$1" "$2" --samples 100000
	serve other "$3" "$4" --samples 100000
}

@test "only a port" {
	serve_two b "$ADDR2" b "$ADDR2"
	keep "port=${PORT[server]}"
	ask client a "$ADDR2:${PORT[server]}" --requests 20 --samples 100000
	ask unseen a "$ADDR2:${PORT[other]}" --requests 10
	served server other
	judge 'plain, lossless, expect("turns"; 20; .kinds.client.count)'
}

@test "only IPv4 of a network" {
	serve_two b "$ADDR2" b "[$ADDR2_6]"
	keep addr=10.77.0.0/16
	ask client a "$ADDR2:${PORT[server]}" --requests 20 --samples 100000
	ask unseen a "[$ADDR2_6]:${PORT[other]}" --requests 10
	served server other
	judge 'plain, lossless, expect("turns"; 20; .kinds.client.count)'
}

@test "only IPv6 of a network" {
	serve_two b "[$ADDR2_6]" b "$ADDR2"
	keep addr=fd77::/64
	ask client a "[$ADDR2_6]:${PORT[server]}" --requests 20 --samples 100000
	ask unseen a "$ADDR2:${PORT[other]}" --requests 10
	served server other
	judge 'plain, lossless, expect("turns"; 20; .kinds.client.count)'
}

@test "a prefix ends at its last bit" {
	serve_two b 127.0.0.7 b 127.0.0.8
	keep addr=127.0.0.4/30
	ask client b "127.0.0.7:${PORT[server]}" --requests 20 --samples 100000
	ask unseen b "127.0.0.8:${PORT[other]}" --requests 10
	served server other
	judge 'plain, lossless, expect("turns"; 20; .kinds.client.count)'
}

@test "only a network namespace: one end of two" {
	serve_two b "$ADDR2:7700" d "$ADDR2:7700"
	keep "netns=${NETNS_c?}"
	ask unseen a "$ADDR2:7700" --requests 20
	ask client c "$ADDR2:7700" --requests 10 --samples 100000
	served server other
	judge 'lossless, client_fits($client),
		expect("server latencies"; 0; .kinds.server.count), expect("reads"; 10; .kinds.read.count)'
}

@test "port and namespace together" {
	serve_two b "$ADDR2:7710" d "$ADDR2:7710"
	serve third d "$ADDR2:7711"
	keep "netns=${NETNS_c?}" port=7710
	ask unseen a "$ADDR2:7710" --requests 20
	ask client c "$ADDR2:7710" --requests 5 --samples 100000
	ask unseen2 c "$ADDR2:7711" --requests 10
	served server other third
	judge 'lossless, client_fits($client),
		expect("reads"; 5; .kinds.read.count)'
}

@test "only a process that asks" {
	serve_two b "$ADDR2" b "$ADDR2"
	ask_in_rounds client a "$ADDR2:${PORT[server]}" --requests 20 --samples 100000
	keep "pid=${SERVER[client]}"
	ask unseen a "$ADDR2:${PORT[other]}" --requests 10
	ask_again client
	ask_no_more client
	served server other
	judge 'lossless, client_fits($client),
		expect("server latencies"; 0; .kinds.server.count), expect("reads"; 20; .kinds.read.count)'
}

@test "only a process that answers" {
	serve_two b "$ADDR2" b "$ADDR2"
	keep "pid=${SERVER[server]}"
	ask client a "$ADDR2:${PORT[server]}" --requests 20 --samples 100000
	ask unseen a "$ADDR2:${PORT[other]}" --requests 10
	served server other
	# The first segment comes before anybody has used the socket.
	judge 'lossless, server_fits($server),
		expect("client latencies"; 0; .kinds.client.count), between("reads"; 19; 20; .kinds.read.count)'
}

# cgroup_root: where version 2 is mounted.
cgroup_root() {
	findmnt -n -t cgroup2 -o TARGET | head -n 1
}

@test "only a cgroup" {
	local root
	root=$(cgroup_root)
	[[ -n $root ]] || skip "no cgroup2 is mounted"
	CGROUP=$root/pinscope-test-$$
	mkdir "$CGROUP"
	serve_two b "$ADDR2" b "$ADDR2"
	ask_in_rounds client a "$ADDR2:${PORT[server]}" --requests 20 --samples 100000
	echo "${SERVER[client]}" >"$CGROUP/cgroup.procs"
	keep "cgroup=$(stat -c %i "$CGROUP")"
	ask unseen a "$ADDR2:${PORT[other]}" --requests 10
	ask_again client
	ask_no_more client
	served server other
	judge 'lossless, client_fits($client),
		expect("server latencies"; 0; .kinds.server.count), expect("reads"; 20; .kinds.read.count)'
}

# Quick answers, then slow ones; remembered together.
quick_and_slow() {
	rm -f "$(result clients)" "$(result servers)"
	converse "--think 50000" "--requests 20"
	remember
	converse "--think 20000000" "--requests 10"
	remember
}

# How many of the latencies that two ends measured are above a bound: at least, at most.
LONGER='def longer($ends; $bound): $ends | [([.[].latency.inner.samples_ns[] | select(. >= $bound)] | length),
	([.[].latency.outer.samples_ns[] | select(. >= $bound)] | length)];
	longer($clients; 10000000) as [$c1, $c2] | longer($servers; 10000000) as [$s1, $s2] |'

@test "only latencies of 10 ms or more" {
	keep min_latency=10ms
	quick_and_slow
	judge "$LONGER"' lossless, between("client latencies"; $c1; $c2; .kinds.client.count),
		between("server latencies"; $s1; $s2; .kinds.server.count),
		expect("short ones"; 0; [.kinds.client, .kinds.server | .slots[] | select(.[0] < 10000000)] | length),
		expect("slow answers at least"; true; $s1 >= 10)' clients servers
}

@test "latencies above 10 ms are outliers, counted apart" {
	keep outlier=10ms
	quick_and_slow
	judge "$LONGER"' lossless,
		between("outliers"; $c1 + $s1; $c2 + $s2 + 60; .roles.client.outliers + .roles.server.outliers),
		expect("all"; 120; .kinds.client.count + .kinds.server.count + .kinds.read.count
			+ .roles.client.outliers + .roles.server.outliers),
		between("client latencies"; 30 - $c2; 30 - $c1; .kinds.client.count),
		between("server latencies"; 30 - $s2; 30 - $s1; .kinds.server.count),
		expect("long ones"; 0; [.kinds[].slots[] | select(.[0] > 10485760)] | length)' clients servers
}

@test "one in ten on a long connection is exactly a tenth" {
	keep sample=10
	converse "" "--requests 500"
	judge 'lossless, expect("latencies"; [50, 50]; [.kinds.client.count, .kinds.server.count]),
		expect("reads"; [50, 50]; [.roles.client.read_delay.count, .roles.server.read_delay.count]),
		expect("sends, of which none is left out"; 500; .roles.client.sends)'
}

@test "one in ten of short connections is about a tenth" {
	keep sample=10
	converse "--conns 1000" "--conns 1000 --parallel 4"
	# Each is drawn for itself: 100, give or take 5 standard deviations of 9.5.
	judge 'lossless, between("client latencies"; 53; 147; .kinds.client.count),
		between("server latencies"; 53; 147; .kinds.server.count),
		between("reads"; 133; 267; .kinds.read.count)'
}

# links: the programs that are attached.
links() {
	dump | jq -c 'select(.type == "identity").probes[].links'
}

@test "a pause begins and ends on open connections, without a reload" {
	local before
	before=$(links)
	serve server b "$ADDR2" --samples 100000
	ask_in_rounds client a "$ADDR2:${PORT[server]}" --requests 10 --samples 100000
	ask_again client
	pinscope set tcp_latency paused=on
	ask_again client
	judge 'expect("latencies"; [10, 10]; [.kinds.client.count, .kinds.server.count])'
	pinscope set tcp_latency paused=off
	ask_again client
	judge 'expect("latencies"; [10, 10]; [.kinds.client.count, .kinds.server.count]),
		expect("rows"; [20, 20]; [rows("client", "server")[].latency.count])'
	ask_no_more client
	served server
	assert_eq "attached" "$before" "$(links)"
}

# has_read PORT: the server there has read something.
has_read() {
	[[ -n $("$READER" dump --tsv --map conns --filter "lport = $1" --filter 'reads > 0' tcp_latency) ]]
}

@test "what is begun before a setting is not finished after it" {
	serve server b "$ADDR2" --think 60000000000
	ask_meanwhile client a "$ADDR2:${PORT[server]}"
	wait_for has_read "${PORT[server]}"
	keep min_latency=1us
	kill -USR1 "${SERVER[server]}" # has thought enough
	served client server
	judge 'lossless, expect("turns"; 1; $client.turns),
		expect("latencies"; [0, 0]; [.kinds.client.count, .kinds.server.count])'
}
