# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Known calls on files of a file system that nobody else uses, and what file_io says of them.

ROOT=${ROOT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)}
# shellcheck source=tests/live/traffic.bash
. "$ROOT/tests/live/traffic.bash"
# shellcheck source=tests/live/pinscope.bash
. "$ROOT/tests/live/pinscope.bash"
# shellcheck source=tests/live/worker.bash
. "$ROOT/tests/live/worker.bash"

ramfs_up() {
	mkdir "$BATS_FILE_TMPDIR/ramfs"
	mount -t ramfs ramfs "$BATS_FILE_TMPDIR/ramfs"
}

ramfs_down() {
	! mountpoint -q "$BATS_FILE_TMPDIR/ramfs" || umount "$BATS_FILE_TMPDIR/ramfs"
}

# calls TIMES: each of the calls of files.c; what that says is in `said`.
calls() {
	"$ROOT/build/tests/files" "$BATS_FILE_TMPDIR/ramfs" "$1" >said 3>&- &
	PID=$!
	wait "$PID"
}

dump() {
	"$READER" dump --json file_io
}

# look NAME: the rows, now.
look() {
	dump | jq -sc 'map(select(.type == "row"))' >"$1"
}

# vfsstat_up: it prints the calls of each second.
vfsstat_up() {
	mkfifo "$BATS_TEST_TMPDIR/vfsstat"
	stdbuf -oL vfsstat 1 >"$BATS_TEST_TMPDIR/vfsstat" 3>&- &
	SERVER["vfsstat"]=$!
	exec {VFSSTAT}<"$BATS_TEST_TMPDIR/vfsstat"
	read -r -t 120 -u "$VFSSTAT" -a SEEN
	[[ ${SEEN[*]} == "TIME READ/s WRITE/s FSYNC/s OPEN/s CREATE/s" ]]
	SEEN=(0 0 0 0)
}

# vfsstat_line: the next it prints, added to what it has SEEN: reads, writes, syncs, opens.
vfsstat_line() {
	local line i
	read -r -t 120 -u "$VFSSTAT" -a line || return
	for i in 0 1 2 3; do
		((SEEN[i] += line[i + 1])) || true
	done
}

# vfsstat_now: up to a moment that comes after this was called.
vfsstat_now() {
	while read -r -t 0 -u "$VFSSTAT"; do
		vfsstat_line
	done
	vfsstat_line
}

# judge FILTER: of the looks $before and $after, what files.c said, and its pid; its results are
# sentences about what is wrong.
judge() {
	local wrong
	wrong=$(jq -nr -L "$ROOT/tests/live" --slurpfile before before --slurpfile after after --rawfile said said \
		--rawfile said0 "$([[ -e said0 ]] && echo said0 || echo said)" --arg pid "$PID" '
		include "judge";
		def process: map(select(.map == "procs" and .labels.pid == ($pid | tonumber)))[0];
		def fs($fs; $op): map(select(.map == "filesystems" and .labels.fs == $fs and .labels.op == $op))[0]
			// {calls: 0, errors: 0, bytes: 0, time: {count: 0, sum_ns: 0}};
		def added($fs; $op): [$after[0], $before[0] | fs($fs; $op)] as [$a, $b]
			| {calls: ($a.calls - $b.calls), errors: ($a.errors - $b.errors), bytes: ($a.bytes - $b.bytes),
				timed: ($a.time.count - $b.time.count), ns: ($a.time.sum_ns - $b.time.sum_ns)};
		def numbers($fs; $op): added($fs; $op) | [.calls, .errors, .bytes];
		def lost: map(select(.map == "losses" and .count > 0));
		def numbers_said: [scan("(\\w+): (\\d+)")] | map({key: .[0], value: (.[1] | tonumber)}) | from_entries;
		($said | numbers_said) as $said_of | '"$1") || return
	[[ -z $wrong ]] || { echo "$wrong" >&2 && cat said >&2 && return 1; }
}
