#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# R4: a newer build keeps the numbers of maps whose shape is unchanged, and never wedges
# on those whose shape changed.

# bats file_tags=native,shelf

bats_require_minimum_version 1.5.0

setup_file() {
	load shelf.bash
	shelf_up
	export NEWER=$BATS_FILE_TMPDIR/newer WIDER=$BATS_FILE_TMPDIR/wider REFUSED=$BATS_FILE_TMPDIR/refused
	shelf_variation "$NEWER" 1-newer
	shelf_variation "$WIDER" 2-wider
	shelf_variation "$REFUSED" 3-refused
	# A name of its own for what the tests start: 10 characters, so that comm holds it.
	cp /bin/true "$BATS_FILE_TMPDIR/ld_traffic"
}

teardown_file() {
	load shelf.bash
	shelf_down
}

setup() {
	load shelf.bash
	TRAFFIC=$BATS_FILE_TMPDIR/ld_traffic
}

teardown() {
	"$PINSCOPE" unload all
}

map_id() {
	bpftool -j map show pinned "$ROOT/load_exec/maps/$1" | jq .id
}

# Programs named ld_traffic in the table: how many rows, and how many executions they count.
traffic_rows() {
	"$READER" dump --json load_exec | jq -s '[.[] | select(.map == "processes" and .labels.comm == "ld_traffic")] | length'
}

traffic_execs() {
	"$READER" dump --json load_exec | jq -s '[.[] | select(.map == "processes" and .labels.comm == "ld_traffic").execs] | add'
}

upgrade_to() {
	PINSCOPE_OBJECTS=$1 "$PINSCOPE" load load_exec
}

@test "R4: the same shape keeps its maps, its numbers and its settings" {
	"$PINSCOPE" load load_exec
	"$PINSCOPE" set load_exec sample=7
	"$TRAFFIC"
	local before id
	id=$(map_id calls)
	before=$(traffic_execs)
	run -0 upgrade_to "$NEWER"
	[[ $output == *"kept "*calls*losses*config*"may be counted twice"* ]]
	assert_loaded load_exec 2
	[[ -e $ROOT/load_exec/links/ld_forked && $(map_id calls) == "$id" ]]
	((before >= 1 && $(traffic_execs) >= before))
	run -0 "$PINSCOPE" get load_exec sample
	[[ $output == *7* ]]
	"$PINSCOPE" unload all
	assert_no_trace
}

@test "R4: a changed shape starts anew, beside maps that stay" {
	"$PINSCOPE" load load_exec
	"$TRAFFIC"
	local calls processes
	calls=$(map_id calls)
	processes=$(map_id processes)
	run -0 upgrade_to "$WIDER"
	[[ $output == *"kept "* && $output != *"processes"* ]]
	[[ $(map_id calls) == "$calls" && $(map_id processes) != "$processes" ]]
	"$TRAFFIC"
	(($(traffic_execs) == 1))
	run -0 "$PINSCOPE" load load_exec # and back
	assert_loaded load_exec 2
	"$PINSCOPE" unload all
	assert_no_trace
}

@test "R4: nothing is missed during an upgrade, and little counted twice" {
	local n rows execs twice window
	"$PINSCOPE" load load_exec
	for ((n = 0; n < 300; n++)); do
		"$TRAFFIC"
	done &
	run -0 upgrade_to "$NEWER"
	window=${output##*during } window=${window%% us*}
	wait
	rows=$(traffic_rows)
	execs=$(traffic_execs)
	twice=$((execs - rows))
	echo "300 started, $rows seen, $twice of them counted twice in a window of $window us" >&3
	((rows == 300 && twice >= 0 && twice < 300))
}

@test "R4: an upgrade that is refused leaves the build that was loaded" {
	local before
	"$PINSCOPE" load load_exec
	before=$(shelf_traces)
	run -1 upgrade_to "$REFUSED"
	[[ $output == *"the build loaded before stays"* ]]
	as_it_was() { [[ $before == "$(shelf_traces)" ]]; }
	wait_for as_it_was
}

# What is loaded, and the object kept in /run is that of the programs attached.
attached_as_kept() {
	local kept
	kept=$("$READER" inspect "$PINSCOPE_RUN/load_exec.bpf.o" | jq -r '.programs[].name' | sort)
	[[ $kept == "$(ls "$ROOT/load_exec/links")" ]]
}

# bats test_tags=slow
@test "R2: an upgrade killed after any step leaves the one build or the other" {
	local step other
	"$PINSCOPE" load load_exec
	for ((step = 1; ; step++)); do
		other=$NEWER
		[[ ! -e $ROOT/load_exec/links/ld_forked ]] || other=$PINSCOPE_OBJECTS
		PINSCOPE_OBJECTS=$other PINSCOPE_KILL_AFTER=$step run "$PINSCOPE" load load_exec
		((status == 137)) || break
		run -3 "$PINSCOPE" unload load_nosuch # recovers, and does nothing else
		assert_loaded load_exec 2
		attached_as_kept
		[[ ! -e $PINSCOPE_RUN/old && ! -e $PINSCOPE_RUN/loading ]]
	done
	((status == 0 && step > 10))
	"$PINSCOPE" unload all
	assert_no_trace
}
