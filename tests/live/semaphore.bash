# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2016,SC2034 # jq's variables; for the tests
#
# Writers that wait for the console's semaphore, and what the kernel's tracer sees of them.

HERE=${BATS_TEST_DIRNAME:-$(dirname "${BASH_SOURCE[0]}")}
for helper in traffic assert pinscope; do
	# shellcheck source=/dev/null
	. "$HERE/$helper.bash"
done
TRACING=/sys/kernel/tracing
TRACER=$TRACING/instances/pinscope-semaphore

WAITED='def all($rows): $rows | map(select(.map == "all")) | {count: (map(.count) | add), sum: (map(.sum_ns) | add)};
	all($before) as $a | all($after) as $b | "probe \($b.count - ($a.count // 0)) \(($b.sum // 0) - ($a.sum // 0))"'

dump() {
	"$READER" dump --json semaphore
}

tracer_start() {
	[[ -d $TRACING/events ]] || return 0
	echo 'p:pinscope/begin __down' >>"$TRACING/kprobe_events"
	echo 'r:pinscope/end __down' >>"$TRACING/kprobe_events"
	mkdir "$TRACER"
	echo mono >"$TRACER/trace_clock"
	echo 1 >"$TRACER/events/pinscope/begin/enable"
	echo 1 >"$TRACER/events/pinscope/end/enable"
}

tracer_stop() {
	[[ -d $TRACER ]] || return 0
	rmdir "$TRACER"
	echo '-:pinscope/begin' >>"$TRACING/kprobe_events"
	echo '-:pinscope/end' >>"$TRACING/kprobe_events"
}

mark() {
	echo "mark $1" >"$TRACER/trace_marker"
}

write_to() {
	local i
	for ((i = 0; i < 30; i++)); do
		printf '%01000d' 0
	done >"$1"
}

# write_both: at the same time, each to a terminal of its own.
write_both() {
	write_to /dev/tty11 &
	write_to /dev/tty12
	wait
}
