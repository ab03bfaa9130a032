#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# lock_contention against waits of a known time, and the kernel's own tracer:
#
#    holder --- has the lock, and sleeps in a page fault until MS after ---+
#    waiter --- was seen to sleep for the lock                             |
#    userfaultfd handler, which knows both times --------------------------+

# bats file_tags=native

bats_require_minimum_version 1.5.0

setup_file() {
	load lock_contention.bash
	((EUID == 0)) || skip "needs root to load probes"
	probe_load lock_contention
}

teardown_file() {
	load lock_contention.bash
	probe_unload lock_contention
}

setup() {
	load lock_contention.bash
	cd "$BATS_TEST_TMPDIR" || return
}

teardown() {
	tracer_stop
	frozen_down
	settings paused=off pid=0 min_latency=0 min_site=10us sample=1 by_cgroup=off
}

@test "a pipe's mutex is waited for as long as it is held, by the writer to the pipe" {
	dump >before
	locks mutex 20 3
	dump >after
	waited mutex '(anon_)?pipe_(write|prefill_and_lock)' # the latter since 7.3
}

@test "a file's rwsem is waited for as long as another writes to the file" {
	dump >before
	locks inode 20 3
	dump >after
	waited rwsem_write '(generic|shmem)_file_write_iter'
}

@test "a directory's rwsem is waited for by a writer, and by a reader behind that writer" {
	dump >before
	locks dir 20 3
	dump >after
	waited rwsem_write 'filename_create'
	waited rwsem_read 'iterate_dir'
	balanced
}

@test "a percpu_rwsem is waited for by who writes to a frozen file system" {
	frozen_up
	dump >before
	locks frozen 20 3
	dump >after
	waited percpu_read 'vfs_write'
}

@test "a percpu_rwsem is waited for by who freezes a file system that is written to" {
	local release
	IFS=. read -ra release < <(uname -r)
	((release[0] * 1000 + ${release[1]%%[^0-9]*} < 6008)) || skip "from 6.8 on the kernel does not announce it"
	frozen_up
	settings min_site=0
	dump >before
	locks freeze 20 3
	# It takes three, one after the other; the first is the one that is held.
	sed -i 'p; s/ .*/ 0 0/p' known
	dump >after
	waited percpu_write 'freeze_super'
}

@test "waits are as many as the kernel's tracer sees, of each kind" {
	[[ -d /sys/kernel/tracing/events/lock/contention_begin ]] || skip "no contention tracepoints in this kernel"
	tracer_start
	mark 0
	dump >before
	mark 1
	"$LOCKS" mutex 5 3 >/dev/null
	"$LOCKS" dir 5 3 >/dev/null
	fork_storm 60
	mark 2
	dump >after
	mark 3
	rows 'select(.map | IN("sleeps", "spins")) | "probe \(.labels.kind) \(.count)"' >judged
	awk -f "$HERE/lock_contention.awk" judged "$TRACER/trace"
}
