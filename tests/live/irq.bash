# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Loads on one processor, and what irq, /proc and the kernel's tracer count of them.

HERE=${BATS_TEST_DIRNAME:-$(dirname "${BASH_SOURCE[0]}")}
for helper in traffic assert pinscope; do
	# shellcheck source=/dev/null
	. "$HERE/$helper.bash"
done
TRACERS=/sys/kernel/tracing/instances

# tracer_start NAME: traces the events of the probe, by a clock that does not jump.
tracer_start() {
	local event
	mkdir "$TRACERS/pinscope-$1"
	cd "$TRACERS/pinscope-$1"
	echo mono >trace_clock
	echo 8192 >buffer_size_kb
	for event in softirq_raise softirq_entry softirq_exit irq_handler_entry irq_handler_exit; do
		echo 1 >"events/irq/$event/enable"
	done
	cd - >/dev/null
}

tracer_stop() {
	[[ ! -d $TRACERS/pinscope-$1 ]] || rmdir "$TRACERS/pinscope-$1"
}

# mark N: into what the last tracer writes.
mark() {
	echo "mark $1" >"$TRACERS/pinscope-last/trace_marker"
}

# traced NAME: its records as irq.awk reads them. The name of a handler is known at its entry only.
traced() {
	sed -nE 's/^.* \[([0-9]+)\] [^ ]+ +([0-9]+)\.([0-9]+): (.*)$/\2\3 '"$1"' \1 \4/
		s/ tracing_mark_write: mark / mark /p
		s/: vec=[0-9]+ \[action=(.*)\]$/ \L\1/p
		s/: irq=([0-9]+) name=(.*)$/ \1 \2/p
		s/: irq=([0-9]+) ret=.*$/ \1/p' "$TRACERS/pinscope-$1/trace"
}

dump() {
	"$READER" dump --json irq
}

# rows before|after: a dump as irq.awk reads it.
rows() {
	dump | jq -r --arg when "$1" 'select(.type == "row") | .labels as $l
		| if .map == "softirqs" then ["softirqs.delay", $l.cpu, $l.vector, .delay], ["softirqs.time", $l.cpu, $l.vector, .time]
		elif .map == "irqs" then ["irqs.time", $l.cpu, $l.irq, .time] else empty end
		| "\($when) \(.[0]) \(.[1]) \(.[2]) \(.[3].count) \(.[3].sum_ns)"'
}

# load_on CPU: requests over lo, and reading past the page cache.
load_on() {
	local cpus
	cpus=$(taskset -cp "$BASHPID")
	taskset -cp "$1" "$BASHPID" >/dev/null
	serve server - 127.0.0.1
	ask client - "127.0.0.1:${PORT[server]}" --requests 200
	served server
	dd if="$READER" of=/dev/null iflag=direct bs=4k count=50 status=none
	taskset -cp "${cpus##* }" "$BASHPID" >/dev/null
}
