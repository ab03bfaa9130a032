# SPDX-License-Identifier: GPL-2.0-only
# For the tests of the reader: a reader built in build/, check programs, snapshots. Sourced.
# shellcheck disable=SC2034,SC2154 # some are for the tests, some are from bats

top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
# shellcheck source=tests/live/quick.bash
. "$top/tests/live/quick.bash"
reader=${READER:-$top/build/pinscope-reader}

# check_build NAME [SOURCE of the reader...]: builds tests/unit/NAME.c, prints the program.
check_build() {
	local name=$1 program=$top/build/tests/$1 source
	local sources=("$top/tests/unit/$name.c")

	shift
	for source; do
		sources+=("$top/pinned/$source.c")
	done
	mkdir -p "${program%/*}"
	"${CC:-cc}" -O1 -g -Wall -Wextra -Werror -std=gnu11 -D_GNU_SOURCE -DVERSION='"test"' \
		-I"$top/headers" -o "$program" "${sources[@]}" -lbpf -lm
	echo "$program"
}

# says STATUS TEXT...: the last `run` ended so, with one line that has each TEXT.
says() {
	local wanted=$1 text

	shift
	[ "$status" -eq "$wanted" ] || {
		echo "status $status, wanted $wanted: $output"
		return 1
	}
	for text; do
		[[ $output == *"$text"* ]] || {
			echo "'$text' is not in: $output"
			return 1
		}
	done
}

# snapshot FILE SECONDS ROW...: a snapshot of one table, taken SECONDS after the boot.
# The environment may change what it says: boot_id, map_id, realtime, fields.
snapshot() {
	local file=$1 at=$2

	shift 2
	{
		printf '{"type":"identity","schema":1,"pinscope":"0.1.0","host":"h",'
		printf '"boot_id":"%s","kernel":"6.1",' "${boot_id:-b}"
		printf '"realtime_ns":%s,"monotonic_ns":%s000000000,' "${realtime:-5}" "$at"
		printf '%s' "${partial:+\"partial\":true,}"
		printf '"probes":[{"probe":"p","variant":"v","links":{"l":7},'
		printf '"recursion_misses":{"l":%s},' "${misses:-0}"
		printf '"maps":{"m":{"id":%s,"kind":"table","labels":{' "${map_id:-3}"
		printf '"peer":"address","comm":"text"},"key":["peer"],"fields":{%s}}},' \
			"${fields:-\"count\":\"count\",\"sent_bytes\":\"bytes\",\"rtt_ns\":\"ns_gauge\",\"time\":\"ns_hist\"}"
		printf '"config":{"sample":%s},"losses":{"map_full":%s}}]}\n' \
			"${sample:-1}" "${lost:-0}"
		[ $# -eq 0 ] || printf '%s\n' "$@"
		printf '{"type":"end","rows":%s}\n' "$#"
	} >"$file"
}

# row PEER COUNT BYTES RTT SUM MAX SLOTS [COMM]
row() {
	printf '{"type":"row","probe":"p","map":"m","labels":{"peer":"%s","comm":"%s"},' "$1" "${8:-x}"
	printf '"count":%s,"sent_bytes":%s,"rtt_ns":%s,' "$2" "$3" "$4"
	printf '"time":{"sum_ns":%s,"max_ns":%s,"slots":[%s]}}' "$5" "$6" "$7"
}

# holds FILTER: of the objects on stdin exactly one is what FILTER says, and true.
holds() {
	jq -es "[.[] | $1] == [true]" >/dev/null
}
