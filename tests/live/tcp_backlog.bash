# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Listeners that do not accept, and what tcp_backlog and the kernel's own counters say of them.

HERE=${BATS_TEST_DIRNAME:-$(dirname "${BASH_SOURCE[0]}")}
for helper in traffic net assert pinscope; do
	# shellcheck source=/dev/null
	. "$HERE/$helper.bash"
done

# listen NAME ADDR [PLACE]: a server with a limit of 4 (somaxconn) that accepts nothing.
listen() {
	serve "$1" "${3:-b}" "$2"
	kill -STOP "${SERVER[$1]}"
}

# knock N ADDR:PORT: so many connections at once, SYN after SYN on one processor; they stay.
knock() {
	background "knock$2" a taskset -c 0 "$TRAFFIC" client --connect "$2" --conns "$1" --deadline "$TRAFFIC_DEADLINE"
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

# kernel NAME: what the kernel of namespace b counted so far, by the name it has in /proc/net/netstat.
kernel() {
	on b awk -v name="$1" '$1 == "TcpExt:" { if (!n) n = split($0, names); else for (i = 2; i <= n; i++) if (names[i] == name) print $i }' \
		/proc/net/netstat
}
