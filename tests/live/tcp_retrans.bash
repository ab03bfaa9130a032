# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Lost packets between namespaces a and b; what tcp_retrans and the kernel's counters say of them.

PROBE=tcp_retrans
# shellcheck source=tests/live/counters.bash
. "${BATS_TEST_DIRNAME:-$(dirname "${BASH_SOURCE[0]}")}/counters.bash"

# segments CAUSE: how many up to now.
segments() {
	dump | jq --arg cause "$1" 'select(.map == "causes" and .labels.cause == $cause).segments'
}

# more_than CAUSE N
more_than() {
	(($(segments "$1") > $2))
}

# drop NAMESPACE ingress|egress BYTES ACTION...: what happens to segments with so many bytes of data
# that come in or leave there, over IPv4 and over IPv6. (Headers: 20 or 40, and 32 with a time stamp.)
drop() {
	local name=$1 direction=$2 bytes=$3
	shift 3
	tc -n "$NET_ID-$name" qdisc replace dev ve0 clsact || skip "no clsact in this kernel"
	tc -n "$NET_ID-$name" filter add dev ve0 "$direction" protocol ip pref 4 u32 \
		match u16 "$((20 + 32 + bytes))" 0xffff at 2 action "$@"
	tc -n "$NET_ID-$name" filter add dev ve0 "$direction" protocol ipv6 pref 6 u32 \
		match u16 "$((32 + bytes))" 0xffff at 4 action "$@"
}

# no_loss: the cables are good again.
no_loss() {
	local name
	for name in a b; do
		tc -n "$NET_ID-$name" qdisc del dev ve0 clsact 2>/dev/null || true
		tc -n "$NET_ID-$name" qdisc del dev ve0 root 2>/dev/null || true
	done
}

# in_state NAMESPACE STATE N: so many sockets there are in that state.
in_state() {
	(($(on "$1" ss -Htn state "$2" | wc -l) == $3))
}

# ask_both OPTIONS: a asks b over IPv4, then over IPv6; the longest latency, in ns, is LATENCY.
ask_both() {
	local address
	LATENCY=0
	for address in "$ADDR2" "[$ADDR2_6]"; do
		# shellcheck disable=SC2086
		serve server b "$address" $1
		# shellcheck disable=SC2086
		ask client a "$address:${PORT[server]}" $1
		served server
		LATENCY=$(got client "[$LATENCY, .latency.outer.max_ns] | max")
	done
	export LATENCY
}
