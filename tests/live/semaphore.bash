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

HOOKS=(begin:__down sleep:schedule_timeout)

# tracer_start: kprobes at the beginning and the end of a wait, and of its sleep.
tracer_start() {
	local hook
	mkdir "$TRACER"
	echo mono >"$TRACER/trace_clock"
	for hook in "${HOOKS[@]}"; do
		echo "p:pinscope/${hook%:*} ${hook#*:}" >>"$TRACING/kprobe_events"
		echo "r:pinscope/${hook%:*}_end ${hook#*:}" >>"$TRACING/kprobe_events"
	done
	echo 1 >"$TRACER/events/pinscope/enable"
}

tracer_stop() {
	local hook
	[[ -d $TRACER ]] || return 0
	rmdir "$TRACER"
	for hook in "${HOOKS[@]}"; do
		echo "-:pinscope/${hook%:*}" >>"$TRACING/kprobe_events"
		echo "-:pinscope/${hook%:*}_end" >>"$TRACING/kprobe_events"
	done
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

# waits_seen: after some more writes, whether the tracer has seen three waits end.
waits_seen() {
	write_both
	(($(grep -c ' begin_end: ' "$TRACER/trace") >= 3))
}

# waits_more: after some more writes, whether the probe has more waits at the console than `before`. (In 7.2 console_lock
# jumps to down and is not on the stack: the waits are under who called it, con_write for one.)
waits_more() {
	write_both
	dump >after
	jq -en --slurpfile before before --slurpfile after after '
		def console($rows): $rows | map(select(.map == "sites" and (.labels.site | test("^(console_lock|(do_)?con_[a-z_]+)[+]"))))
			| map(.wait.count) | add // 0;
		console($after) > console($before)' >/dev/null
}
