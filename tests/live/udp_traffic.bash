# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2016 # jq's variables
#
# What UDP sockets did, and what udp_traffic made of it.

# shellcheck source=tests/live/udp.bash
. "${BATS_TEST_DIRNAME:-$(dirname "${BASH_SOURCE[0]}")}/udp.bash"

# talk STEP...: what the sockets say of it is judged.
talk() {
	counters before
	ends "$@" >"$BATS_TEST_TMPDIR/said"
	counters after
}

# settings KEY=VALUE...
settings() {
	"$READER" set udp_traffic "$@" >/dev/null
}

# judge FILTER: of all rows; its results are sentences about what is wrong.
judge() {
	judge_rows udp_traffic '$said[0] as $said
		| def fits($name; $netns; $port; $also): fits($said[$name]; $name; $netns; $port; $also);
		'"$1" --slurpfile said "$BATS_TEST_TMPDIR/said" || {
		cat "$BATS_TEST_TMPDIR/said" >&2
		return 1
	}
}
