#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# R7: the verifier's work on each program of each probe, against what it was when the baseline was made
# (tests/bench/verifier).

@test "R7: the verifier goes through no more instructions than it did, and a tenth" {
	cd "$BATS_TEST_DIRNAME/../.."
	local release
	release=$(uname -r | grep -oE '^[0-9]+\.[0-9]+')
	grep -q "^$release " tests/bench/verifier.baseline || skip "no baseline of kernel $release yet"
	tests/bench/verifier --check
}
