# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2016 # jq's variables
#
# Packets that b drops, and what packet_drop made of it.

# shellcheck source=tests/live/udp.bash
. "${BATS_TEST_DIRNAME:-$(dirname "${BASH_SOURCE[0]}")}/udp.bash"

# begin: what is judged begins here. (Each `judge` is a beginning too.)
begin() {
	"$READER" dump --json packet_drop >"$BATS_FILE_TMPDIR/begin"
}

# settings KEY=VALUE...
settings() {
	"$READER" set packet_drop "$@" >/dev/null
}

# knock TIMES ADDR PORT: a connection that is refused.
knock() {
	local i
	for ((i = 0; i < $1; i++)); do
		! on a bash -c ": </dev/tcp/$2/$3" 2>/dev/null || return
	done
}

# judge FILTER: of all rows; its results are sentences about what is wrong.
judge() {
	counters after
	judge_rows packet_drop 'def dropped($reason; $place; $ethertype; $protocol):
			dropped($begin; $reason; $place; $ethertype; $protocol);
		'"$1" --slurpfile begin "$BATS_FILE_TMPDIR/begin" || return
	mv "$BATS_TEST_TMPDIR/dump" "$BATS_FILE_TMPDIR/begin"
}
