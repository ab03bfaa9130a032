#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# tcp_backlog against listeners that accept nothing, and the kernel's own counters:
#
#      namespace a                     namespace b
#    +----------------+              +------------------------+
#    | clients        |----- veth ---| stopped servers        |
#    |                |              | somaxconn 4            |
#    +----------------+              +------------------------+
#
# Counts are exact.

# shellcheck disable=SC2016,SC2031 # jq's variables; each test has its own PORT

bats_require_minimum_version 1.5.0

# know NAMESPACE ADDR NEIGHBOUR
know() {
	ip -n "$NET_ID-$1" neigh replace "$2" dev ve0 nud permanent \
		lladdr "$(ip -j -n "$NET_ID-$3" link show ve0 | jq -r '.[0].address')"
}

setup_file() {
	load tcp_backlog.bash
	need_traffic
	net_up a b
	know a "$ADDR2" b # is not asked for when all that b sends is lost
	know b "$ADDR1" a
	net_sysctl b net.core.somaxconn=4
	serve older b "$ADDR2" --conns 0 --deadline 1000
	echo "${SERVER[older]} ${PORT[older]}" >"$BATS_FILE_TMPDIR/older"
	probe_load tcp_backlog
}

teardown_file() {
	load tcp_backlog.bash
	kill "$(cut -d ' ' -f 1 "$BATS_FILE_TMPDIR/older")" || true
	net_down
	probe_unload tcp_backlog
}

setup() {
	load tcp_backlog.bash
	remember
}

teardown() {
	local pid
	for pid in "${SERVER[@]}"; do
		kill -KILL "$pid" 2>/dev/null || true
	done
	traffic_stop
	tc -n "$NET_ID-a" qdisc del dev ve0 root 2>/dev/null || true
	tc -n "$NET_ID-b" qdisc del dev ve0 root 2>/dev/null || true
	net_sysctl b net.ipv4.tcp_syncookies=1
	"$READER" set tcp_backlog paused=off port=0 addr=any netns=0
}

# fill NAME N: so many connections, one after the other; its accept queue is full with five.
fill() {
	background "knock${#SERVER[@]}" a taskset -c 0 bash -c 'for ((i = 0; i < $2; i++)); do
			exec {fd}<>"/dev/tcp/$0/$1"
		done
		exec sleep 1000' "$ADDR2" "${PORT[$1]}" "$2"
	wait_for arrived "$1" "$2"
}

@test "connections that nobody accepts: each SYN finds one more, and is dropped above the limit" {
	listen server "$ADDR2"
	fill server 5
	assert_eq "accept queue" "0:1 1:1 2:1 3:1 4:1" "$(seen server accept_queue)"
	assert_eq "SYN queue" "0:5" "$(seen server syn_queue)"
	assert_eq "limit, overflows" "4 0" "$(row server '"\(.limit) \(.overflows)"')"
	knock 1 "$ADDR2:${PORT[server]}"
	wait_for dropped server overflows 2
	leave
	assert_eq "overflows" "$(since ListenOverflows)" "$(row server .overflows)"
	assert_eq "accept queue" "0:1 1:1 2:1 3:1 4:1 5:$(since ListenOverflows)" "$(seen server accept_queue)"
}

overflows_agree() {
	[[ $(since ListenOverflows) == $(row server '.overflows + .ack_overflows') ]]
}

@test "handshakes that complete when the accept queue is full, some of them with cookies" {
	listen server "$ADDR2"
	fill server 3
	net_shape a netem delay 200ms
	# five have a place in the SYN queue, two of them in the accept queue later; three have a cookie
	knock 8 "$ADDR2:${PORT[server]}"
	wait_for more_than 5 ListenOverflows
	leave
	wait_for overflows_agree # once nothing is on its way
	assert_eq "at SYN" 0 "$(row server .overflows)"
	assert_eq "SYN queue" "0:4 1:1 2:1 3:1 4:1 5:$(since TCPReqQFullDoCookies)" "$(seen server syn_queue)"
	assert_eq "cookies" "$(since TCPReqQFullDoCookies)" "$(row server .syn_overflows)"
}

@test "half-open connections without cookies: SYNs are dropped when the SYN queue is full" {
	net_sysctl b net.ipv4.tcp_syncookies=0
	net_shape b netem loss 100%
	listen server "$ADDR2"
	knock 8 "$ADDR2:${PORT[server]}"
	wait_for dropped server syn_overflows 4
	leave
	assert_eq "SYN queue" "0:1 1:1 2:1 3:1 4:1 5:$(since TCPReqQFullDrop)" "$(seen server syn_queue)"
	assert_eq "overflows" "0 $(since TCPReqQFullDrop)" "$(row server '"\(.overflows) \(.syn_overflows)"')"
	assert_eq "all drops" "$(since ListenDrops)" "$(row server .syn_overflows)"
}

# cgroup_of PID: its number, 0 without cgroup2.
cgroup_of() {
	local root
	root=$(findmnt -n -t cgroup2 -o TARGET | head -n 1)
	stat -c %i "$root$(sed -n 's/^0:://p' "/proc/$1/cgroup")"
}

# bats test_tags=once
@test "listeners are told apart, and a row says whose it is" {
	listen one "$ADDR2"
	listen two "[::]"
	knock 1 "$ADDR2:${PORT[one]}"
	knock 1 "[$ADDR2_6]:${PORT[two]}"
	wait_for arrived two 1
	knock 1 "$ADDR2:${PORT[two]}" # IPv4 to an IPv6 socket
	wait_for arrived one 1
	wait_for arrived two 2
	local who='"\(.local) \(.netns) \(.pid) \(.comm) \(.state)"'
	assert_eq "one" "$ADDR2 ${NETNS_b?} ${SERVER[one]} traffic open" "$(row one "$who")"
	assert_eq "two" ":: ${NETNS_b?} ${SERVER[two]} traffic open" "$(row two "$who")"
	assert_eq "cgroup" "$(cgroup_of "${SERVER[two]}")" "$(row two .cgroup)"
}

@test "a listener that is older than the probe has a row from its first SYN on" {
	# shellcheck disable=SC2030
	PORT[older]=$(cut -d ' ' -f 2 "$BATS_FILE_TMPDIR/older")
	assert_nothing "no row yet" row older .state
	ask client a "$ADDR2:${PORT[older]}"
	assert_eq "row" "$ADDR2 0 open 1" "$(row older '"\(.local) \(.pid) \(.state) \(.accept_queue.count)"')"
}

# bats test_tags=once
@test "only a port, an address or a namespace, or nothing" {
	serve one b "$ADDR2" --conns 0
	serve two b "[$ADDR2_6]" --conns 0
	local filter
	for filter in "port=${PORT[one]}" addr=fd77::/16 "netns=${NETNS_b?}" paused=on "netns=${NETNS_a?}"; do
		"$READER" set tcp_backlog paused=off port=0 addr=any netns=0 "$filter"
		ask client a "$ADDR2:${PORT[one]}"
		ask client a "[$ADDR2_6]:${PORT[two]}"
	done
	assert_eq "counted" "2 2" "$(row one .accept_queue.count) $(row two .accept_queue.count)"
}

# bats test_tags=peer
@test "tcpsynbl sees the same lengths" {
	type -P tcpsynbl || skip "no tcpsynbl here"
	listen server "$ADDR2"
	background tcpsynbl - tcpsynbl 1000
	wait_for tcpsynbl_attached
	fill server 5
	kill -INT "${SERVER[tcpsynbl]}"
	served tcpsynbl
	assert_eq "from:times" "0:2 2:2 4:1" "$(awk '$2 == "->" && $5 { printf "%s%s:%s", s, $1, $5; s = " " }' "$(result tcpsynbl)")"
	assert_eq "ours" "0:1 1:1 2:1 3:1 4:1" "$(seen server accept_queue)"
}

# all_rows FILTER: of everything but the configuration.
all_rows() {
	"$READER" dump --json tcp_backlog | jq -rs 'map(select(.type == "row")) | '"$1"
}

# bats test_tags=once
@test "what finds no row is in the rest, and so is a row that gave way" {
	probe_unload tcp_backlog
	probe_load tcp_backlog --map-entries listeners=1
	serve one b "$ADDR2" --conns 0
	serve two b "$ADDR2" --conns 0
	for _ in 1 2; do
		ask client a "$ADDR2:${PORT[one]}"
		ask client a "$ADDR2:${PORT[two]}"
	done
	local sums='"\(map(select(.map == "listeners").accept_queue.count) | add) \(
		map(select(.map == "rest").syn_queue.count) | add) \(map(select(.map == "losses").count) | add)"'
	assert_eq "row, rest, loss" "2 2 2" "$(all_rows "$sums")"
	hang_up one
	ask client a "$ADDR2:${PORT[two]}"
	assert_eq "the other has the row" "1 4 2" "$(all_rows "$sums")"
	assert_eq "its port" "${PORT[two]}" "$(all_rows '.[] | select(.map == "listeners").labels.port')"
}
