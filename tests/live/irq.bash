# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Loads on one processor, and what irq, /proc and the kernel's tracer count of them.

HERE=${BATS_TEST_DIRNAME:-$(dirname "${BASH_SOURCE[0]}")}
# shellcheck source=tests/live/udp.bash
. "$HERE/udp.bash"
# shellcheck source=tests/live/peer.bash
. "$HERE/peer.bash"
TRACERS=/sys/kernel/tracing/instances

# tracer_start NAME: will trace the events of the probe, by a clock that does not jump.
tracer_start() {
	local event dir=$TRACERS/pinscope-$1
	mkdir "$dir"
	echo 0 >"$dir/tracing_on"
	echo mono >"$dir/trace_clock"
	echo 8192 >"$dir/buffer_size_kb"
	for event in softirq_raise softirq_entry softirq_exit irq_handler_entry irq_handler_exit; do
		echo 1 >"$dir/events/irq/$event/enable"
	done
}

tracer_stop() {
	[[ ! -d $TRACERS/pinscope-$1 ]] || rmdir "$TRACERS/pinscope-$1"
}

# tracing 0|1
tracing() {
	echo "$1" | tee "$TRACERS"/pinscope-{first,last}/tracing_on >/dev/null
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

read_blocks() {
	dd if="$READER" of=/dev/null iflag=direct bs=4k count="$1" status=none
}

# load_on CPU: requests over lo, and reading past the page cache.
load_on() {
	local cpus
	cpus=$(taskset -cp "$BASHPID")
	taskset -cp "$1" "$BASHPID" >/dev/null
	serve server - 127.0.0.1
	ask client - "127.0.0.1:${PORT[server]}" --requests 100
	served server
	read_blocks 60
	taskset -cp "${cpus##* }" "$BASHPID" >/dev/null
}

# kernel_counts, probe_counts: lines CPU NAME COUNT, for softirqs and for handlers. (A line of
# /proc/interrupts that several handlers share has no name of its own.)
kernel_counts() {
	awk 'NR == 1 { for (i = 1; i <= NF; i++) cpu[i] = substr($i, 4); next }
		{ for (i = 2; i <= NF; i++) print cpu[i - 1], tolower($1), $i }' /proc/softirqs
	awk 'NR == 1 { n = NF; for (i = 1; i <= n; i++) cpu[i] = substr($i, 4); next }
		$1 ~ /^[0-9]+:$/ && !/,/ { for (i = 1; i <= n; i++) print cpu[i], $1 $NF, $(i + 1) }' /proc/interrupts
}

probe_counts() {
	dump | jq -r 'select(.type == "row") | .labels as $l
		| if .map == "softirqs" then "\($l.cpu) \($l.vector): \(.time.count)"
		elif .map == "irqs" then "\($l.cpu) \($l.irq):\($l.name) \(.time.count)" else empty end'
}

# All calls of handlers on a processor, with and without a row.
kernel_calls() {
	kernel_counts | awk '$2 ~ /^[0-9]/ { n[$1] += $3 } END { for (cpu in n) print cpu, "all", n[cpu] }'
}

probe_calls() {
	dump | jq -rs '[.[] | select(.map == "irqs" or .map == "rest")] | group_by(.labels.cpu)[]
		| "\(.[0].labels.cpu) all \(map(.time.count) | add)"'
}

# against_kernel WHAT LOAD...: what probe_WHAT says is held against kernel_WHAT, read around it and
# within. `counted` is left with what the probe counted meanwhile.
against_kernel() {
	local what=$1
	shift
	"kernel_$what" >r0
	"probe_$what" >r1
	"kernel_$what" >r2
	"$@"
	"kernel_$what" >r3
	"probe_$what" >r4
	"kernel_$what" >r5
	awk '{ key = $1 " " $2; n[FILENAME, key] = $3; keys[key] }
		END {
			for (key in keys) {
				got = n["r4", key] - n["r1", key]
				least = n["r3", key] - n["r2", key]
				most = n["r5", key] - n["r0", key]
				print key, got >"counted"
				# The kernel counts at the entry: one may be under way elsewhere.
				if (got < least - 1 || got > most + 1)
					print key ": expected " least ".." most ", got " got
			}
		}' r0 r1 r2 r3 r4 r5 >wrong
	[[ ! -s wrong ]] || { cat wrong && return 1; }
}

# counted CPU NAME
counted() {
	awk -v cpu="$1" -v name="$2" '(cpu == "" || $1 == cpu) && $2 ~ name { n += $3 } END { print n + 0 }' counted
}

# mean KIND CPU NAME: of what `dumps` has between the two, in ns.
mean() {
	awk -v key="$*" '$2 " " $3 " " $4 == key { sign = $1 == "after" ? 1 : -1; n += sign * $5; sum += sign * $6 }
		END { print n ? int(sum / n) : 0 }' dumps
}

# total KIND [NAME]: what was added on all processors of what `dumps` has between the two, in ns.
total() {
	awk -v kind="$1" -v name="${2-}" '$2 == kind && (name == "" || $4 == name) { sum += $1 == "after" ? $6 : -$6 }
		END { printf "%.0f\n", sum }' dumps
}

# hold: from now on until `let_go`, as tests/fixture/hold.bpf.c says.
hold() {
	mkdir "$HOLD"
	bpftool prog loadall "$ROOT/build/fixture/hold/1-default.bpf.o" "$HOLD/links" pinmaps "$HOLD/maps" autoattach
}

# let_go: leaves `held`, with the lines TIMES NS for raises and for handlers.
let_go() {
	[[ -d $HOLD ]] || return 0
	rm -r "$HOLD/links"
	bpftool -j map dump pinned "$HOLD/maps/held" | jq -r '.[].formatted.value | "\(.times) \(.ns)"' >held
	rm -r "$HOLD"
}

# nothing_new COMMAND...: no row changes.
nothing_new() {
	dump | jq -c 'select(.type == "row")' >before
	"$@"
	dump | jq -c 'select(.type == "row")' | cmp before -
}

# ran_two READING: whether a processor has run two handlers since that reading of kernel_counts.
ran_two() {
	kernel_counts | awk '$2 !~ /^[0-9]/ { next }
		NR == FNR { n[$1, $2] = $3; next }
		$3 > n[$1, $2] && ++ran[$1] == 2 { two = 1 }
		END { exit !two }' "$1" -
}

# bracketed PEER OPTION...: what the probe counted while it surely ran, in `inner`, and at most, in `outer`.
bracketed() {
	dump >r0
	peer "$1" "$@"
	dump >r1
	load_on 1
	dump >r2
	peer_stop "$1"
	dump >r3
	counted_between r1 r2 >inner
	counted_between r0 r3 >outer
}

counted_between() {
	jq -nr --slurpfile a "$1" --slurpfile b "$2" '
		def counts: map(select(.map == "irqs" or .map == "softirqs")) | group_by(.labels.name // .labels.vector)
			| map({key: (.[0].labels | .name // .vector), value: (map(.time.count) | add)}) | from_entries;
		($a | counts) as $a | $b | counts | to_entries[] | "\(.key) \(.value - ($a[.key] // 0))"'
}

# as_many: the input, lines NAME COUNT, lies between inner and outer.
as_many() {
	awk 'FILENAME == "inner" { least[$1] = $2; next }
		FILENAME == "outer" { most[$1] = $2; next }
		{ compared++ }
		$2 < least[$1] + 0 || $2 > most[$1] + 0 {
			print $1 ": expected " least[$1] + 0 ".." most[$1] + 0 ", got " $2
			wrong = 1
		}
		END { exit wrong || !compared }' inner outer - >&2
}
