# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Conversations of one segment each way, and what tcp_rtt made of them.

HERE=${BATS_TEST_DIRNAME:-$(dirname "${BASH_SOURCE[0]}")}
for helper in traffic net assert pinscope; do
	# shellcheck source=/dev/null
	. "$HERE/$helper.bash"
done

keep() {
	"$READER" set tcp_rtt "$@"
}

# begin: what is judged begins here.
begin() {
	"$READER" dump --json tcp_rtt >"$BATS_FILE_TMPDIR/before"
}

# since_then FILTER: the results of FILTER, whose input is the rows that changed since the beginning.
# A row is a part of `parts` where it has a remote.
since_then() {
	"$READER" dump --json tcp_rtt >"$BATS_FILE_TMPDIR/now"
	"$READER" diff --json "$BATS_FILE_TMPDIR/before" "$BATS_FILE_TMPDIR/now" >"$BATS_FILE_TMPDIR/change"
	jq -rs '
		[.[] | select(.type == "row")] as $rows
		| {
			rtt: ($rows[] | select(.map == "rtt")),
			unsampled: ([$rows[] | select(.map == "unsampled").count] | add),
			rest: ([$rows[] | select(.map == "rest").rtt.count] | add),
			table_full: ([$rows[] | select(.map == "losses").count] | add),
			parts: [$rows[] | select(.map == "parts" and .rtt.count > 0) | .labels + .rtt]
		} | '"$1" "$BATS_FILE_TMPDIR/change"
}

acknowledged() {
	(($(since_then '.rtt.count + .unsampled') >= $1))
}

# counted SAMPLES: exactly so many are there, the last of them when the closing of a connection is over.
counted() {
	wait_for acknowledged "$1" || true
	assert_eq "acknowledgements" "$1" "$(since_then '.rtt.count + .unsampled')"
}

# talk NAME ADDR REQUESTS: b answers a. Each end then has one sample for each request, one for the
# handshake and one for the closing.
talk() {
	serve "$1" b "$2"
	ask "$1_client" a "$2:${PORT[$1]}" --requests "$3"
	served "$1"
}
