#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# file_io against a program whose calls are known, the kernel's counters of it, and its clock:
#
#    files ---> a file and a fifo on a ramfs that nobody else uses

# shellcheck disable=SC2016,SC2153 # jq's variables; PID is set by calls

bats_require_minimum_version 1.5.0

setup_file() {
	load file_io.bash
	probe_load file_io
	ramfs_up
}

teardown_file() {
	load file_io.bash
	ramfs_down
	probe_unload file_io
}

setup() {
	load file_io.bash
	cd "$BATS_TEST_TMPDIR" || return
}

teardown() {
	traffic_stop
	worker_down
}

@test "calls, failures and bytes of a file system; waiting is in the time" {
	look before
	calls 3
	look after
	judge 'expect("reads"; [15, 3, 4593]; numbers("ramfs"; "read")),
		expect("writes"; [12, 0, 4593]; numbers("ramfs"; "write")),
		expect("opens"; [9, 0, 0]; numbers("ramfs"; "open")),
		expect("closes"; [12, 0, 0]; numbers("ramfs"; "close")),
		expect("fsyncs"; [3, 0, 0]; numbers("ramfs"; "fsync")),
		expect("fdatasyncs"; [6, 0, 0]; numbers("ramfs"; "fdatasync")),
		expect("timed"; [15, 12, 9, 0, 3, 6]; [("read", "write", "open", "close", "fsync", "fdatasync") as $op | added("ramfs"; $op).timed]),
		between("time of reads, of which three wait 100 ms"; 300000000; $said_of.read_ns; added("ramfs"; "read").ns),
		between("time of syncs"; 1; $said_of.sync_ns; added("ramfs"; "fsync").ns + added("ramfs"; "fdatasync").ns),
		between("time of writes"; 1; $said_of.write_ns + added("ramfs"; "write").ns / 2; added("ramfs"; "write").ns),
		between("opens that fail"; 3; 1000; added("none"; "open").errors),
		expect("losses"; []; $after[0] | lost)'
}

@test "a process: its reads and writes are those of /proc/PID/io" {
	calls 0
	mv said said0 && PID0=$PID
	calls 2
	look after && cp after before
	# Against the same program that does nothing, for the kernel reads what it executes. A read of a
	# file that was not opened for it is none for the kernel; writes of children are.
	PID0=$PID0 judge '($after[0] | process) as $p | ($after[0] | map(select(.map == "procs" and .labels.pid == (env.PID0 | tonumber)))[0]) as $p0
		| ($said0 | numbers_said) as $s0 | $said_of as $s
		| expect("reads"; $s.syscr - $s0.syscr + 2; $p.reads - $p0.reads),
			expect("writes"; $s.syscw - $s0.syscw - 2; $p.writes - $p0.writes),
			expect("bytes read"; $s.rchar + $s.own - $s0.rchar - $s0.own; $p.bytes_read - $p0.bytes_read),
			expect("bytes written"; $s.wchar + ($said | length) - $s0.wchar - ($said0 | length) - 2; $p.bytes_written - $p0.bytes_written),
			expect("syncs"; [2, 4]; [$p.fsyncs, $p.fdatasyncs]), between("time of syncs"; 1; $s.sync_ns; $p.sync_time_ns),
			expect("opens that fail, reads that fail"; 4; $p.errors - $p0.errors),
			expect("name, state"; ["files", "exited"]; [$p.labels.comm, $p.labels.state]),
			between("time of reads"; 200000000; $s.read_ns * 2; $p.read_time_ns)'
}

# bats test_tags=once
@test "settings: paused, another process, without times, with some of them" {
	look before
	"$READER" set file_io paused=on
	calls 1
	"$READER" set file_io paused=off pid=1
	calls 1
	"$READER" set file_io pid=0 timed=off
	calls 1
	"$READER" set file_io timed=on sample=4000000000
	calls 1
	"$READER" set file_io sample=1
	calls 1
	look after
	judge 'expect("reads, those with a time"; [15, 5]; added("ramfs"; "read") | [.calls, .timed]),
		expect("syncs, those with a time"; [6, 2]; added("ramfs"; "fdatasync") | [.calls, .timed]),
		expect("losses"; []; $after[0] | lost)'
}

# What vfsstat counts from one of its lines to another is no less than what happened between two dumps within, and
# no more than between two around it. It counts an exec as two opens, of the program and its loader; and no syncs
# (6.1) where the kernel has inlined vfs_fsync().
# bats test_tags=peer
@test "vfsstat counts as many reads, writes and opens" {
	local from
	worker_up
	vfsstat_up
	dump >outer0
	vfsstat_now
	from=("${SEEN[@]}")
	# Nothing is executed but the reader, twice.
	dump >inner0
	work "for (1 .. 200) { open F, '+>', '$BATS_FILE_TMPDIR/ramfs/peer' or die;
		syswrite F, 'x' for 1 .. 10; sysseek F, 0, 0; sysread F, \$_, 1 for 1 .. 20; syscall 74, fileno F; close F }"
	dump >inner1
	vfsstat_now
	dump >outer1
	jq -en --argjson from "[${from[*]/%/,} 0]" --argjson to "[${SEEN[*]/%/,} 0]" \
		--slurpfile inner0 inner0 --slurpfile inner1 inner1 --slurpfile outer0 outer0 --slurpfile outer1 outer1 '
		def sum($op; field): map(select(.map == "filesystems" and .labels.op == $op) | field) | add // 0;
		def all: [sum("read"; .calls), sum("write"; .calls), sum("fsync"; .calls), sum("open"; .calls - .errors)];
		def minus($b): [., $b] | transpose | map(.[0] - .[1]);
		($inner1 | all | minus($inner0 | all) | .[3] += 2) as $least | ($to | minus($from)) as $seen
		| ($outer1 | all | minus($outer0 | all) | .[3] += 4) as $most
		| {$least, $seen, $most}, ($least[2] == 200 and ($seen[2] | IN(0, 200))
			and ([0, 1, 3] | all(.[]; $least[.] <= $seen[.] and $seen[.] <= $most[.])))'
}
