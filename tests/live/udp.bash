# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# UDP sockets in namespaces a and b, and what the kernel's counters say of them.

HERE=${BATS_TEST_DIRNAME:-$(dirname "${BASH_SOURCE[0]}")}
for helper in traffic net assert pinscope; do
	# shellcheck source=/dev/null
	. "$HERE/$helper.bash"
done
UDP=$ROOT/build/tests/udp

# ends STEP...: see udp.c; SOCKET.at=NAMESPACE is short for .in=PATH.
ends() {
	local step steps=()
	for step; do
		[[ $step != ?.at=* ]] || step=${step%%.*}.in=$(netns_path "${step#*=}")
		steps+=("$step")
	done
	"$UDP" "${steps[@]}" 3>&-
}

# long_softirqs CPU NAMESPACE: until `traffic_stop` the packets there on lo, one after the other, have to
# pass a hundred rules a hundred times, on that processor.
long_softirqs() {
	local passed
	{
		printf '%s\n' 'table ip long {' 'chain rules {'
		printf 'udp dport %s drop\n' {1..100}
		printf '%s\n' '}' 'chain in {' 'type filter hook input priority 0'
		printf 'jump rules # %s\n' {1..100}
		printf '%s\n' 'drop' '}' '}'
	} | on "$2" nft -f -
	passed=$(link_packets "$2" lo rx)
	background long "$2" taskset -c "$1" "$UDP" c.open=4 c.to=127.0.0.1,65000 c.send=10000000,10
	wait_for on_lo "$2" $((passed + 10))
}

# on_lo NAMESPACE N: whether as many packets have passed there on lo.
on_lo() {
	(($(link_packets "$1" lo rx) >= $2))
}

# counters WHEN: the kernel's, of both namespaces.
counters() {
	local name
	for name in a b; do
		on "$name" cat /proc/net/snmp /proc/net/snmp6 >"$BATS_TEST_TMPDIR/$1.$name"
	done
}

# judge_rows PROBE FILTER [JQ-OPTION...]: of all rows; the results of FILTER are sentences about what
# is wrong. $kernel has by how much the counters of a and b grew from `counters before` to `counters after`.
judge_rows() {
	local when wrong options=("${@:3}")
	for when in before after; do
		options+=(--rawfile "${when}_a" "$BATS_TEST_TMPDIR/$when.a" --rawfile "${when}_b" "$BATS_TEST_TMPDIR/$when.b")
	done
	"$READER" dump --json "$1" >"$BATS_TEST_TMPDIR/dump" || return
	wrong=$(jq -nr -L "$HERE" --slurpfile dump "$BATS_TEST_TMPDIR/dump" "${options[@]}" '
		include "judge"; include "udp";
		{a: minus(counters($after_a); counters($before_a)), b: minus(counters($after_b); counters($before_b))} as $kernel
		| ($ENV.NETNS_a | tonumber) as $a | ($ENV.NETNS_b | tonumber) as $b
		| $dump | map(select(.type == "row")) | '"$2") || return
	[[ -z $wrong ]] || {
		printf '%s\n' "$wrong" >&2
		jq -c 'select(.type == "row" and (.map == "drops" or .map == "rest"))' "$BATS_TEST_TMPDIR/dump" >&2
		return 1
	}
}
