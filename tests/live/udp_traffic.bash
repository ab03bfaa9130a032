# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What UDP sockets did, what the kernel's counters say, and what udp_traffic made of it.

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

# counters WHEN: the kernel's, of both namespaces.
counters() {
	local name
	for name in a b; do
		on "$name" cat /proc/net/snmp /proc/net/snmp6 >"$BATS_TEST_TMPDIR/$1.$name"
	done
}

# talk STEP...: what the sockets say of it is judged.
talk() {
	counters before
	ends "$@" >"$BATS_TEST_TMPDIR/said"
	counters after
}

dump() {
	"$READER" dump --json udp_traffic
}

# settings KEY=VALUE...
settings() {
	"$READER" set udp_traffic "$@" >/dev/null
}

# judge FILTER: of all rows; its results are sentences about what is wrong.
judge() {
	local when wrong counters=()
	for when in before after; do
		counters+=(--rawfile "${when}_a" "$BATS_TEST_TMPDIR/$when.a" --rawfile "${when}_b" "$BATS_TEST_TMPDIR/$when.b")
	done
	dump >"$BATS_TEST_TMPDIR/dump"
	wrong=$(jq -nr -L "$HERE" --slurpfile said "$BATS_TEST_TMPDIR/said" --slurpfile dump "$BATS_TEST_TMPDIR/dump" \
		"${counters[@]}" '
		include "udp_traffic";
		$said[0] as $said
		| {a: minus(counters($after_a); counters($before_a)), b: minus(counters($after_b); counters($before_b))} as $kernel
		| ($ENV.NETNS_a | tonumber) as $a | ($ENV.NETNS_b | tonumber) as $b
		| $dump | map(select(.type == "row"))
		| def fits($name; $netns; $port; $also): fits($said[$name]; $name; $netns; $port; $also);
		'"$1")
	[[ -z $wrong ]] || {
		printf '%s\n' "$wrong"
		cat "$BATS_TEST_TMPDIR/said"
		return 1
	} >&2
}
