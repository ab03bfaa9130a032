# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Network namespaces for tests. Two pairs, with the same addresses:
#
#      namespace a                     namespace b
#    +----------------+              +----------------+
#    | ve0 10.77.0.1  |----- veth ---| ve0 10.77.0.2  |
#    |     fd77::1    |              |     fd77::2    |
#    +----------------+              +----------------+
#
#      namespace c                     namespace d
#    +----------------+              +----------------+
#    | ve0 10.77.0.1  |----- veth ---| ve0 10.77.0.2  |
#    |     fd77::1    |              |     fd77::2    |
#    +----------------+              +----------------+
#
# Each has lo too. To use: `net_up a b` in setup, `net_down` in teardown.

export NET_ID=${NET_ID:-ps$$}
export ADDR1=10.77.0.1 ADDR2=10.77.0.2 ADDR1_6=fd77::1 ADDR2_6=fd77::2

netns_path() {
	echo "/run/netns/$NET_ID-$1"
}

# on NAMESPACE COMMAND...: unlike `ip netns exec` it leaves the mounts alone (bpffs among them).
on() {
	local name=$1
	shift
	nsenter --net="$(netns_path "$name")" -- "$@"
}

# netns_of NAMESPACE: the number a probe shows.
netns_of() {
	stat -L -c %i "$(netns_path "$1")"
}

# net_module NAME: where it is neither built in nor a module, its absence shows later.
net_module() {
	modprobe -q "$1" 2>/dev/null || true
}

net_one() {
	local name=$1 host=$2
	ip -n "$NET_ID-$name" link set lo up
	on "$name" sh -c 'echo 0 >/proc/sys/net/ipv6/conf/ve0/accept_dad'
	ip -n "$NET_ID-$name" addr add "10.77.0.$host/24" dev ve0
	ip -n "$NET_ID-$name" addr add "fd77::$host/64" dev ve0 nodad
	ip -n "$NET_ID-$name" link set ve0 up
	export "NETNS_$name=$(netns_of "$name")"
}

# net_up NAME NAME: two namespaces joined by a cable; exports their numbers as NETNS_NAME.
net_up() {
	net_module veth
	ip netns add "$NET_ID-$1"
	ip netns add "$NET_ID-$2"
	ip link add ve0 netns "$NET_ID-$1" type veth peer name ve0 netns "$NET_ID-$2"
	net_one "$1" 1
	net_one "$2" 2
}

# virtio_cards: those in this namespace.
virtio_cards() {
	local link
	for link in /sys/class/net/*/device/driver; do
		[[ $(readlink "$link") != */virtio_net ]] || basename "${link%/device/driver}"
	done
}

# three_cards: are here. (Those of a namespace come back some time after its end.)
three_cards() {
	(($(virtio_cards | wc -l) == 3))
}

# cards_up NAMESPACE NAMESPACE: the two network cards of tests/vm/run that are joined, one in each:
# CARD_NAMESPACE, 10.79.0.1 and .2. They know each other, so that nothing passes but what is sent.
# Fails where there are none.
cards_up() {
	local name i=0
	net_module virtio_net
	[[ -n $(find /sys/bus/virtio/drivers/virtio_net -name 'virtio*' 2>/dev/null | sed -n 3p) ]] || return
	wait_for three_cards
	mapfile -t CARDS < <(virtio_cards)
	for name; do
		export "CARD_$name=${CARDS[++i]}"
		ip link set "${CARDS[i]}" netns "$NET_ID-$name"
		net_sysctl "$name" "net.ipv6.conf.${CARDS[i]}.disable_ipv6=1"
		ip -n "$NET_ID-$name" addr add "10.79.0.$i/24" dev "${CARDS[i]}"
		ip -n "$NET_ID-$name" link set "${CARDS[i]}" up
		ip -n "$NET_ID-$name" neigh replace "10.79.0.$((3 - i))" lladdr "52:54:00:00:00:0$((3 - i))" dev "${CARDS[i]}"
	done
}

# link_packets NAMESPACE INTERFACE rx|tx: as `ip -s link` says.
link_packets() {
	ip -n "$NET_ID-$1" -s -j link show dev "$2" | jq ".[0].stats64.$3.packets"
}

# net_down: all of them, however many there are.
net_down() {
	local path
	for path in "$(netns_path "")"*; do
		[[ ! -e $path ]] || ip netns del "${path##*/}"
	done
}

# net_shape NAMESPACE QDISC...: what leaves there goes through e.g. `netem delay 5ms`, `tbf rate ..`.
# Skips the test where the kernel lacks it.
net_shape() {
	local name=$1 said
	shift
	net_module "sch_$1"
	said=$(tc -n "$NET_ID-$name" qdisc replace dev ve0 root "$@" 2>&1) && return
	[[ $said != *"qdisc kind is unknown"* ]] || skip "no $1 in this kernel"
	echo "$said" >&2
	return 1
}

# net_sysctl NAMESPACE NAME=VALUE
net_sysctl() {
	local file=${2%%=*}
	on "$1" sh -c "echo '${2#*=}' >/proc/sys/${file//.//}"
}
