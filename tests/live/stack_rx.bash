# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Packets between namespaces, and what stack_rx made of them.

HERE=${BATS_TEST_DIRNAME:-$(dirname "${BASH_SOURCE[0]}")}
# shellcheck source=tests/live/udp.bash
. "$HERE/udp.bash"

# datagrams COUNT FROM TO ADDR PORT [STEP...]: sent one by one, each read at once, or as STEP... says.
datagrams() {
	local count=$1 from=$2 to=$3 addr=$4 number=$5 i steps=() version=4
	[[ $addr != *:* ]] || version=6
	shift 5
	for ((i = 0; i < count; i++)); do
		steps+=("c.send=1,100" "$@" s.recv=1)
	done
	ends s.at="$to" s.open=$version s.bind="$addr,$number" c.at="$from" c.open=$version c.to="$addr,$number" "${steps[@]}" \
		>"$BATS_TEST_TMPDIR/said"
}

# snmp NAMESPACE NAME: a counter of the kernel's, as in TcpInSegs, Udp6InDatagrams.
snmp() {
	on "$1" cat /proc/net/snmp /proc/net/snmp6 | awk -v name="$2" '
		$1 == name { print $2 }
		/^[A-Z][A-Za-z]*:/ {
			if ($1 == last) for (i = 2; i <= NF; i++) if (substr(last, 1, length(last) - 1) names[i] == name) print $i
			split($0, names); last = $1
		}'
}

settings() {
	"$READER" set stack_rx "$@" >/dev/null
}

dump() {
	"$READER" dump --json "${PROBE:-stack_rx}"
}

begin() {
	dump >"$BATS_FILE_TMPDIR/before.dump"
}

# came: what came since `begin`, or since this was last asked.
came() {
	dump >"$BATS_FILE_TMPDIR/now.dump"
	jq -n -L "$HERE" --slurpfile before "$BATS_FILE_TMPDIR/before.dump" --slurpfile now "$BATS_FILE_TMPDIR/now.dump" \
		'include "stack_rx"; ($before | summary) as $before | $now | summary | minus($before)' || return
	mv "$BATS_FILE_TMPDIR/now.dump" "$BATS_FILE_TMPDIR/before.dump"
}

# judge FILTER [NAME=TEXT|NAME:=JSON...]: of what came; its results are sentences about what is wrong.
judge() {
	local filter=$1 wrong arg args=()
	shift
	for arg; do
		case $arg in
		*:=*) args+=(--argjson "${arg%%:=*}" "${arg#*:=}") ;;
		*) args+=(--arg "${arg%%=*}" "${arg#*=}") ;;
		esac
	done
	came >"$BATS_FILE_TMPDIR/came.json" || return
	wrong=$(jq -r -L "$HERE" "${args[@]}" 'include "judge"; include "stack_rx";
		$ENV.NETNS_a as $a | $ENV.NETNS_b as $b | '"$filter" "$BATS_FILE_TMPDIR/came.json") || return
	[[ -z $wrong ]] || {
		printf '%s\n' "$wrong" >&2
		return 1
	}
}

# rps_received: packets that processors got from others.
rps_received() {
	local fields sum=0
	while read -r -a fields; do
		((sum += 0x${fields[9]}))
	done </proc/net/softnet_stat
	echo "$sum"
}

# bridge_up: namespace m, with a bridge between two more cables; see the drawing.
bridge_up() {
	local name
	net_module bridge
	ip netns add "$NET_ID-m"
	ip -n "$NET_ID-m" link add br0 type bridge
	for name in a b; do
		ip link add ve1 netns "$NET_ID-$name" type veth peer name "m$name" netns "$NET_ID-m"
		ip -n "$NET_ID-m" link set dev "m$name" up master br0
		ip -n "$NET_ID-$name" link set ve1 up
	done
	ip -n "$NET_ID-m" link set br0 up
	ip -n "$NET_ID-a" addr add 10.78.0.1/24 dev ve1
	ip -n "$NET_ID-b" addr add 10.78.0.2/24 dev ve1
	ip -n "$NET_ID-m" addr add 10.78.0.3/24 dev br0
	NETNS_m=$(netns_of m)
	export NETNS_m
}

# card_up: the first network card of tests/vm/run.
card_up() {
	net_module virtio_net
	read -r CARD < <(virtio_cards) || return
	ip addr add 10.0.2.15/24 dev "$CARD"
	ip link set "$CARD" up
}

# datagrams_at_once COUNT FROM TO ADDR PORT: all are sent before the first is read.
datagrams_at_once() {
	ends s.at="$3" s.open=4 s.bind="$4,$5" c.at="$2" c.open=4 c.to="$4,$5" c.send="$1,64" s.recv="$1" \
		>"$BATS_TEST_TMPDIR/said"
}

# rps_to NAMESPACE MASK: which processors the backlog of what ve0 receives is spread over. (A
# network namespace's own /sys/class/net is in a /sys mounted there.)
rps_to() {
	# shellcheck disable=SC2016
	on "$1" unshare -m sh -c 'mount -t sysfs sysfs /sys && echo "$0" >/sys/class/net/ve0/queues/rx-0/rps_cpus' "$2"
}
