#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# Loading is a transaction (R1, R2, R3, R5). The probes are tests/fixture/load_*.

# bats file_tags=native,shelf

# shellcheck disable=SC2030,SC2031 # status is that of the last run

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

# One sentence on stderr, and nothing else there.
assert_sentence() {
	# shellcheck disable=SC2154
	[[ ${#stderr_lines[@]} == 1 && $stderr == "pinscope: "*"$1"* ]] || {
		printf 'expected one sentence with "%s", got:\n%s\n' "$1" "$stderr" >&2
		return 1
	}
}

@test "load attaches every program and unload leaves nothing" {
	run -0 "$PINSCOPE" load load_exec
	assert_loaded load_exec 2
	[[ $output == *"2 programs attached"* ]]
	run -0 "$PINSCOPE" unload load_exec
	assert_no_trace
	[[ ! -e $ROOT && ! -e $PINSCOPE_RUN ]]
}

@test "a loaded probe counts" {
	"$PINSCOPE" load load_exec
	/bin/true
	counted() {
		bpftool -j map dump pinned "$ROOT/load_exec/maps/calls" |
			jq -e '[.[] | select(.key[0] == "0x00" or .key == 0) | .values[].value[0]] | any(. != "0x00")'
	}
	wait_for counted
}

@test "only maps that are meant to be read are pinned, for the group to read" {
	"$PINSCOPE" load load_exec
	run -0 ls "$ROOT/load_exec/maps"
	[[ $output == $'calls\nconfig\nlosses\nprocesses\ntime_of_day' ]]
	run -0 stat -c %a "$ROOT" "$ROOT/load_exec" "$ROOT/load_exec/maps/calls" "$ROOT/load_exec/links/ld_exec"
	[[ $output == $'750\n750\n640\n600' ]]
}

@test "R1: a hook that does not exist is one sentence and leaves nothing" {
	run -1 --separate-stderr "$PINSCOPE" load load_absent
	assert_sentence "this kernel has no tracepoint pinscope_no_such_event"
	assert_no_trace
}

@test "R1: a program that loads but cannot be attached undoes the load" {
	run -1 --separate-stderr "$PINSCOPE" load load_detached
	assert_sentence "ld_detached"
	assert_no_trace
}

@test "the first variant that fits and is not refused is taken, and the others accounted for" {
	run -0 "$PINSCOPE" load load_variants
	assert_loaded load_variants 1
	[[ $output == *"loaded variant plain"* && $output == *"absent: "*"no tracepoint"* &&
		$output == *"refused: prog 'ld_choice'"* ]]
}

@test "load all passes over what this kernel cannot run, and fails for what it refused" {
	run -1 --separate-stderr "$PINSCOPE" load all
	assert_sentence "load_detached"
	assert_loaded load_exec 2
	assert_loaded load_variants 1
	[[ $output == *"load_absent: passed over"* ]]
}

@test "a group loads its probes that this kernel can run; without a name it is the default group" {
	run -0 "$PINSCOPE" load
	assert_loaded load_exec 2
	[[ $output != *load_variants* ]]
	run -0 "$PINSCOPE" load cpu load_exec
	[[ $output == *"load_exec: is already loaded"*"load_absent: passed over"*"load_variants: loaded"* ]]
	assert_loaded load_variants 1
}

@test "loading twice changes nothing" {
	"$PINSCOPE" load load_exec
	before=$(shelf_traces)
	run -0 "$PINSCOPE" load load_exec
	[[ $output == *"already loaded"* && $before == "$(shelf_traces)" ]]
}

@test "an unknown probe is wrong usage, an unloaded one has its own exit status" {
	run -2 --separate-stderr "$PINSCOPE" load load_nosuch
	assert_sentence "no probe and no group \"load_nosuch\""
	run -3 --separate-stderr "$PINSCOPE" unload load_exec
	assert_sentence "load_exec is not loaded"
	run -2 --separate-stderr "$PINSCOPE" load ../../etc
	assert_no_trace
}

@test "a table is loaded with the number of entries asked for" {
	"$PINSCOPE" load --map-entries processes=8 load_exec
	run -0 bpftool -j map show pinned "$ROOT/load_exec/maps/processes"
	[[ $(jq .max_entries <<<"$output") == 8 ]]
	run -2 --separate-stderr "$PINSCOPE" load --map-entries nosuch=8 load_absent
	assert_sentence nosuch=8
}

@test "a load over the memory budget is refused" {
	run -1 --separate-stderr "$PINSCOPE" load --budget 0 load_exec
	assert_sentence "over the budget of 0 MB"
	assert_no_trace
	run -0 "$PINSCOPE" load --budget 1 load_exec
}

@test "a dry run changes nothing, and what it prints would have loaded the probe" {
	run -0 "$PINSCOPE" --dry-run load load_exec
	assert_no_trace
	bash -e <<<"$output" >/dev/null 2>&1
	assert_loaded load_exec 2
	"$PINSCOPE" --dry-run unload load_exec
	assert_loaded load_exec 2
}

@test "R16: CAP_BPF and CAP_PERFMON are enough" {
	ulimit -l unlimited 2>/dev/null || true # before 5.11 maps count as locked memory
	run -0 setpriv --bounding-set -all,+bpf,+perfmon "$PINSCOPE" load load_exec
	assert_loaded load_exec 2
	run -0 setpriv --bounding-set -all,+bpf,+perfmon "$PINSCOPE" unload load_exec
	assert_no_trace
}

@test "R15: the group may read, and nobody else" {
	local maps=$ROOT/load_exec/maps
	as() { setpriv --reuid 65534 --regid 65534 --groups "$1" "${@:2}"; }
	chmod a+rx "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "${BATS_FILE_TMPDIR%/*}"
	PINSCOPE_GROUP=daemon "$PINSCOPE" load load_exec
	run -0 as daemon ls "$maps" "$PINSCOPE_RUN/load_exec.bpf.o"
	run -0 as daemon cat "$maps/processes" # the kernel prints maps that have BTF
	run -1 as nogroup cat "$maps/processes"
	run -1 as nogroup cat "$PINSCOPE_RUN/load_exec.bpf.o"
	run -255 as daemon bpftool map update pinned "$maps/calls" key 0 0 0 0 value 0 0 0 0 0 0 0 0
	[[ $output == *"Permission denied"* || $output == *"not permitted"* ]] # 5.10: EPERM
	run -1 as daemon rm -f "$maps/processes"
	[[ $output == *"Permission denied"* ]]
	run -1 as daemon cat "$ROOT/load_exec/links/ld_exec"
	[[ $output == *"Permission denied"* ]]
}

# killed_after_each_step LEAST VERB: kills it after one step, then two, until it is through;
# by turns an unload and a load must recover. Each runs on what `prepare` made.
killed_after_each_step() {
	local least=$1 verb=$2 step
	for ((step = 1; ; step++)); do
		prepare
		PINSCOPE_KILL_AFTER=$step run "$PINSCOPE" "$verb" load_exec
		((status == 137)) || break
		if ((step % 2)); then
			run -0 "$PINSCOPE" load load_exec
			assert_loaded load_exec 2
		fi
		run -0 "$PINSCOPE" unload all
		assert_no_trace
	done
	((status == 0 && step > least))
}

# bats test_tags=slow
@test "R2: load killed after any step is recovered by load and by unload" {
	prepare() { :; }
	killed_after_each_step 8 load
}

# bats test_tags=slow
@test "R2: unload killed after any step is recovered by load and by unload" {
	prepare() { "$PINSCOPE" load load_exec; }
	killed_after_each_step 3 unload
}

# bats test_tags=slow
@test "R2: a recovery that is killed is recovered too" {
	local step again
	for step in 3 5 9; do
		for again in 2 3; do
			PINSCOPE_KILL_AFTER=$step run -137 "$PINSCOPE" load load_exec
			PINSCOPE_KILL_AFTER=$again run "$PINSCOPE" unload all
			run -0 "$PINSCOPE" unload all
			assert_no_trace
		done
	done
}

@test "R2: a terminated load undoes itself" {
	cat >"$BATS_TEST_TMPDIR/bpftool" <<-EOF
		#!/bin/sh
		bpftool "\$@"
		kill -TERM \$LOADER
	EOF
	chmod +x "$BATS_TEST_TMPDIR/bpftool"
	# shellcheck disable=SC2016
	PINSCOPE_BPFTOOL=$BATS_TEST_TMPDIR/bpftool run -143 \
		bash -c 'LOADER=$$ exec "$1" load load_exec' - "$PINSCOPE"
	assert_no_trace
}

@test "R3: a writer waits for the other, and says so when it takes too long" {
	exec 9<"$PINSCOPE_BPFFS"
	flock 9
	PINSCOPE_LOCK_WAIT=0 run -1 --separate-stderr "$PINSCOPE" load load_exec
	exec 9<&-
	assert_sentence "another pinscope"
	assert_no_trace
}

# bats test_tags=slow
@test "R3: after 50 loads, unloads and readings at once a probe is loaded or it is not" {
	local i verbs=("load load_exec" "unload all" "load load_exec" "set load_exec sample=3"
		"unload load_exec" "snapshot" "status")
	for ((i = 0; i < 50; i++)); do
		# shellcheck disable=SC2086
		PINSCOPE_LOCK_WAIT=600 "$PINSCOPE" ${verbs[i % 7]} >>"$BATS_TEST_TMPDIR/log" 2>&1 &
	done
	wait
	[[ ! -e $ROOT ]] || assert_loaded load_exec 2
	"$PINSCOPE" unload all
	assert_no_trace
}
