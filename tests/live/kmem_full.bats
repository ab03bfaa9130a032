#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# kmem with two rows for sites, eight for processes and four places for objects: what has no room of its own is
# counted as that, and the totals are right.

# bats file_tags=once, native

# shellcheck disable=SC2016 # Perl's and jq's variables

bats_require_minimum_version 1.5.0

setup_file() {
	load kmem.bash
	probe_load kmem --map-entries sites=2 --map-entries procs=8 --map-entries objects=4
}

teardown_file() {
	load kmem.bash
	probe_unload kmem
}

setup() {
	load kmem.bash
	worker_up
	queue
	settings "pid=$WORKER_PID" outstanding=1
}

teardown() {
	worker_down
	queue_gone
}

@test "what finds no room is counted as lost, and in the totals" {
	grown 'total("slab"; "allocs"), total("slab"; "frees"), sum(rows("sites") | .allocs + .frees), lost("sites_full"),
		sum(rows("outstanding").objects), lost("objects_full"), sum(rows("procs", "rest").slab_allocs)' send 60
	assert_between "allocations" 60 100 "${GROWN[0]}"
	assert_eq "with a row and without" $((GROWN[0] + GROWN[1])) $((GROWN[2] + GROWN[3]))
	assert_between "without a row" 1 1000 "${GROWN[3]}"
	assert_between "outstanding" 0 4 "${GROWN[4]}"
	assert_between "not followed" 56 100 "${GROWN[5]}"
	assert_eq "by process" "${GROWN[0]}" "${GROWN[6]}"
}
