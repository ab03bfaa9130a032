# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Another tool as second witness: it sees the same load as the probe. (`traffic_stop` ends what a failed
# test left running.)

# peer NAME COMMAND...: watches until `peer_stop NAME`; what it prints is NAME in the test's directory.
peer() {
	local name=$1
	shift
	command -v "$1" >/dev/null || skip "$1 (package libbpf-tools) is not here"
	stdbuf -oL "$@" >"$BATS_TEST_TMPDIR/$name" 2>&1 3>&- &
	SERVER["$name"]=$!
	wait_for -t 120 grep -q Tracing "$BATS_TEST_TMPDIR/$name"
}

peer_stop() {
	local name
	for name; do
		kill -INT "${SERVER["$name"]}"
		wait "${SERVER["$name"]}" || true
		unset "SERVER[$name]"
	done
}

# peer_slots NAME [HEADING]: the histogram that it printed (under that heading), as JSON: [[LEAST, COUNT], ..]
peer_slots() {
	awk -v heading="${2-}" '/ = / { other = heading != "" && index($0, heading) == 0 }
		$2 == "->" && !other { printf "%s[%s, %s]", n++ ? ", " : "[", $1, $5 }
		END { print n ? "]" : "[]" }' "$BATS_TEST_TMPDIR/$1"
}

# peer_count NAME: the sum of it.
peer_count() {
	peer_slots "$1" | jq 'map(.[1]) | add // 0'
}
