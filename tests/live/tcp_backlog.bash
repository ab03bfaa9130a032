# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Listeners that do not accept, and what tcp_backlog and the kernel's own counters say of them.

HERE=${BATS_TEST_DIRNAME:-$(dirname "${BASH_SOURCE[0]}")}
for helper in traffic net assert pinscope; do
	# shellcheck source=/dev/null
	. "$HERE/$helper.bash"
done
declare -gA BEFORE=()

# listen NAME ADDR: a server in b that accepts nothing; its limit is the somaxconn of b.
listen() {
	serve "$1" b "$2"
	kill -STOP "${SERVER[$1]}"
}

# knock N ADDR:PORT: so many connections from a at once, SYN after SYN on one processor; they stay
# until `leave`.
knock() {
	background "knock${#SERVER[@]}" a taskset -c 0 "$TRAFFIC" client --connect "$2" --conns "$1" \
		--deadline "$TRAFFIC_DEADLINE" 2>/dev/null
}

leave() {
	local name
	for name in "${!SERVER[@]}"; do
		[[ $name != knock* ]] || { kill -KILL "${SERVER[$name]}" && wait "${SERVER[$name]}"; } || unset "SERVER[$name]"
	done
}

# hang_up NAME
hang_up() {
	kill -KILL "${SERVER[$1]}"
	wait_for closed "$1"
}

# row NAME FILTER: of that listener.
row() {
	"$READER" dump --json --map listeners tcp_backlog |
		jq -r --argjson port "${PORT[$1]}" "select(.type == \"row\" and .labels.port == \$port) | .labels + . | $2"
}

# seen NAME QUEUE: its lengths, as LENGTH:TIMES.
seen() {
	row "$1" ".$2.slots | map(\"\(.[0]):\(.[1])\") | join(\" \")"
}

# arrived NAME N: so many SYNs.
arrived() {
	[[ $(row "$1" .accept_queue.count) == "$2" ]]
}

# closed NAME
closed() {
	[[ $(row "$1" .state) == closed ]]
}

# shellcheck disable=SC2016
# kernel_counts NAME: what the kernel of namespace b counted so far, by the name it has in /proc/net/netstat.
kernel_counts() {
	on b awk -v name="$1" '$1 == "TcpExt:" { if (!n) n = split($0, names); else for (i = 2; i <= n; i++) if (names[i] == name) print $i }' \
		/proc/net/netstat
}

# remember: from here on `since` counts.
remember() {
	local name
	for name in ListenOverflows ListenDrops TCPReqQFullDrop TCPReqQFullDoCookies; do
		BEFORE[$name]=$(kernel_counts "$name")
	done
}

since() {
	echo $(($(kernel_counts "$1") - BEFORE[$1]))
}

# dropped NAME COLUMN N: at least.
dropped() {
	(($(row "$1" ".$2") >= $3))
}

# more_than N COUNTER: of the kernel's, since.
more_than() {
	(($(since "$2") > $1))
}

tcpsynbl_attached() {
	bpftool -j prog show | jq -e 'any(.[]; .name // "" | startswith("tcp_v4_syn_recv"))' >/dev/null
}
