#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# R19: each hostile environment gets one clear sentence, from doctor and from load, and
# load leaves nothing behind. The environments are made in mount namespaces of their own.

# bats file_tags=native,shelf

# shellcheck disable=SC2031 # each test has its own PINSCOPE

bats_require_minimum_version 1.5.0

setup_file() {
	load shelf.bash
	shelf_up
}

teardown_file() {
	load shelf.bash
	shelf_down
}

setup() {
	load shelf.bash
}

teardown() {
	"$PINSCOPE" unload all
}

# says SENTENCE COMMAND...: the command fails with that on stderr, and with nothing else.
says() {
	local sentence=$1
	shift
	run -1 --separate-stderr "$@"
	# shellcheck disable=SC2154
	[[ ${#stderr_lines[@]} == 1 && $stderr == "pinscope: "*"$sentence"* ]] || {
		printf 'expected one sentence with "%s", got:\n%s\n' "$sentence" "$stderr" >&2
		return 1
	}
}

# with MOUNT COMMAND...: behind a mount that only the command sees.
with() {
	# shellcheck disable=SC2016
	unshare -m bash -ec 'eval "$1"; shift; exec "$@"' - "$@"
}

doctor_and_load_say() {
	local sentence=$1
	shift
	says "$sentence" "$@" "$PINSCOPE" doctor
	says "$sentence" "$@" "$PINSCOPE" load load_exec
	assert_no_trace
}

@test "all is well here" {
	run -0 "$PINSCOPE" doctor
	[[ $output == "all is well"* ]]
}

@test "R19: no bpffs" {
	doctor_and_load_say "no bpffs is mounted on $BATS_TEST_TMPDIR: run \`mount -t bpf" \
		env PINSCOPE_BPFFS="$BATS_TEST_TMPDIR"
}

@test "R19: bpffs mounted read-only" {
	doctor_and_load_say "is mounted read-only: run \`mount -o remount,rw" \
		with "mount -o remount,bind,ro $PINSCOPE_BPFFS"
}

@test "R19: a kernel without BTF" {
	says "use a kernel built with CONFIG_DEBUG_INFO_BTF=y" \
		with "mount -t tmpfs none /sys/kernel/btf" "$PINSCOPE" doctor
	says "CONFIG_DEBUG_INFO_BTF=y" \
		with "mount -t tmpfs none /sys/kernel/btf" "$PINSCOPE" load load_exec
	assert_no_trace
}

@test "R19: a kernel that is locked down" {
	local lock='mount -t tmpfs none /sys/kernel/security
		echo "none integrity [confidentiality]" >/sys/kernel/security/lockdown'
	fake_bpftool 'echo "{\"error\":\"failed to load object file\"}"; exit 255'
	says "the kernel is locked down" with "$lock" "$PINSCOPE" doctor
	says "the kernel is locked down" with "$lock" \
		env PINSCOPE_BPFTOOL="$BATS_TEST_TMPDIR/bpftool" "$PINSCOPE" load load_exec
	assert_no_trace
}

@test "R19: root without the capabilities" {
	doctor_and_load_say "this root lacks CAP_BPF and CAP_PERFMON" \
		setpriv --bounding-set -bpf,-perfmon,-sys_admin
}

@test "R19: not root" {
	chmod a+rx "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "${BATS_FILE_TMPDIR%/*}"
	doctor_and_load_say "needs root: run \`sudo pinscope" \
		setpriv --reuid 65534 --regid 65534 --clear-groups
}

# A bpftool that knows prog help, and otherwise does as told; pins are left to the real one.
fake_bpftool() {
	cat >"$BATS_TEST_TMPDIR/bpftool" <<-EOF
		#!/bin/sh
		case "\$*" in
		"prog help") exec bpftool prog help ;;
		esac
		$1
	EOF
	chmod +x "$BATS_TEST_TMPDIR/bpftool"
}

@test "R19: a bpftool that knows no autoattach" {
	fake_bpftool 'echo "{\"error\":\"expected no more arguments, pinmaps, got autoattach?\"}"; exit 255'
	sed -i 's/exec bpftool prog help/bpftool prog help 2>\&1 | grep -v autoattach; exit/' "$BATS_TEST_TMPDIR/bpftool"
	doctor_and_load_say "this bpftool cannot attach what it loads" \
		env PINSCOPE_BPFTOOL="$BATS_TEST_TMPDIR/bpftool"
}

@test "R19: no bpftool" {
	doctor_and_load_say "bpftool is not installed" env PINSCOPE_BPFTOOL=/nonexistent
}

@test "R19: no reader" {
	mkdir -p "$BATS_TEST_TMPDIR/libexec"
	cp -r "$REPO/scripts" "$BATS_TEST_TMPDIR/libexec/pinscope"
	# shellcheck disable=SC2030,SC2031
	PINSCOPE=$BATS_TEST_TMPDIR/libexec/pinscope/pinscope
	doctor_and_load_say "pinscope-reader is not built" env
}

@test "R19: a /run that cannot be written" {
	doctor_and_load_say "cannot write to ${PINSCOPE_RUN%/*}" \
		with "mount -t tmpfs -o ro none ${PINSCOPE_RUN%/*}"
}

@test "R19: a verb that reads, with nothing loaded" {
	run -3 --separate-stderr "$PINSCOPE" show load_exec
	# shellcheck disable=SC2154
	[[ $stderr == "pinscope: nothing is loaded: "* ]]
}

@test "a group that cannot reach the pins is told how" {
	chmod 700 "$PINSCOPE_BPFFS"
	says "run \`chmod o+x" env PINSCOPE_GROUP=daemon "$PINSCOPE" doctor
	chmod 1777 "$PINSCOPE_BPFFS"
}

@test "what a killed load left is a finding" {
	PINSCOPE_KILL_AFTER=4 run -137 "$PINSCOPE" load load_exec
	says "an unfinished load or unload left" "$PINSCOPE" doctor
}
