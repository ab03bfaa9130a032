# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Receivers in namespace b that do not read for a while, and what tcp_window says of both ends.

PROBE=tcp_window
# shellcheck source=tests/live/counters.bash
. "${BATS_TEST_DIRNAME:-$(dirname "${BASH_SOURCE[0]}")}/counters.bash"

# More than what a receive buffer takes: two such requests at once, and the second waits while the
# server thinks about the first.
REQUEST=300000

# think_over NAME ADDR NS [OPTION...]: a server there, and a client that asks twice at once.
think_over() {
	local name=$1 address=$2 ns=$3
	shift 3
	serve "server$name" b "$address" --request "$REQUEST" --think "$ns" "$@"
	ask_meanwhile "client$name" a "$address:${PORT[server$name]}" --request "$REQUEST" \
		--requests 2 --pipeline 2 "$@"
}

# seen NAMESPACE FILTER...: there is a row of such a connection.
seen() {
	local filters=(--filter "netns = $(netns_of "$1")") filter
	for filter in "${@:2}"; do
		filters+=(--filter "$filter")
	done
	[[ -n $("$READER" dump --tsv --map conns "${filters[@]}" "$PROBE" | sed 1d) ]]
}

# rcv_ssthresh PORT: as ss has it, of the connection with that port in b.
rcv_ssthresh() {
	on b ss -Htin state established sport = ":$1" | grep -o 'rcv_ssthresh:[0-9]*' | cut -d: -f2
}
