# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# A process that uses memory when told to (faults.c), and what the kernel counts of it.

HERE=${BATS_TEST_DIRNAME:-$(dirname "${BASH_SOURCE[0]}")}
for helper in traffic assert pinscope; do
	# shellcheck source=/dev/null
	. "$HERE/$helper.bash"
done
FAULTS=$ROOT/build/tests/faults

need_faults() {
	[[ -x $FAULTS ]] || make -s -C "$ROOT" build/tests/faults
}

# faulter_start: it is process $FAULTER.
faulter_start() {
	local in=$BATS_TEST_TMPDIR/in out=$BATS_TEST_TMPDIR/out
	mkfifo "$in" "$out"
	"$FAULTS" <"$in" >"$out" 3>&- &
	FAULTER=$!
	exec {FAULTER_IN}>"$in" {FAULTER_OUT}<"$out"
	rm "$in" "$out"
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

# vmstat NAME
vmstat() {
	awk -v name="$1" '$1 == name { print $2 }' /proc/vmstat
}
