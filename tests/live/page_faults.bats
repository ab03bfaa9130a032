#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# page_faults against the kernel's counts of one process that faults as it is told:
#
#    faults (faults.c) --- page faults ---> kernel --- /proc/PID/stat
#                                             |
#                                             +--- page_faults
#
# The process was started after the probe was loaded, and sleeps while it is read, so that
# its counts are the same from its first fault on.

# shellcheck disable=SC2016 # jq's variables

bats_require_minimum_version 1.5.0

setup_file() {
	load page_faults.bash
	((EUID == 0)) || skip "needs root to load probes"
	[[ -x $FAULTS ]] || make -s -C "$ROOT" build/tests/faults
	probe_load page_faults
}

teardown_file() {
	load page_faults.bash
	probe_unload page_faults
}

setup() {
	load page_faults.bash
	cd "$BATS_TEST_TMPDIR" || return
	faulter_start
}

teardown() {
	faulter_stop
	pinscope set page_faults paused=off pid=0
}

# grew FILTER COMMAND...: that is true of what `grown` says.
grew() {
	local filter=$1 got
	shift
	got=$(grown "$@")
	jq -e "$filter" <<<"$got" >/dev/null || { echo "$*: $got, not $filter" >&2 && false; }
}

@test "N fresh pages are N minor faults, by who wanted the page and for what" {
	fault write 1
	grew '.row.minor == 300 and .row.major == 0 and .row.writes == 300 and .row.kernel + .row.gup == 0 and
		.kernel.minor == 300' fault write 300
	grew '.row.minor == 300 and .row.writes == 0 and .kernel.minor == 300' fault read 300
	fault kernel 1
	grew '.row.kernel == 300 and .row.gup == 0 and .kernel.minor == .row.minor' fault kernel 300
	grew '.row.gup == 300 and .row.kernel == 0 and .row.minor == 300 and .kernel.minor == 300' fault populate 300
	as_kernel "$FAULTER"
}

@test "pages of an evicted file are major faults, as many as the kernel counts" {
	grew '.row.major >= 30 and .row.major == .kernel.major and .row.minor == .kernel.minor and
		.row.major_time_ns > 0' fault file 40 "$READER"
	as_kernel "$FAULTER"
}

@test "a fault that is tried again is one, and its time runs from the first try" {
	grew '.row.minor + .row.major < 40 and .row.minor == .kernel.minor and .row.major == .kernel.major and
		(.row.minor_time_ns + .row.major_time_ns) as $time | $time > 200e6 and $time < 2e9' fault wait 200
}
