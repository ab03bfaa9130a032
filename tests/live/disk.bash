# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# A disk whose requests take a known time, and a file system that can be frozen.

# shellcheck disable=SC2034 # DISK is for the tests

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

# busy_up N: a disk of the module scsi_debug, as DISK, that is busy for one request in N. Skips the test where there is none.
busy_up() {
	local driver=/sys/bus/pseudo/drivers/scsi_debug
	{ modprobe -q sd_mod && modprobe -q scsi_debug delay=0; } 2>/dev/null || skip "no scsi_debug on this kernel"
	wait_for busy_disk
	DISK=$(busy_disk)
	udev_done
	echo "$1" >"$driver/every_nth"
	echo 0x8000 >"$driver/opts"
}

busy_disk() {
	local disk
	disk=$(compgen -G "/sys/bus/pseudo/drivers/scsi_debug/adapter0/host*/target*/*/block/sd*") && basename "$disk"
}

busy_down() {
	modprobe -qr scsi_debug 2>/dev/null || true
}

# frozen_up: a file system of its own in FROZEN.
frozen_up() {
	FROZEN=$BATS_TEST_TMPDIR/frozen
	mkdir "$FROZEN"
	truncate -s 16M "$FROZEN.img"
	mkfs.ext4 -q "$FROZEN.img"
	modprobe -q loop 2>/dev/null || true
	mount -o loop "$FROZEN.img" "$FROZEN"
}

frozen_down() {
	[[ -n ${FROZEN-} ]] || return 0
	fsfreeze --unfreeze "$FROZEN" 2>/dev/null || true
	umount "$FROZEN"
	unset FROZEN
}
