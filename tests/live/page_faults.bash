# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# A process that faults when told to (faults.c), what page_faults says of it, and what the kernel does.

HERE=${BATS_TEST_DIRNAME:-$(dirname "${BASH_SOURCE[0]}")}
for helper in traffic assert pinscope; do
	# shellcheck source=/dev/null
	. "$HERE/$helper.bash"
done
FAULTS=$ROOT/build/tests/faults

# faulter_start: it is process $FAULTER.
faulter_start() {
	local in=$BATS_TEST_TMPDIR/in out=$BATS_TEST_TMPDIR/out
	mkfifo "$in" "$out"
	"$FAULTS" <"$in" >"$out" 3>&- &
	FAULTER=$!
	exec {FAULTER_IN}>"$in" {FAULTER_OUT}<"$out"
	faulter_says ready
}

faulter_says() {
	local line
	read -r -t 60 -u "$FAULTER_OUT" line
	[[ $line == "$1" ]]
}

# fault STEP...: see faults.c.
fault() {
	echo "$*" >&"$FAULTER_IN"
	faulter_says "done"
}

faulter_stop() {
	[[ -n ${FAULTER-} ]] || return 0
	exec {FAULTER_IN}>&- {FAULTER_OUT}<&-
	wait "$FAULTER" || true
	FAULTER=''
}

dump() {
	"$READER" dump --json page_faults
}

# row PID: as one line of JSON.
row() {
	dump | jq -c --argjson pid "$1" 'select(.map == "procs" and .labels.pid == $pid and .labels.state == "alive")'
}

# kernel PID: the minor and major faults the kernel counts of a process (its name has no blanks).
kernel() {
	awk '{ print $10, $12 }' "/proc/$1/stat"
}

# as_kernel PID: the row of the process has what the kernel counts of it.
as_kernel() {
	assert_eq "minor and major faults" "$(kernel "$1")" "$(row "$1" | jq -r '"\(.minor) \(.major)"')"
}

# grown COMMAND...: by how much the row of the faulter and the kernel's counts grew meanwhile:
# {row: {minor, ..}, kernel: {minor, major}, max: {minor: NS, major: NS}}.
grown() {
	local before after k0 k1
	before=$(row "$FAULTER") k0=$(kernel "$FAULTER")
	"$@"
	after=$(row "$FAULTER") k1=$(kernel "$FAULTER")
	jq -cn --argjson a "$before" --argjson b "$after" --arg k0 "$k0" --arg k1 "$k1" '
		def numbers: split(" ") | map(tonumber);
		($k0 | numbers) as $k0 | ($k1 | numbers) as $k1
		| {row: ($b | with_entries(select(.value | type == "number")) | with_entries(.value -= $a[.key])),
		kernel: {minor: ($k1[0] - $k0[0]), major: ($k1[1] - $k0[1])}}'
}
