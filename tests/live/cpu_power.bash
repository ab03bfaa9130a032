# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What cpu_power and the kernel's tracer say of the processors' idle states.

HERE=${BATS_TEST_DIRNAME:-$(dirname "${BASH_SOURCE[0]}")}
for helper in traffic assert pinscope; do
	# shellcheck source=/dev/null
	. "$HERE/$helper.bash"
done
TRACER=/sys/kernel/tracing/instances/pinscope-cpu_power

tracer_start() {
	mkdir "$TRACER"
	echo mono >"$TRACER/trace_clock"
	echo 1 >"$TRACER/events/power/cpu_idle/enable"
}

tracer_stop() {
	[[ ! -d $TRACER ]] || rmdir "$TRACER"
}

mark() {
	echo "mark $1" >"$TRACER/trace_marker"
}

dump() {
	"$READER" dump --json cpu_power
}

# stays: lines CPU:STATE COUNT MICROSECONDS.
stays() {
	dump | jq -r 'select(.map == "idle" and .residency) | "\(.labels.cpu):\(.labels.state) \(.residency.count) \(.residency.sum_ns / 1000 | floor)"'
}

# traced FROM TO: the same of the stays that ended between two marks.
traced() {
	sed -nE 's/^.* \[0*([0-9]+)\] [^ ]+ +([0-9]+)\.([0-9]+): (.*)$/\1 \2\3 \4/
		s/tracing_mark_write: mark/mark/p
		s/cpu_idle: state=([0-9]+) .*$/\1/p' "$TRACER/trace" |
		awk -v from="$1" -v to="$2" '
			$3 == "mark" { at[$4] = 1; next }
			$3 != 4294967295 { state[$1] = $3; since[$1] = $2; next }
			$1 in since && from in at && !(to in at) {
				key = $1 ":state" state[$1]
				n[key]++
				us[key] += $2 - since[$1]
			}
			END { for (key in n) print key, n[key], us[key] }'
}

# judge BEFORE AFTER INNER OUTER: what was counted lies between both; the tracer and the probe read
# their clocks one after the other (100 us under emulation). Prints what is wrong, or how many there were.
judge() {
	awk 'FILENAME == ARGV[1] { n[$1] -= $2; us[$1] -= $3 }
		FILENAME == ARGV[2] { n[$1] += $2; us[$1] += $3 }
		FILENAME == ARGV[3] { least[$1] = $2; least_us[$1] = $3; all += $2 }
		FILENAME == ARGV[4] { most[$1] = $2; most_us[$1] = $3; n[$1] += 0 }
		END {
			for (key in n) {
				off = 100 * most[key]
				if (n[key] < least[key] || n[key] > most[key])
					print key ": expected " least[key] ".." most[key] ", got " n[key]
				if (us[key] < least_us[key] - off || us[key] > most_us[key] + off)
					print key ": expected " least_us[key] ".." most_us[key] " us, got " us[key]
			}
			print all
		}' "$@"
}

# frequency KHZ CPU: as if the kernel had changed it.
frequency() {
	local id
	id=$("$READER" links "$(pin_root)/cpu_power/links" | jq 'select(.link == "cpu_frequency").prog_id')
	"$ROOT/build/tests/raw_tp" "$id" "$1" "$2"
}

# at KHZ CPU: how often it was begun, and nanoseconds at it.
at() {
	dump | jq -r --argjson khz "$1" --argjson cpu "$2" 'select(.map == "frequencies" and .labels.khz == $khz and .labels.cpu == $cpu)
		| "\(.begun) \(.time_ns)"'
}
