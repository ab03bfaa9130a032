#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# cpu_power against the kernel's tracer. No virtual machine has a frequency to change, so that
# program is fed by the kernel's own means to run a program (raw_tp.c).
#
#    processor 0, processor 1: computes a while, then nothing

bats_require_minimum_version 1.5.0

setup_file() {
	load cpu_power.bash
	((EUID == 0)) || skip "needs root to load probes"
	[[ -d ${TRACER%/*} ]] || skip "no tracer in this kernel"
	tracer_start
	probe_load cpu_power
}

teardown_file() {
	load cpu_power.bash
	tracer_stop
	probe_unload cpu_power
}

setup() {
	load cpu_power.bash
	cd "$BATS_TEST_TMPDIR" || return
}

teardown() {
	pinscope set cpu_power paused=off
}

@test "stays in idle states are as many and as long as the kernel's tracer saw, on each processor" {
	mark 0
	stays >before
	mark 1
	for _ in 1 2 3 4 5; do
		taskset -c 1 "$READER" --help >/dev/null
		read -r -t 0.1 <> <(:) || true
	done
	mark 2
	stays >after
	mark 3
	traced 1 2 >inner
	traced 0 3 >outer
	judge before after inner outer >judged
	[[ $(<judged) =~ ^[0-9]+$ ]] || { cat judged && false; }
	(($(<judged) >= 5))
}

@test "while paused no stay is counted" {
	pinscope set cpu_power paused=on
	stays >before
	read -r -t 0.1 <> <(:) || true
	stays | cmp before -
}

@test "a frequency is counted when it begins, its time when the next begins, on each processor by itself" {
	local begun ns since until
	since=$(date +%s%N)
	frequency 1000000 0
	frequency 1000000 0
	frequency 3000000 1
	assert_eq "begun, and not over" "1 0" "$(at 3000000 1)"
	frequency 2000000 0
	until=$(date +%s%N)
	read -r begun ns < <(at 1000000 0)
	assert_eq "begun (once more is the same)" 1 "$begun"
	assert_between "its time" 1000000 $((until - since)) "$ns"
	assert_eq "the next" "1 0" "$(at 2000000 0)"
	frequency 1000000 0
	read -r begun _ < <(at 1000000 0)
	assert_eq "begun again" 2 "$begun"
}

@test "what was under way while the probe was paused has no time" {
	pinscope set cpu_power paused=on
	frequency 4000000 0
	pinscope set cpu_power paused=off
	assert_nothing "unseen" at 4000000 0
	frequency 5000000 0
	frequency 6000000 0
	assert_between "before the pause" 1 1 "$(at 2000000 0 | cut -d' ' -f1)"
	(($(at 5000000 0 | cut -d' ' -f2) > 0))
}
