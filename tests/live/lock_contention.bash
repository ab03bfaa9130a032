# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2016 # jq's variables
#
# Tasks that wait for locks for known times, and what lock_contention makes of it.

HERE=${BATS_TEST_DIRNAME:-$(dirname "${BASH_SOURCE[0]}")}
for helper in traffic assert pinscope peer disk; do
	# shellcheck source=/dev/null
	. "$HERE/$helper.bash"
done
LOCKS=$ROOT/build/tests/locks
TRACER=/sys/kernel/tracing/instances/pinscope-locks

dump() {
	"$READER" dump --json lock_contention
}

settings() {
	"$READER" set lock_contention "$@" >/dev/null
}

# locks LOCK MS ROUNDS: leaves a line MODE LEAST MOST for each wait in `known`. Nothing else is
# recorded meanwhile. It works in FROZEN, if there is one.
locks() {
	# shellcheck disable=SC2016
	bash -c '"$1" set lock_contention pid=$$ >/dev/null && cd "$2" && shift 2 && exec "$@"' - \
		"$READER" "${FROZEN-.}" "$LOCKS" "$@" >known
}

# rows FILTER: what was recorded between the dumps `before` and `after`, a row at a time.
rows() {
	jq -nr --slurpfile before before --slurpfile after after '
		def key: [.map, .labels];
		($before | map({key: (key | tostring), value: .}) | from_entries) as $old
		| $after[] | select(.type == "row") | ($old[key | tostring] // {}) as $was
		| {map, labels, count: (.count - ($was.count // 0)), sum: ((.sum_ns // 0) - ($was.sum_ns // 0))}
		| select(.count > 0) | '"$1"
}

# waited MODE SITE: as many waits at call sites of that name, and as long, as `known` says.
waited() {
	local mode=$1 site=$2 count least most got
	read -r count least most < <(awk -v mode="$mode" '$1 == mode { n++; least += $2; most += $3 }
		END { print n, least, most }' known)
	got=$(rows 'select(.map == "sites" and .labels.kind == "'"$mode"'")
		| select(.labels.site | test("^('"$site"')\\+")) | "\(.count) \(.sum)"' |
		awk '{ n += $1; sum += $2 } END { print n + 0, sum + 0 }')
	assert_eq "waits for $mode at $site" "$count" "${got% *}" "$(rows .)"
	assert_between "time of waits for $mode" "$least" "$most" "${got#* }" "$(cat known)"
}

# balanced: all that was recorded by kind is under a call site or with the rest.
balanced() {
	dump | jq -es 'def total($maps): map(select(.map | IN($maps[])) | .count) | add;
		map(select(.type == "row")) | total(["sleeps", "spins"]) == total(["sites", "rest"])'
}

tracer_start() {
	mkdir "$TRACER"
	echo mono >"$TRACER/trace_clock"
	echo 8192 >"$TRACER/buffer_size_kb"
	echo 1 >"$TRACER/events/lock/contention_begin/enable"
	echo 1 >"$TRACER/events/lock/contention_end/enable"
}

tracer_stop() {
	[[ ! -d $TRACER ]] || rmdir "$TRACER"
}

mark() {
	echo "mark $1" >"$TRACER/trace_marker"
}

# fork_storm N: processes begin and end on all processors.
fork_storm() {
	local i
	for ((i = 0; i < $1; i++)); do
		true &
	done
	wait
}
