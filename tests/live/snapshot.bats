#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# A snapshot is whole or it is not there, and the group may take it.

# bats file_tags=native,shelf

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
	"$PINSCOPE" load load_exec
	cd "$BATS_TEST_TMPDIR" || return
}

teardown() {
	! mountpoint -q disk || umount disk
	"$PINSCOPE" unload all
}

# is_whole FILE: an identity and rows, each a JSON object.
is_whole() {
	jq -se '.[0].type == "identity" and .[0].probes[0].probe == "load_exec" and length > 1' "$1" >/dev/null
}

# look_beside PID N [COMMAND...]: the file is whole each time, N times at least and while PID writes N changes, whichever
# of the two is slower on this machine. Each look has COMMAND before it.
look_beside() {
	local pid=$1 n=$2 looks=0
	shift 2
	: >>changes
	while ((looks < n || $(stat -c %s changes) < n)); do
		kill -0 "$pid"
		"$@"
		is_whole file
		((looks += 1))
	done
	touch looked
	wait "$pid"
}

# Nothing but what is named is in the directory, hidden files included.
assert_files() {
	local dir=$1
	shift
	[[ "$(ls -A "$dir")" == "$(printf '%s\n' "$@")" ]]
}

@test "without a file, or with -, the snapshot goes to stdout" {
	"$PINSCOPE" snapshot >plain
	"$PINSCOPE" snapshot - >dash
	is_whole plain
	is_whole dash
}

@test "a file is replaced as a whole" {
	mkdir dir
	echo before >dir/file
	"$PINSCOPE" snapshot dir/file
	is_whole dir/file
	assert_files dir file
}

@test "in a directory each snapshot is a new file, and --keep bounds their number" {
	local files
	mkdir dir
	touch dir/other.ndjson
	for _ in 1 2 3 4; do
		"$PINSCOPE" snapshot dir --keep 2
	done
	files=(dir/2*)
	((${#files[@]} == 2)) && [[ -e dir/other.ndjson ]]
	[[ ${files[0]} =~ ^dir/[0-9]{8}T[0-9]{6}\.[0-9]{6}Z\.ndjson$ ]]
	is_whole "${files[1]}"
}

@test "a full disk is one sentence and leaves what was there" {
	mkdir disk
	mount -t tmpfs -o size=8k none disk
	echo before >disk/file
	head -c 4096 /dev/zero >disk/filler
	run -1 --separate-stderr "$PINSCOPE" snapshot disk/file
	[[ $(<disk/file) == before ]]
	assert_files disk file filler
	umount disk
	# shellcheck disable=SC2154
	[[ ${#stderr_lines[@]} == 1 && $stderr == *"No space left on device"* ]]
}

@test "a directory that is not there is one sentence" {
	run -1 --separate-stderr "$PINSCOPE" snapshot nowhere/file
	# shellcheck disable=SC2154
	[[ ${#stderr_lines[@]} == 1 && $stderr == *"there is no directory nowhere" ]]
}

@test "a snapshot that is terminated leaves nothing" {
	mkdir dir libexec
	cp -r "$REPO/scripts" libexec/pinscope
	# shellcheck disable=SC2016
	printf '#!/bin/sh\necho half\nkill -TERM $SNAPSHOT\n' >libexec/pinscope/pinscope-reader
	chmod +x libexec/pinscope/pinscope-reader
	# shellcheck disable=SC2016
	run bash -c 'SNAPSHOT=$$ exec libexec/pinscope/pinscope snapshot dir/file'
	((status != 0))
	assert_files dir ''
}

# bats test_tags=slow
@test "readers of a file that is replaced always find a whole one" {
	"$PINSCOPE" snapshot file
	until [[ -e looked ]]; do
		"$PINSCOPE" snapshot file
		printf . >>changes
	done &
	look_beside $! 20
}

@test "nothing loaded is one sentence and exit status 3" {
	"$PINSCOPE" unload all
	run -3 --separate-stderr "$PINSCOPE" snapshot file
	# shellcheck disable=SC2154
	[[ ! -e file && ${#stderr_lines[@]} == 1 && $stderr == *"nothing is loaded"* ]]
}

# bats test_tags=slow
@test "an upgrade is never seen half way" {
	local other=$BATS_TEST_TMPDIR/other
	shelf_variation "$other" 1-newer
	until [[ -e looked ]]; do
		PINSCOPE_OBJECTS=$other "$PINSCOPE" load load_exec
		"$PINSCOPE" load load_exec
		printf .. >>changes
	done >/dev/null &
	look_beside $! 6 "$PINSCOPE" snapshot file
}
