# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Packets between namespaces, what the kernel counted of them there, and what stack_tx made of them.

HERE=${BATS_TEST_DIRNAME:-$(dirname "${BASH_SOURCE[0]}")}
for helper in traffic net assert pinscope; do
	# shellcheck source=/dev/null
	. "$HERE/$helper.bash"
done

# datagrams PLACE ADDR COUNT [BYTES [PORT]]: nobody reads them.
datagrams() {
	# shellcheck disable=SC2016
	on "$1" bash -c 'for ((i = 0; i < $2; i++)); do printf "%$3s" x >"/dev/udp/$1/$4"; done' - \
		"$2" "$3" "${4:-1}" "${5:-7}"
}

# index_of PLACE INTERFACE
index_of() {
	ip -n "$NET_ID-$1" -j link show dev "$2" | jq ".[0].ifindex"
}

# look NAME: the kernel's counters and a dump, from a moment when no packet went.
look() {
	local name=$BATS_FILE_TMPDIR/$1 place
	until [[ -f $name.dump ]] && cmp -s "$name.a" "$name.a.then" && cmp -s "$name.b" "$name.b.then"; do
		for place in a b; do
			on "$place" cat /proc/net/snmp /proc/net/snmp6 /proc/net/dev >"$name.$place.then"
		done
		"$READER" dump --json "${PROBE:-stack_tx}" >"$name.dump" || return
		for place in a b; do
			on "$place" cat /proc/net/snmp /proc/net/snmp6 /proc/net/dev >"$name.$place"
		done
	done
}

# begin: what is judged begins here.
begin() {
	rm -f "$BATS_FILE_TMPDIR/before".*
	look before
}

# wrong FILTER: sentences about what is wrong. The input is what changed since the beginning, as {series,
# losses}; $a and $b are the two namespaces, $of_a and $of_b what the kernel counted there.
wrong() {
	rm -f "$BATS_FILE_TMPDIR/now".*
	look now || return
	# shellcheck disable=SC2154 # from net.bash
	(cd "$BATS_FILE_TMPDIR" && jq -nr -L "$HERE" --argjson a "$NETNS_a" --argjson b "$NETNS_b" \
		--slurpfile before before.dump --slurpfile now now.dump \
		--rawfile before_a before.a --rawfile before_b before.b --rawfile a_now now.a --rawfile b_now now.b '
		include "stack_tx";
		($a_now | counters | minus($before_a | counters)) as $of_a
		| ($b_now | counters | minus($before_b | counters)) as $of_b
		| $now | since($before) | ((.series | adds_up), ('"$1"'))
		| beyond(($now | missed) - ($before | missed))' >wrong)
}

fits() {
	wrong "$1" && [[ ! -s $BATS_FILE_TMPDIR/wrong ]]
}

# judge FILTER: as `wrong` says; what is under way yet may arrive.
judge() {
	wait_for -t 20 fits "$1" || {
		cat "$BATS_FILE_TMPDIR/wrong"
		jq -c 'select(.map == "losses" or .type == "identity" | not) | del(.. | .slots?, .bounds_ns?)
			| [.labels, (to_entries[] | select(.value.count? // 0 > 0) | [.key, .value.count, .value.mean_ns])]' \
			"$BATS_FILE_TMPDIR/now.dump"
		return 1
	} >&2
}
