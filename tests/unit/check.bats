#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/check, with a bats that says what it is told to.

bats_require_minimum_version 1.5.0

setup() {
	((EUID == 0)) || skip "needs root"
	mkdir -p "$BATS_TEST_TMPDIR"/{tests,bin}
	cp "$BATS_TEST_DIRNAME/../check" "$BATS_TEST_TMPDIR/tests/check"
	cd "$BATS_TEST_TMPDIR" || return
	# Says what is in `first`, later what is in `again`, and notes its arguments.
	cat >bin/bats <<-'END'
		#!/bin/sh
		printf '%s\n' "$*" >>asked
		if [ -e said ]; then cat again; else cat first; fi
		touch said
	END
	chmod +x bin/bats
	printf '%s\n' 'ok 1 good in 5ms' 'not ok 2 bad (a|b)? in 7ms' 'ok 3 other in 1ms # skip for a reason' >first
}

check() {
	PATH=$BATS_TEST_TMPDIR/bin:$PATH run "$1" tests/check here
	echo "$output"
}

@test "a live test that fails is run again, alone; if it passes then it has, and is named" {
	echo 'ok 1 bad (a|b)? in 6ms' >again
	check -0
	grep -qF -- '--filter ^(bad \(a\|b\)\?)$' asked
	[[ $output == *"FAILED AT FIRST bad (a|b)?"* && $output == *"2 passed, 0 failed, 1 skipped" ]]
}

@test "if it fails again, or is not there, it has failed" {
	cp first again
	check -1
	[[ $output == *"failed again"* && $output == *"1 passed, 1 failed, 1 skipped" ]]
	rm said
	: >again
	check -1
	[[ $output == *"1 passed, 1 failed, 1 skipped" ]]
}

@test "a run that died is not run again" {
	echo 'not ok 3 setup_file failed' >>first
	check -1
	[[ $(wc -l <asked) == 1 && $output == *"1 passed, 2 failed, 1 skipped" ]]
}
