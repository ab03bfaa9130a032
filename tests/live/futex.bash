# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Threads that wait at futexes for known times, and what futex makes of it.

HERE=${BATS_TEST_DIRNAME:-$(dirname "${BASH_SOURCE[0]}")}
for helper in traffic assert pinscope; do
	# shellcheck source=/dev/null
	. "$HERE/$helper.bash"
done
PLAY=$ROOT/build/tests/futex

dump() {
	"$READER" dump --json futex
}

settings() {
	"$READER" set futex "$@" >/dev/null
}

# play ROUNDS MS: leaves its lines in `known` and KNOWN, its process in PID. Its futexes are at the
# same addresses each time.
# shellcheck disable=SC2034 # KNOWN is for the tests
play() {
	setarch -R "$PLAY" "$@" >known &
	PID=$!
	wait "$PID"
	mapfile -t KNOWN <known
}

# rows: of what played last.
rows() {
	dump | jq -c --arg pid "$PID" 'select((.labels.pid | tostring) == $pid)'
}

# as_known PID LINE: the row of that process and address is what the program says in its line.
as_known() {
	local pid=$1 address waits least most counts got count sum
	read -r address waits least most counts <<<"$2"
	got=$(dump | jq -r --arg pid "$pid" --arg address "$address" 'select(.map == "futexes")
		| select((.labels.pid | tostring) == $pid and .labels.address == $address)
		| "\(.wait.count) \(.wait.sum_ns) \(.timeouts) \(.interrupted) \(.again) \(.wakes) \(.woken)"')
	read -r count sum got <<<"$got"
	assert_eq "waits at $address" "$waits" "$count" "$(dump)"
	assert_between "their time" "$least" "$most" "$sum"
	assert_eq "timeouts, interrupted, again, wakes, woken" "$counts" "$got"
}
