#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# page_cache against files that are known to be in memory or not:
#
#    worker (reads, writes, splices) --- page cache --- ext4 --- loop device --- tmpfs
#
# What the worker counts is exact: it does nothing but what it is told.

# shellcheck disable=SC2016 # Perl's variables

bats_require_minimum_version 1.5.0

setup_file() {
	load page_cache.bash
	disk_up
	probe_load page_cache
}

teardown_file() {
	load page_cache.bash
	probe_unload page_cache
	disk_down
}

setup() {
	load page_cache.bash
	worker_up
}

teardown() {
	worker_down
	traffic_stop
	null_disk_down
}

@test "a file read twice: all of it is missed, then all of it is hit" {
	local chunk n
	file twice 256
	have twice
	for chunk in 4096 10000; do
		evict twice
		n=$(touched 256 "$chunk")
		did $((n - 256)) 256 256 0 reading 0 256 "$chunk"
		assert_eq "resident" 256 "$(resident twice)"
		did "$n" 0 0 0 reading 0 256 "$chunk"
	done
}

@test "a file of which one half is in memory" {
	file half 2048
	have half
	did 0 2048 2048 0 reading 0 2048 1048576
	work "syscall 221, fileno F, 0, 1024 * 4096, 4" # fadvise64, POSIX_FADV_DONTNEED
	assert_eq "resident" 1024 "$(resident half)"
	did 1024 1024 1024 0 reading 0 2048 1048576
}

@test "what is read ahead is missed when it is read, and not before" {
	local added
	file ahead 1024
	have ahead
	reading 100 1
	added=$(resident ahead)
	assert_between "read ahead" 1 512 "$added"
	did 1 1 "$added" 0 reading 100 1
	did 1 1023 $((1024 - added)) 0 reading 0 1024
}

@test "written pages are dirtied once, and never missed" {
	local kernel=() before after
	file written 0
	have written
	kernel+=("$(nr_dirtied)")
	before=$(total dirtied pages)
	kernel+=("$(nr_dirtied)")
	did 0 0 512 512 writing 0 512
	did 0 0 0 0 writing 0 512
	did 512 0 0 0 reading 0 512
	sync "$DISK/written"
	kernel+=("$(nr_dirtied)")
	after=$(total dirtied pages)
	kernel+=("$(nr_dirtied)")
	assert_between "dirtied, in all" $((kernel[2] - kernel[1])) $((kernel[3] - kernel[0])) $((after - before))
}

@test "sendfile is a read, too" {
	local call='$_ = pack "q", 0; syscall(40, fileno OUT, fileno F, $_, 300 * 4096) == 300 * 4096 or die'
	file sent 300
	have sent
	work "open OUT, '>', '/dev/null' or die"
	did 0 300 300 0 work "$call"
	did 300 0 0 0 work "$call"
}

@test "by cgroup; paused, and what is somebody else's" {
	local cgroup=/sys/fs/cgroup/page_cache id was
	file grouped 256
	mkdir "$cgroup"
	echo "$WORKER_PID" >"$cgroup/cgroup.procs"
	id=$(stat -c %i "$cgroup")
	settings by_cgroup=on
	have grouped
	was=$(of_cgroup "$id")
	did 256 256 256 0 eval "reading 0 256; reading 0 256"
	assert_eq "hits and misses of the cgroup" $((was + 512)) "$(of_cgroup "$id")"
	settings by_cgroup=off paused=on
	did 0 0 0 0 reading 0 256
	settings paused=off pid=1
	did 0 0 0 0 reading 0 256
	settings pid=0 cgroup="$id"
	did 256 0 0 0 reading 0 256
	settings cgroup=0
	worker_down
	rmdir "$cgroup"
}

# bats test_tags=peer
@test "bpftrace counts as many pages added" {
	command -v bpftrace >/dev/null || skip "bpftrace is not here"
	local event=filemap:mm_filemap_add_to_page_cache pages=1
	! grep -q ' order;' "/sys/kernel/tracing/events/${event/://}/format" || pages='(1 << args->order)'
	file traced 300
	have traced
	witness "tracepoint:$event /pid == $WORKER_PID/ { @ = sum($pages); }"
	reading 0 300 65536
	witnessed
	did 0 300 "$WITNESSED" 0 true
}

# bats test_tags=peer_old
@test "cachestat counts as many pages, but what is read ahead when it comes, and what is written each time" {
	local added was
	grep -qw account_page_dirtied /proc/kallsyms || skip "the functions that cachestat hooks are gone from this kernel"
	null_disk_up
	file peer 256
	have peer
	did 256 256 256 0 cachestat_of eval "reading 0 256; reading 0 256"
	assert_eq "hits, misses of a file read twice" "256 256" "$CACHESTAT_READS"
	evict peer
	was=("${MARK[@]}")
	reading 0 1
	mark
	added=$((MARK[2] - was[2]))
	assert_between "read, and ahead" 2 255 "$added"
	did 0 255 $((256 - added)) 0 cachestat_of reading 1 255
	assert_eq "hits, misses of what was, and is, read ahead" "$((added - 1)) $((256 - added))" "$CACHESTAT_READS"
	file peer 0
	have peer
	did 0 0 256 256 cachestat_of eval "writing 0 256; writing 0 256"
	assert_eq "hits, misses of writes" "0 0" "$CACHESTAT_READS"
	assert_eq "pages written" 512 "$CACHESTAT_WRITES"
}

@test "processes and the rest are all there is, and nothing was lost" {
	local all parts
	all=$(total hits pages)
	parts=$(total hits procs rest)
	assert_between "hits" "$all" "$(total hits pages)" "$parts"
	assert_eq "losses" 0 "$(dump --map losses | jq -s '[.[] | select(.labels.reason != "forgotten").count] | add')"
}
