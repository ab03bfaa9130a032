#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# The command of examples/cron/pinscope, as cron would run it: by a member of the
# group that is nothing else, with cron's environment.

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
	CRONTAB=$REPO/examples/cron/pinscope
	SNAPSHOTS=$BATS_TEST_TMPDIR/snapshots
	mkdir "$SNAPSHOTS" "$BATS_TEST_TMPDIR/bin"
	chown 65534:daemon "$SNAPSHOTS"
	ln -s "$PINSCOPE" "$BATS_TEST_TMPDIR/bin/pinscope"
	cp /bin/true "$BATS_TEST_TMPDIR/ld_traffic"
	PINSCOPE_GROUP=daemon "$PINSCOPE" load load_exec
}

teardown() {
	"$PINSCOPE" unload all
}

# The way of a member of the group to all that the command needs.
open_paths() {
	local dir
	for dir in "$SNAPSHOTS" "$PINSCOPE_BPFFS" "$REPO/build" "$REPO/scripts/verbs"; do
		while [[ $dir ]]; do
			chmod o+x "$dir" 2>/dev/null || true
			dir=${dir%/*}
		done
	done
}

# cron_runs [COMMAND...]: what stands behind the user in the crontab, under COMMAND.
cron_runs() {
	local command
	command=$(sed -nE 's/^\*\/5 \* \* \* \* pinscope //p' "$CRONTAB")
	"$@" env -i PINSCOPE_BPFFS="$PINSCOPE_BPFFS" PINSCOPE_RUN="$PINSCOPE_RUN" SHELL=/bin/sh \
		PATH="$BATS_TEST_TMPDIR/bin:$(sed -n 's/^PATH=//p' "$CRONTAB")" \
		sh -c "${command/\/var\/lib\/pinscope/$SNAPSHOTS}"
}

# Two runs with three programs started in between, and what diff makes of them.
assert_counts_three() {
	local files
	run -0 cron_runs "$@"
	[[ -z $output ]] # or cron would mail it
	for _ in 1 2 3; do
		"$BATS_TEST_TMPDIR/ld_traffic"
	done
	run -0 cron_runs "$@"
	files=("$SNAPSHOTS"/*)
	((${#files[@]} == 2))
	[[ $(stat -c %a "${files[0]}") == 640 ]]
	run -0 "$PINSCOPE" diff --json "${files[@]}"
	[[ $(jq -s 'map(select(.map == "processes" and .labels.comm == "ld_traffic").execs) | add' <<<"$output") == 3 ]]
}

@test "two snapshots by cron tell what happened in between" {
	assert_counts_three
}

@test "R15: a member of the group takes them, without any capability" {
	local member=(setpriv --reuid 65534 --regid 65534 --groups daemon --bounding-set -all)
	open_paths
	"${member[@]}" "$PINSCOPE" dump load_exec >/dev/null 2>&1 ||
		skip "this kernel lets nobody read maps without CAP_BPF (before 5.19)"
	assert_counts_three "${member[@]}"
}

@test "a week of snapshots is what stays" {
	[[ $(<"$CRONTAB") == *"*/5 * * * *"*"--keep $((7 * 24 * 12))"* ]]
}
