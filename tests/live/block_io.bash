# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Disks for the tests of block_io, what the probe says of them, and what the kernel says.

ROOT=${ROOT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)}
# shellcheck source=tests/live/traffic.bash
. "$ROOT/tests/live/traffic.bash"
# shellcheck source=tests/live/pinscope.bash
. "$ROOT/tests/live/pinscope.bash"
# shellcheck source=tests/live/disk.bash
. "$ROOT/tests/live/disk.bash"
# shellcheck source=tests/live/peer.bash
. "$ROOT/tests/live/peer.bash"

# shellcheck disable=SC2034 # for the tests
TRACER=/sys/kernel/tracing/instances/pinscope-block_io

# loop_up FILE: a disk made of that file, in LOOP, its name without /dev/ in DISK.
loop_up() {
	modprobe -q loop 2>/dev/null || true
	LOOP=$(losetup --find --show "$1")
	DISK=${LOOP#/dev/}
	udev_done
}

# queue ATTRIBUTE=VALUE: of the disk's.
queue() {
	echo "${1#*=}" >"/sys/block/$DISK/queue/${1%%=*}"
}

# reader DISK [DD-OPTION...]: past the page cache.
reader() {
	dd if="/dev/$1" of=/dev/null bs=4k iflag=direct status=none "${@:2}" 3>&-
}

# idle_stats FILE: what the kernel says of all disks; fails if ours has something to do.
idle_stats() {
	cat /proc/diskstats >"$1"
	awk -v disk="$DISK" '$3 == disk { idle = !$12; print } END { exit !idle }' "$1"
}

# look NAME: what the probe and the kernel say, at a time at which nobody uses the disk: whoever closed
# it last may have udev look at it.
look() {
	wait_for still_look "$BATS_TEST_TMPDIR/$1"
}

still_look() {
	local was now
	was=$(idle_stats "$1.kernel") && "$READER" dump --json block_io >"$1.probe" &&
		now=$(idle_stats "$1.later") && [[ $was == "$now" ]] || return
	jq -sc --rawfile kernel "$1.kernel" '{rows: map(select(.type == "row")),
		diskstats: [$kernel | split("\n")[] | [splits(" +") | select(. != "")]]}' "$1.probe" >"$1"
}

# judge FILTER: of the looks $before and $after; its results are sentences about what is wrong.
judge() {
	local wrong
	wrong=$(jq -nr -L "$ROOT/tests/live" --arg disk "$DISK" --slurpfile before "$BATS_TEST_TMPDIR/before" \
		--slurpfile after "$BATS_TEST_TMPDIR/after" 'include "judge"; include "block_io";
		$before[0] as $before | $after[0] as $after | '"$1") || return
	[[ -z $wrong ]] || { echo "$wrong" >&2 && return 1; }
}
