# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Disks for the tests of block_io, what the probe says of them, and what the kernel says.

ROOT=${ROOT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)}
# shellcheck source=tests/live/traffic.bash
. "$ROOT/tests/live/traffic.bash"
# shellcheck source=tests/live/pinscope.bash
. "$ROOT/tests/live/pinscope.bash"

# loop_up FILE: a disk made of that file, in LOOP, its name without /dev/ in DISK.
loop_up() {
	modprobe -q loop 2>/dev/null || true
	LOOP=$(losetup --find --show "$1")
	DISK=${LOOP#/dev/}
	udev_done
}

# Whoever looks at a disk that is new reads from it.
udev_done() {
	! command -v udevadm >/dev/null || udevadm settle 2>/dev/null || true
}

# null_up ATTRIBUTE=VALUE...: a disk of the module null_blk, as DISK. Skips the test where there is none.
null_up() {
	local dir=/sys/kernel/config/nullb/nullb0 attribute
	modprobe -q null_blk nr_devices=0 2>/dev/null || skip "no null_blk on this kernel"
	mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
	mkdir "$dir"
	for attribute in size=64 submit_queues=1 "$@" power=1; do
		echo "${attribute#*=}" >"$dir/${attribute%%=*}"
	done
	DISK=nullb0
	udev_done
}

null_down() {
	[[ ! -d /sys/kernel/config/nullb/nullb0 ]] || rmdir /sys/kernel/config/nullb/nullb0
}

# queue ATTRIBUTE=VALUE: of the disk's.
queue() {
	echo "${1#*=}" >"/sys/block/$DISK/queue/${1%%=*}"
}

# reader DISK [DD-OPTION...]: past the page cache.
reader() {
	dd if="/dev/$1" of=/dev/null bs=4k iflag=direct status=none "${@:2}" 3>&-
}

# look NAME: what the probe and the kernel say now.
look() {
	"$READER" dump --json block_io | jq -sc --rawfile kernel /proc/diskstats '{rows: map(select(.type == "row")),
		diskstats: [$kernel | split("\n")[] | [splits(" +") | select(. != "")]]}' >"$BATS_TEST_TMPDIR/$1"
}

# judge FILTER: of the looks $before and $after; its results are sentences about what is wrong.
judge() {
	local wrong
	wrong=$(jq -nr -L "$ROOT/tests/live" --arg disk "$DISK" --slurpfile before "$BATS_TEST_TMPDIR/before" \
		--slurpfile after "$BATS_TEST_TMPDIR/after" 'include "block_io";
		$before[0] as $before | $after[0] as $after | '"$1") || return
	[[ -z $wrong ]] || { echo "$wrong" >&2 && return 1; }
}
