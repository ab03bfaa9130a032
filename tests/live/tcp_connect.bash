# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Connects between two namespaces, and what tcp_connect and the kernel's own counters made of them.

HERE=${BATS_TEST_DIRNAME:-$(dirname "${BASH_SOURCE[0]}")}
for helper in traffic net assert pinscope; do
	# shellcheck source=/dev/null
	. "$HERE/$helper.bash"
done

dump() {
	"$READER" dump --json tcp_connect
}

# begin: what is judged begins here.
begin() {
	dump >"$BATS_FILE_TMPDIR/before.dump"
}

# look: what changed since then, for `saw`: .clients, .servers, .losses (without zeros), .latency (by
# kind), .targets, .listeners (rows as they are now).
look() {
	dump | jq -n --slurpfile before "$BATS_FILE_TMPDIR/before.dump" '
		def numbers: del(.type, .probe, .map, .labels);
		def rows($map): map(select(.map == $map));
		def sums: {clients: (rows("clients")[0] | numbers), servers: (rows("servers")[0] | numbers),
			losses: (rows("losses") | map({(.labels.reason): .count}) | add),
			latency: (rows("latency") | map({(.labels.kind): {count, sum_ns}}) | add)};
		def minus($b): with_entries(.key as $k | .value |=
			if type == "number" then . - ($b[$k] // 0) else minus($b[$k] // {}) end);
		[inputs] as $now | ($now | sums | minus($before | sums))
		| (.clients, .servers, .losses) |= map_values(select(. != 0))
		| .variant = $now[0].probes[0].variant
		| .targets = ($now | rows("targets") | map(.labels + numbers))
		| .listeners = ($now | rows("listeners") | map(.labels + numbers))' >"$BATS_TEST_TMPDIR/seen"
}

# saw FILTER EXPECTED: in the latest look; $port is the server's.
saw() {
	assert_eq "$1" "$2" "$(jq -c --arg port "${PORT[server]-0}" \
		"(\$port | tonumber) as \$port | $1" "$BATS_TEST_TMPDIR/seen")" "$(<"$BATS_TEST_TMPDIR/seen")"
}

# saw_between LEAST MOST FILTER
saw_between() {
	assert_between "$3" "$1" "$2" "$(jq "$3" "$BATS_TEST_TMPDIR/seen")"
}

# until_seen FILTER: is true of a look.
until_seen() {
	wait_for -t 60 seen "$1"
}

seen() {
	look && jq -e "$1" "$BATS_TEST_TMPDIR/seen" >/dev/null
}

# total MAP NAMESPACE COLUMN...: over all rows of the namespace, in the latest look.
total() {
	local map=$1 netns=$2
	shift 2
	jq --arg map "$map" --argjson netns "$netns" \
		'[.[$map][] | select(.netns == $netns) | .[$ARGS.positional[]]] | add // 0' \
		"$BATS_TEST_TMPDIR/seen" --args "$@"
}

# kernel_counter NAMESPACE NAME: since the namespace is there.
kernel_counter() {
	on "$1" nstat -asz --json "$2" | jq ".kernel.$2"
}

# knock NAMESPACE ADDR PORT: connects, closes.
knock() {
	on "$1" bash -c "exec 3<>/dev/tcp/$2/$3" 2>/dev/null
}

# knock_meanwhile NAME NAMESPACE ADDR PORT
knock_meanwhile() {
	background "$1" "$2" bash -c "exec 3<>/dev/tcp/$3/$4" 2>/dev/null
}

# deaf NAMESPACE, hearing NAMESPACE: it gets no IPv4 packet (but ARP), or gets them again.
deaf() {
	net_module act_gact
	tc -n "$NET_ID-$1" qdisc add dev ve0 clsact
	tc -n "$NET_ID-$1" filter add dev ve0 ingress protocol ip matchall action drop
}

hearing() {
	tc -n "$NET_ID-$1" qdisc del dev ve0 clsact
}

# connecting NAMESPACE: a socket there is in SYN_SENT.
connecting() {
	on "$1" grep -q ' 02 ' /proc/net/tcp
}

not() {
	! "$@"
}
