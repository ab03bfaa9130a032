#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# rcu_stall against the kernel log, while a program holds a processor:
#
#    processor 0              processor 1
#    (this test)              stall_rcu: eight seconds in the kernel as it starts, limit three
#
# Only in a guest: it does to the machine what no test may do to one that others use.

# shellcheck disable=SC2016 # jq's variables

bats_require_minimum_version 1.5.0

setup_file() {
	load pinscope.bash
	STALL=$(pin_root)-stall
	LIMIT=/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout
	export STALL LIMIT
	[[ -d /run/vm ]] || return 0
	probe_load rcu_stall
	bpftool prog load "$ROOT/build/fixture/stall/1-default.bpf.o" "$STALL" autoattach
	WAS=$(<"$LIMIT")
	export WAS
}

teardown_file() {
	load pinscope.bash
	load traffic.bash
	[[ -d /run/vm ]] || return 0
	rm -f "$STALL"
	echo "$WAS" >"$LIMIT"
	echo "expect:" >/dev/kmsg
	probe_unload rcu_stall
}

setup() {
	load pinscope.bash
	load assert.bash
	load traffic.bash
	[[ -d /run/vm ]] || skip "not a guest: it would stall this machine"
}

# logged PATTERN: how many such reports.
logged() {
	dmesg | grep -cE "rcu: INFO: [a-z_]+ $1" || true
}

holds() {
	[[ $(<"/proc/$1/comm") == stall_rcu ]]
}

ended() {
	[[ ! -e /proc/$1/exe ]]
}

# stalls [KIND]: as the probe counted them.
stalls() {
	jq -s --arg kind "${1-}" '[.[] | select(.type == "row" and (.labels.kind | IN($kind, "any") or $kind == "")) | .stalls] | add // 0' rows
}

@test "no stall, no row" {
	"$READER" dump rcu_stall >"$BATS_TEST_TMPDIR/dump"
	run -1 grep '"type":"row"' "$BATS_TEST_TMPDIR/dump"
}

@test "a processor that is held in the kernel: each report of the kernel's, and who held it" {
	local began pid kinds
	cd "$BATS_TEST_TMPDIR"
	cp "$(type -P true)" stall_rcu
	echo 3 >"$LIMIT"
	echo "expect: rcu: INFO: [a-z_]+ (self-detected stall on CPU|detected stalls on CPUs)" >/dev/kmsg
	began=$(cut -d' ' -f1 /proc/uptime)
	modprobe dummy
	taskset -c 1 ./stall_rcu 3>&- &
	pid=$!
	wait_for holds "$pid"
	modprobe -r dummy 3>&- & # waits for a grace period, which cannot end now
	wait_for ended "$pid"
	"$READER" dump rcu_stall >rows
	kinds=$(jq -r 'select(.type == "row").labels.kind' rows | sort -u)
	assert_between "stalls in the log" 1 9 "$(logged '.*stalls? on CPU')"
	assert_eq "stalls" "$(logged '.*stalls? on CPU')" "$(stalls)"
	[[ $kinds == any ]] || {
		assert_eq "found by itself" "$(logged 'self-detected stall')" "$(stalls self)"
		assert_eq "found by others" "$(logged 'detected stalls')" "$(stalls other)"
		assert_eq "flavour" "$(dmesg | sed -nE 's/.*INFO: ([a-z_]+) .*detected stall.*/\1/p' | sort -u)" \
			"$(jq -r 'select(.type == "row").labels.flavour' rows | sort -u)"
	}
	[[ $(logged 'self-detected stall') == 0 ]] ||
		jq -es --argjson pid "$pid" 'any(.[]; .type == "row" and (.labels.kind | IN("self", "any"))
			and .labels.cpu == 1 and .labels.pid == $pid and .labels.comm == "stall_rcu")' rows
	jq -es --argjson began "$began" --argjson ended "$(cut -d' ' -f1 /proc/uptime)" 'all(.[] | select(.type == "row");
		.labels.last_ns / 1e9 | . > $began + 2 and . < $ended + 0.01)' rows
}
