# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2016,SC2034 # what the second guest expands; what the tests use
#
# The two namespaces of the other helpers, a here and b in the second guest of tests/vm/pair, joined by the cable
# between the guests. It is sourced after those helpers: what they do in b is then done there.
#
#      namespace a                       namespace b of the second guest
#    +--------------------------+      +--------------------------+
#    | ve0 10.77.0.1  fd77::1   |------| ve0 10.77.0.2  fd77::2   |
#    +--------------------------+      +--------------------------+

for helper in traffic net assert pinscope; do
	# shellcheck source=/dev/null
	. "${HERE:=${BATS_TEST_DIRNAME:-$(dirname "${BASH_SOURCE[0]}")}}/$helper.bash"
done
THERE=$ROOT/tests/vm/there STARTED=0

place() {
	IN=(nsenter --net="$(netns_path "$1")" --)
	[[ $1 != b ]] || IN=("$THERE" "${IN[@]}")
	[[ $1 != - ]] || IN=()
}

on() {
	place "$1"
	"${IN[@]}" "${@:2}"
}

# join NAMESPACE NUMBER: what is to be done in each guest. Both know each other, and have nothing to say on their own.
join() {
	local card
	net_module sch_netem
	card=$(grep -lx "52:54:00:00:02:0$2" /sys/class/net/*/address) ||
		{ echo "no cable to a second guest: this is run by tests/vm/pair" >&2 && return 1; }
	ip netns add "$NET_ID-$1"
	ip link set "$(basename "${card%/address}")" netns "$NET_ID-$1" name ve0
	net_sysctl "$1" net.ipv6.conf.ve0.router_solicitations=0
	net_sysctl "$1" net.ipv6.conf.ve0.mldv2_unsolicited_report_interval=1
	net_one "$1" "$2"
	ip -n "$NET_ID-$1" neigh replace "10.77.0.$((3 - $2))" lladdr "52:54:00:00:02:0$((3 - $2))" dev ve0
	ip -n "$NET_ID-$1" neigh replace "fd77::$((3 - $2))" lladdr "52:54:00:00:02:0$((3 - $2))" dev ve0
}

pair_up() {
	join a 1
	"$THERE" env NET_ID="$NET_ID" bash -ec ". '$HERE/net.bash'; $(declare -f join); join b 2"
	NETNS_b=$(on b stat -L -c %i /proc/self/ns/net)
	export NETNS_b
}

# in_both COMMAND...: at the same time.
in_both() {
	background there - "$THERE" "$@"
	"$@"
	served there
}

# both ARG...: the reader there, and then here: what the first has seen acknowledged, the second has seen sent. (To be used as READER.)
both() {
	"$THERE" "$ROOT/build/pinscope-reader" "$@" && "$ROOT/build/pinscope-reader" "$@"
}

# waited_for FILE: what is in it, as soon as it is there, in the second guest.
waited_for() {
	"$THERE" timeout 60 sh -c 'until [ -s "$0" ]; do sleep 0.02; done; cat "$0"' "$1"
}

serve() {
	local name=$1 file=/run/$BATS_TEST_NUMBER.$((STARTED += 1))
	background "$name" "$2" "$TRAFFIC" server --listen "$3:0" --ready "$file" --deadline "$TRAFFIC_DEADLINE" "${@:4}"
	PORT["$name"]=$(waited_for "$file")
}

net_shape() {
	on "$1" tc qdisc replace dev ve0 root "${@:2}"
}

# still NAMESPACE: no connection there is open or about to end.
still() {
	[[ -z $(on "$1" ss -Htn state connected exclude time-wait) ]]
}

# echoes COUNT ADDR ADDR: datagrams from a to b and back, one at a time.
echoes() {
	local version=4 a=() b=() i file=/run/$BATS_TEST_NUMBER.$((STARTED += 1))
	[[ $2 != *:* ]] || version=6
	for ((i = 0; i < $1; i++)); do
		a+=("a.send=1,100" a.recv=1)
		b+=(b.recv=1 "b.send=1,100")
	done
	background echo b "$UDP" b.open=$version b.bind="$3,7000" b.to="$2,7001" b.tell="$file" "${b[@]}"
	waited_for "$file"
	on a "$UDP" a.open=$version a.bind="$2,7001" a.to="$3,7000" "${a[@]}" >"$BATS_TEST_TMPDIR/said"
	served echo
}
