#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# The namespaces of net.bash (drawn there), with traffic through them.

bats_require_minimum_version 1.5.0

setup_file() {
	load traffic.bash
	need_traffic
	load net.bash
	net_up a b
	net_up c d
}

teardown_file() {
	load net.bash
	net_down
	# shellcheck disable=SC2314
	! ip netns list | grep -q "^$NET_ID-"
}

setup() {
	load traffic.bash
	load net.bash
	load assert.bash
}

teardown() {
	traffic_stop
}

@test "the namespaces speak IPv4 and IPv6 at once" {
	for address in "$ADDR2" "[$ADDR2_6]"; do
		serve server b "$address"
		ask client a "$address:${PORT[server]}" --requests 10
		served server
		assert_eq "turns over $address" 10 "$(got server .turns)"
	done
	assert_eq "peer" "$ADDR1_6" "$(got server .peer)"
}

# bats test_tags=once
@test "the second pair has the same addresses and is another" {
	serve first b "$ADDR2:7700"
	serve second d "$ADDR2:7700"
	ask client c "$ADDR2:7700" --requests 3
	served second
	ask client a "$ADDR2:7700" --requests 5
	served first
	assert_eq "turns in d" 3 "$(got second .turns)"
	assert_eq "turns in b" 5 "$(got first .turns)"
	[[ $(netns_of b) != "$(netns_of d)" ]]
	assert_eq "number" "$(netns_of b)" "$(on b stat -L -c %i /proc/self/ns/net)"
}

# bats test_tags=once
@test "a delay on the cable is one" {
	net_shape a netem delay 20ms
	serve server b "$ADDR2"
	ask client a "$ADDR2:${PORT[server]}" --requests 3
	served server
	(($(got client .latency.outer.min_ns) >= 20000000))
}

# bats test_tags=once
@test "sysctl settings are the namespace's own" {
	net_sysctl a net.ipv4.tcp_fin_timeout=7
	assert_eq "in a" 7 "$(on a cat /proc/sys/net/ipv4/tcp_fin_timeout)"
	[[ $(on b cat /proc/sys/net/ipv4/tcp_fin_timeout) != 7 ]]
}
