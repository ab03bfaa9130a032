#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# tcp_connect against connects whose end is known, and against the kernel's own counters:
#
#      namespace a                     namespace b
#    +----------------+              +----------------+
#    |    clients     |----- veth ---|    servers     |
#    +----------------+              +----------------+

# shellcheck disable=SC2016 # jq's variables

bats_require_minimum_version 1.5.0

setup_file() {
	load tcp_connect.bash
	need_traffic
	net_up a b
	probe_load tcp_connect
}

teardown_file() {
	load tcp_connect.bash
	net_down
	probe_unload tcp_connect
}

setup() {
	load tcp_connect.bash
	begin
}

teardown() {
	traffic_stop
	for name in a b; do
		tc -n "$NET_ID-$name" qdisc del dev ve0 clsact 2>/dev/null || true
		tc -n "$NET_ID-$name" qdisc del dev ve0 root 2>/dev/null || true
	done
}

# in_progress: connections the probe still waits for.
in_progress() {
	bpftool -j map show name handshakes | jq '[.] | flatten[0].id' | xargs bpftool -j map dump id | jq length
}

# need_requests: skips the rest where the probe cannot see requests that failed.
need_requests() {
	jq -e '.variant == "requests"' "$BATS_TEST_TMPDIR/seen" >/dev/null ||
		skip "requests that failed are not seen on this kernel"
}

@test "IPv4, IPv6 and IPv4 through an IPv6 socket: counted once, and the rows say who and where" {
	local address asked=() served=()
	for address in "$ADDR2" "[$ADDR2_6]" "[::ffff:$ADDR2]"; do
		serve server b "$address" --conns 2
		ask client a "$address:${PORT[server]}" --conns 2
		served server
		asked+=("$(got client .pid)") served+=("$(got server .pid)")
	done
	look
	saw .clients '{"attempts":6,"established":6}'
	saw .servers '{"established":6,"accepted":6}'
	saw .losses '{}'
	saw '.latency | map_values(.count) | [.active, .passive, .accept]' '[6,6,6]'
	saw '.targets | sort_by(.pid)[] | [.comm, .pid, .netns, .remote, .attempts, .established, .latency.count]' \
		"[\"traffic\",${asked[0]},${NETNS_a:?},\"$ADDR2\",2,2,2]
[\"traffic\",${asked[1]},${NETNS_a:?},\"$ADDR2_6\",2,2,2]
[\"traffic\",${asked[2]},${NETNS_a:?},\"$ADDR2\",2,2,2]"
	saw '.listeners | sort_by(.pid)[] | [.comm, .pid, .netns, .local, .established, .accepted, .accept_wait.count]' \
		"[\"traffic\",${served[0]},${NETNS_b:?},\"$ADDR2\",2,2,2]
[\"traffic\",${served[1]},${NETNS_b:?},\"$ADDR2_6\",2,2,2]
[\"traffic\",${served[2]},${NETNS_b:?},\"$ADDR2\",2,2,2]"
}

# bats test_tags=once
@test "200 connects at full rate: none is lost, none longer than the test, nothing is left behind" {
	serve server b "$ADDR2" --conns 200
	ask client a "$ADDR2:${PORT[server]}" --conns 200 --parallel 8
	served server
	look
	saw .clients '{"attempts":200,"established":200}'
	saw .servers '{"established":200,"accepted":200}'
	saw '.latency | map_values(.count) | [.active, .passive, .accept]' '[200,200,200]'
	saw "any(.targets[], .listeners[]; .port == \$port and .latency.max_ns > $(got client .elapsed_ns))" false
	saw .losses '{}'
	assert_eq "in progress" 0 "$(in_progress)"
}

@test "20 ms on the way: both ends wait that long for each other, accept() does not" {
	local elapsed
	serve server b "$ADDR2" --conns 5
	net_shape b netem delay 20ms
	ask client a "$ADDR2:${PORT[server]}" --conns 5 --parallel 1
	served server
	elapsed=$(got client .elapsed_ns)
	look
	saw_between 100000000 "$elapsed" .latency.active.sum_ns
	saw_between 100000000 "$elapsed" .latency.passive.sum_ns
	# what is left of the client's time: each connection also waits 20 ms for its answer
	saw_between 0 $((elapsed - 200000000)) .latency.accept.sum_ns
}

@test "a lost SYN is the client's time, a lost SYN-ACK that of both ends" {
	serve server b "$ADDR2" --conns 2
	deaf b
	ask_meanwhile client a "$ADDR2:${PORT[server]}"
	wait_for connecting a
	hearing b
	served client
	look
	saw '[.clients.established, .servers.established, .clients.syn_retransmits >= 1]' '[1,1,true]'
	saw_between 1000000000 60000000000 .latency.active.sum_ns
	saw_between 1 1000000000 .latency.passive.sum_ns
	begin
	deaf a
	ask_meanwhile client a "$ADDR2:${PORT[server]}"
	wait_for connecting a
	hearing a
	served client server
	look
	saw '[.clients.established, .servers.established, .servers.synack_retransmits >= 1]' '[1,1,true]'
	saw_between 1000000000 60000000000 .latency.active.sum_ns
	saw_between 900000000 60000000000 .latency.passive.sum_ns
}

@test "refused, unreachable, prohibited, no route" {
	ip -n "$NET_ID-a" route add unreachable 10.79.0.0/24
	ip -n "$NET_ID-a" route add prohibit 10.80.0.0/24
	ip -n "$NET_ID-a" -6 route add unreachable fd79::/64
	for address in "$ADDR2" "$ADDR2_6" 10.78.0.1 10.79.0.1 10.80.0.1 fd79::1; do
		run -1 knock a "$address" 1
	done
	look
	saw .clients '{"attempts":6,"refused":2,"unreachable":3,"denied":1}'
	saw '[.targets[] | select(.port == 1) | [.remote, .refused, .unreachable, .denied]] | sort[]' '["10.77.0.2",1,0,0]
["10.78.0.1",0,1,0]
["10.79.0.1",0,1,0]
["10.80.0.1",0,0,1]
["fd77::2",1,0,0]
["fd79::1",0,1,0]'
}

# bats test_tags=once
@test "no local port is left" {
	serve server b "$ADDR2"
	net_sysctl a net.ipv4.ip_local_port_range="45000 45000"
	run -1 on a bash -c "exec 3<>/dev/tcp/$ADDR2/${PORT[server]}; exec 4<>/dev/tcp/$ADDR2/${PORT[server]}"
	net_sysctl a net.ipv4.ip_local_port_range="32768 60999"
	look
	saw .clients '{"attempts":2,"established":1,"no_address":1}'
}

@test "no answer: the client times out, the server gives up" {
	serve server b "$ADDR2"
	net_sysctl a net.ipv4.tcp_syn_retries=1
	net_sysctl b net.ipv4.tcp_synack_retries=1
	deaf a
	run -1 knock a "$ADDR2" "${PORT[server]}"
	net_sysctl a net.ipv4.tcp_syn_retries=6
	look
	saw '[.clients | .attempts, .timed_out]' '[1,1]'
	need_requests
	until_seen '.servers.timed_out == 1'
	net_sysctl b net.ipv4.tcp_synack_retries=5
	saw '.servers | keys' '["synack_retransmits","timed_out"]'
	saw '.listeners[] | select(.port == $port) | [.timed_out, .reset, .established]' '[1,0,0]'
}

# bats test_tags=once
@test "killed while it connects: aborted, and the server's request is reset" {
	serve server b "$ADDR2"
	deaf a
	knock_meanwhile client a "$ADDR2" "${PORT[server]}"
	wait_for connecting a
	kill -9 "${SERVER[client]}"
	wait_for not connecting a
	hearing a # the next SYN-ACK meets no socket
	until_seen '.clients.aborted == 1'
	saw '.clients | del(.syn_retransmits)' '{"attempts":1,"aborted":1}'
	need_requests
	until_seen '.servers.reset == 1'
	saw '.servers | del(.synack_retransmits)' '{"reset":1}'
}

@test "a full accept queue: SYNs again, and the wait until accept()" {
	local held
	net_sysctl b net.core.somaxconn=1
	serve server b "$ADDR2" --conns 3
	net_sysctl b net.core.somaxconn=4096
	kill -STOP "${SERVER[server]}"
	ask_meanwhile client a "$ADDR2:${PORT[server]}" --conns 3
	until_seen '.servers.established == 2'
	held=$(date +%s%N)
	until_seen '.clients.syn_retransmits >= 1'
	saw .clients.attempts 3
	held=$(($(date +%s%N) - held))
	kill -CONT "${SERVER[server]}"
	served client server
	look
	saw '[.clients.established, .servers.established, .servers.accepted]' '[3,3,3]'
	saw_between $((2 * held)) 60000000000 .latency.accept.sum_ns
}

@test "handshakes with SYN cookies have no time, and all else" {
	serve server b "$ADDR2" --conns 3
	net_sysctl b net.ipv4.tcp_syncookies=2
	ask client a "$ADDR2:${PORT[server]}" --conns 3
	net_sysctl b net.ipv4.tcp_syncookies=1
	served server
	look
	saw .servers '{"established":3,"accepted":3}'
	saw '.latency | map_values(.count) | [.active, .passive, .accept]' '[3,0,3]'
}

# bats test_tags=once
@test "a simultaneous open is two clients' and no server's" {
	net_shape a netem delay 1s
	net_shape b netem delay 1s
	background one a nc -s "$ADDR1" -p 7001 "$ADDR2" 7002
	background other b nc -s "$ADDR2" -p 7002 "$ADDR1" 7001
	until_seen '.clients.established == 2'
	saw '[.clients.attempts, .servers]' '[2,{}]'
}

@test "all of this is what the kernel counted" {
	local opened
	look
	assert_eq "connects that began" "$(kernel_counter a TcpActiveOpens)" \
		$(($(total targets "$NETNS_a" attempts) - $(total targets "$NETNS_a" unreachable denied no_address)))
	assert_eq "connects that failed" "$(kernel_counter a TcpAttemptFails)" \
		"$(total targets "$NETNS_a" refused timed_out)"
	assert_eq "SYNs again" "$(kernel_counter a TcpExtTCPSynRetrans)" "$(total targets "$NETNS_a" syn_retransmits)"
	# The kernel counts each socket made of a request, those that it drops at once, too: once, on a busy 6.12, one more.
	opened=$(total listeners "$NETNS_b" established)
	assert_between "connections from outside" "$opened" $((opened + 2)) "$(kernel_counter b TcpPassiveOpens)"
	assert_eq "SYN-ACKs again" "$(kernel_counter b TcpExtTCPSynRetrans)" \
		$(($(total listeners "$NETNS_b" synack_retransmits) + $(total targets "$NETNS_b" syn_retransmits)))
	need_requests
	assert_eq "requests reset" "$(kernel_counter b TcpAttemptFails)" "$(total listeners "$NETNS_b" reset)"
}

# keep_and_ask WEIGHT SETTING ADDR: as many connects as no other test of a setting makes.
keep_and_ask() {
	"$READER" set tcp_connect paused=off port=0 addr=any netns=0 pid=0 cgroup=0 min_latency=0
	"$READER" set tcp_connect "$2"
	ask client a "$3:${PORT[server]}" --conns "$1"
}

# bats test_tags=once
@test "only what is asked for: each setting lets through its own number of connects" {
	serve server b "[::]" --conns 0
	keep_and_ask 1 paused=on "$ADDR2"
	keep_and_ask 2 port=1 "$ADDR2"
	keep_and_ask 4 "port=${PORT[server]}" "$ADDR2"
	keep_and_ask 8 addr=10.99.0.0/16 "$ADDR2"
	keep_and_ask 16 addr=fd77::2/128 "[$ADDR2_6]"
	keep_and_ask 32 "netns=$NETNS_a" "$ADDR2"
	keep_and_ask 64 "netns=$NETNS_b" "$ADDR2"
	keep_and_ask 128 min_latency=1h "$ADDR2"
	keep_and_ask 256 "pid=${SERVER[server]}" "$ADDR2"
	until_seen ".servers.accepted == $((4 + 16 + 64 + 128 + 256))"
	keep_and_ask 512 cgroup=1234567 "$ADDR2"
	look
	saw .clients "{\"attempts\":$((4 + 16 + 32 + 128)),\"established\":$((4 + 16 + 32 + 128))}"
	saw .servers "{\"established\":$((4 + 16 + 64 + 128)),\"accepted\":$((4 + 16 + 64 + 128 + 256))}"
	saw '.latency | map_values(.count) | [.active, .passive, .accept]' \
		"[$((4 + 16 + 32)),$((4 + 16 + 64)),$((4 + 16 + 64 + 256))]"
	"$READER" set tcp_connect cgroup=0
}

# bats test_tags=once
@test "tail prints each connect and each accept" {
	local events=$BATS_TEST_TMPDIR/events
	timeout 60 "$PINSCOPE" tail tcp_connect >"$events" 2>"$events.said" 3>&- &
	wait_for grep -qx "pinscope: no event comes from tcp_connect while its stream is off; turn it on: pinscope set tcp_connect stream=on" "$events.said"
	"$READER" set tcp_connect stream=on
	serve server b "$ADDR2"
	ask client a "$ADDR2:${PORT[server]}"
	run -1 knock a "$ADDR2_6" 1
	served server
	wait_for grep -q refused "$events"
	kill %1
	"$READER" set tcp_connect stream=off
	jq -ce 'select(.type == "event") | [.event, .labels.outcome, .labels.comm, .labels.pid, .labels.remote, .labels.rport]' \
		"$events" | sort >"$events.short"
	cat "$events"
	assert_eq "events" "[\"accept\",null,\"traffic\",$(got server .pid),\"$ADDR1\",$(got client .local_port)]
[\"connect\",\"established\",\"traffic\",$(got client .pid),\"$ADDR2\",${PORT[server]}]
[\"connect\",\"refused\",\"bash\",$(jq 'select(.labels.outcome == "refused") | .labels.pid' "$events"),\"$ADDR2_6\",1]" \
		"$(<"$events.short")"
	assert_eq "latencies" 'true' "$(jq -s 'map(select(.labels.outcome != "refused").latency_ns > 0) | all' "$events")"
}
