#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# kmem against a process that allocates so much of this and that, and does nothing else. It is the
# only one that is counted (pid), so that what else the machine does is not in the way.

# bats file_tags=native

# shellcheck disable=SC2016 # Perl's and jq's variables

bats_require_minimum_version 1.5.0

setup_file() {
	load kmem.bash
	probe_load kmem
}

teardown_file() {
	load kmem.bash
	probe_unload kmem
}

setup() {
	load kmem.bash
	worker_up
	queue
	settings "pid=$WORKER_PID"
}

teardown() {
	worker_down
	queue_gone
	settings pid=0 outstanding=0 sample=1
}

@test "messages and files: by code that allocates and frees, with their sizes; what is not freed yet" {
	local filp
	filp=$(awk '$1 == "filp" { print $4 }' /proc/slabinfo)
	messages_and_files() {
		send 60
		work 'pipe $r[$_], $w[$_] for 1..100'
	}
	taken() {
		receive 20
		perl -e "msgrcv $QUEUE, \$_, 200, 0, 0 for 1..40" # another process, not counted
	}
	settings outstanding=1
	adds "60 $((60 * 248)) $((60 * 256)) 60 $((60 * 256)) 200 $((200 * filp))" \
		'loads("allocs", "requested_bytes", "bytes"), live("objects", "bytes"),
		at("sites"; "(__alloc|alloc_empty)_file"; "allocs", "bytes")' messages_and_files
	adds "0 20 -60 $((-60 * 256))" 'loads("allocs"), unloads, live("objects", "bytes")' taken
}

@test "pages that a process touches and gives back; sites, orders, processes and totals agree" {
	local most=5220
	# By mmap, with MAP_POPULATE, and munmap: less than a huge page each time, and up to three page tables;
	# a slab now and then comes to it.
	pages() {
		grown 'mine("pages"), mine("pages_freed"),
			total("pages"; "bytes") / 4096, sum(rows("orders") | .allocs * pow(2; .order)), sum(rows("procs", "rest").pages),
			total("slab"; "allocs"), sum(rows("sites").allocs), sum(rows("procs", "rest").slab_allocs),
			total("slab"; "frees"), sum(rows("sites").frees), sum(rows("procs", "rest").slab_frees),
			total("slab"; "bytes"), sum(rows("sites").bytes), sum(rows("procs", "rest").slab_bytes),
			total("pages"; "frees"), sum(rows("orders").frees),
			sum(rows("orders") | .frees * pow(2; .order)), sum(rows("procs", "rest").pages_freed)' work 'for (1..20) {
			$p = syscall 9, 0, 256 * 4096, 3, 0x8022, -1, 0;
			syscall(11, $p, 256 * 4096) == 0 or die; pipe R, W; open F, "<", "/proc/self/stat"; $_ = <F> }'
		agree "pages" "${GROWN[@]:2:3}"
		agree "allocations" "${GROWN[@]:5:3}"
		agree "frees" "${GROWN[@]:8:3}"
		agree "bytes" "${GROWN[@]:11:3}"
		assert_eq "frees of pages, in all and by order" "${GROWN[14]}" "${GROWN[15]}"
		assert_eq "pages freed, by order and by process" "${GROWN[16]}" "${GROWN[17]}"
		assert_between "allocations" 100 10000 "${GROWN[5]}"
	}
	# What interrupts give back meanwhile is counted, too: on a busy machine that can be more, but not each time.
	for _ in 1 2 3; do
		pages
		((GROWN[0] > most || GROWN[1] > most)) || break
	done
	assert_between "allocated" 5120 "$most" "${GROWN[0]}"
	assert_between "freed" 5120 "$most" "${GROWN[1]}"
}

# bats test_tags=once
@test "a sample counts for all" {
	settings sample=4
	# 8000 trials of 1/4: six standard deviations are 930.
	grown 'loads("allocs"), total("slab"; "allocs")' work 'for (1..8000) { msgsnd $q, $m, 0; get }'
	assert_between "by site" 7070 8930 "${GROWN[0]}"
	assert_between "in all" 8000 8100 "${GROWN[1]}"
	assert_eq "each counts for" 4 $((GROWN[0] % 4 + 4))
}

# bats test_tags=once
@test "a sample of what is outstanding stands for all, and ends with it" {
	settings outstanding=8
	work '$m = pack "l! a*", 1, "x"'
	# 4000 objects, 1/8 of them: six standard deviations are 1000.
	grown 'live("objects")' work 'msgsnd $q, $m, 0 or die for 1..4000'
	assert_between "outstanding" 3000 5000 "${GROWN[0]}"
	work 'get for 1..4000'
	dump >"$BATS_TEST_TMPDIR/dump"
	assert_eq "outstanding" 0 "$(numbers "$BATS_TEST_TMPDIR/dump" 'live("objects")')"
}

# bats test_tags=peer
@test "bpftrace counts as many allocations" {
	command -v bpftrace >/dev/null || skip "bpftrace is not here"
	counted() {
		witness "tracepoint:kmem:kmalloc, tracepoint:kmem:kmem_cache_alloc, tracepoint:kmem:mm_page_alloc
			/pid == $WORKER_PID/ { @ = count(); }"
		work 'for (1..300) { pipe R, W; open F, "<", "/proc/self/stat"; $_ = <F>; syswrite W, "x" x 9000 }'
		witnessed
	}
	grown 'sum(total("slab", "pages"; "allocs"))' counted
	assert_eq "allocations" "$WITNESSED" "${GROWN[0]}"
}

@test "paused: nothing is counted" {
	settings paused=on
	adds "0 0" 'total("slab", "pages"; "allocs")' send 10
	settings paused=off
}
