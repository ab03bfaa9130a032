# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2016,SC2034 # Perl's and jq's variables; for the tests
#
# A file system of our own, a process that reads and writes there, and what page_cache counts.

HERE=${BATS_TEST_DIRNAME:-$(dirname "${BASH_SOURCE[0]}")}
for helper in traffic net assert pinscope worker disk; do
	# shellcheck source=/dev/null
	. "$HERE/$helper.bash"
done

# disk_up: ext4 on a loop device on tmpfs (which page_cache does not see), at $DISK.
disk_up() {
	export DISK=$BATS_FILE_TMPDIR/disk
	net_module loop
	net_module ext4
	mkdir "$DISK"
	truncate -s 64M "$BATS_FILE_TMPDIR/image"
	mkfs.ext4 -q -F -E nodiscard,lazy_itable_init=0,lazy_journal_init=0 "$BATS_FILE_TMPDIR/image"
	mount -o loop,noatime "$BATS_FILE_TMPDIR/image" "$DISK"
}

disk_down() {
	! mountpoint -q "$DISK" || umount "$DISK"
}

# null_disk_up: ext4 on a disk whose driver does not use the page cache, at $DISK; it writes when it is told to.
null_disk_up() {
	null_up memory_backed=1
	mkfs.ext4 -q -F -b 4096 -E nodiscard,lazy_itable_init=0,lazy_journal_init=0 "/dev/$DISK"
	mkdir "$BATS_TEST_TMPDIR/null"
	mount -o noatime,commit=300 "/dev/$DISK" "$BATS_TEST_TMPDIR/null"
	DISK=$BATS_TEST_TMPDIR/null
}

null_disk_down() {
	! mountpoint -q "$BATS_TEST_TMPDIR/null" || umount "$BATS_TEST_TMPDIR/null"
	null_down
}

# cachestat_of COMMAND...: what cachestat counts meanwhile, of all processes: hits and misses are CACHESTAT_READS,
# "dirties" CACHESTAT_WRITES. Nothing may be executed: it counts the pages of a process that ends.
cachestat_of() {
	local fifo=$BATS_TEST_TMPDIR/cachestat said line
	command -v cachestat >/dev/null || skip "cachestat (package libbpf-tools) is not here"
	sync
	mkfifo "$fifo"
	stdbuf -oL cachestat 3600 >"$fifo" 3>&- &
	SERVER["cachestat"]=$!
	exec {said}<"$fifo"
	rm "$fifo"
	read -r -t 120 -u "$said" line
	[[ $line == HITS* ]]
	"$@"
	kill -INT "${SERVER["cachestat"]}"
	read -r -t 120 -u "$said" -a line
	exec {said}<&-
	served cachestat
	CACHESTAT_READS="${line[0]} ${line[1]}" CACHESTAT_WRITES=${line[2]}
}

# file NAME PAGES: a new file, on the disk and not in memory.
file() {
	head -c "$(($2 * 4096))" /dev/zero >"$DISK/$1"
	sync "$DISK/$1"
	evict "$1"
}

# evict NAME: out of memory.
evict() {
	dd "of=$DISK/$1" oflag=nocache conv=notrunc,fdatasync count=0 status=none
	assert_eq "resident pages of $1" 0 "$(resident "$1")"
}

# resident NAME: how many of its pages are in memory, says the kernel.
resident() {
	fincore -n -o PAGES "$DISK/$1" | tr -d ' '
}

# have NAME: the worker opens it, and has a row; where the file is on the disk is in memory then, the file not.
have() {
	work "open F, '+<', '$DISK/$1' or die; 1 while sysread F, \$_, 65536"
	evict "$1"
	mark
}

# reading FIRST PAGES [CHUNK]: the worker reads them, so many bytes at a time.
reading() {
	work "sysseek F, $1 * 4096, 0;
		for (\$left = $2 * 4096; \$left; \$left -= \$n) {
			\$n = sysread F, \$_, \$left < ${3:-4096} ? \$left : ${3:-4096} or die }"
}

# writing FIRST PAGES
writing() {
	work "sysseek F, $1 * 4096, 0; syswrite F, 'x' x 4096 for 1..$2"
}

dump() {
	"$READER" dump --json page_cache "$@"
}

# mark: sets MARK to hits, misses, added, dirtied of the worker up to now.
mark() {
	read -ra MARK < <(dump --map procs --filter "pid=$WORKER_PID" |
		jq -r 'select(.type == "row") | "\(.hits) \(.misses) \(.added) \(.dirtied)"')
}

# did HITS MISSES ADDED DIRTIED COMMAND...: what the worker counts since the last mark. (This is one, too.)
did() {
	local expected="$1 $2 $3 $4" was=("${MARK[@]}")
	shift 4
	"$@"
	mark
	assert_eq "hits, misses, added, dirtied by $*" "$expected" \
		"$((MARK[0] - was[0])) $((MARK[1] - was[1])) $((MARK[2] - was[2])) $((MARK[3] - was[3]))"
}

# total FIELD MAP...: the sum over all rows of these maps.
total() {
	local field=$1
	shift
	dump | jq -s --arg field "$field" '[.[] | select(.type == "row" and (.map | IN($ARGS.positional[])))[$field]] | add' \
		--args "$@"
}

# lost REASON
lost() {
	dump --map losses | jq -s --arg reason "$1" '[.[] | select(.labels.reason == $reason).count] | add'
}

# of_cgroup ID: its hits and misses.
of_cgroup() {
	dump --map cgroups --filter "cgroup=$1" | jq 'select(.type == "row") | .hits + .misses'
}

# touched PAGES CHUNK: how many pages are touched, when so many are read in chunks.
touched() {
	local at n sum=0
	for ((at = 0; at < $1 * 4096; at += n)); do
		((n = $1 * 4096 - at < $2 ? $1 * 4096 - at : $2))
		((sum += (at + n - 1) / 4096 - at / 4096 + 1))
	done
	echo "$sum"
}

# nr_dirtied: as the kernel counts, what its processors keep for themselves included.
nr_dirtied() {
	cat /proc/sys/vm/stat_refresh
	awk '$1 == "nr_dirtied" { print $2 }' /proc/vmstat
}

# settings KEY=VALUE...
settings() {
	"$READER" set page_cache "$@" >/dev/null
}
