#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# lock_contention against klockstat, which looks at all calls of the functions that take a mutex or a
# semaphore, by their caller:
#
#    klockstat   +- mutex_lock() ---------------------------------+  contended, or not
#    ours                   +- contention_begin .. _end --+          contended
#
# The waits are those of lock_contention.bats; `known` has the most that each of these calls took.

# bats file_tags=peer

bats_require_minimum_version 1.5.0

setup_file() {
	load lock_contention.bash
	probe_load lock_contention
}

teardown_file() {
	load lock_contention.bash
	probe_unload lock_contention
}

setup() {
	load lock_contention.bash
	[[ $(uname -r) == 6.1.* ]] || skip "which of the callers klockstat shows is known of 6.1"
	cd "$BATS_TEST_TMPDIR" || return
}

teardown() {
	traffic_stop
	settings pid=0
}

# watched LOCK MS ROUNDS: `known`, `before` and `after` as with locks, and what klockstat says of that process.
watched() {
	coproc LOCKER { read -r _ && exec "$LOCKS" "$@" >known 3>&-; }
	# shellcheck disable=SC2153
	local pid=$LOCKER_PID
	peer klockstat klockstat -p "$pid"
	settings pid="$pid"
	dump >before
	echo >&"${LOCKER[1]}"
	wait "$pid"
	dump >after
	peer_stop klockstat
}

# klockstat_says CALLER: calls, least and most of the longest wait and of all, in ns, of the function that it calls
# with the longest wait. (It rounds to a tenth, in some unit.)
klockstat_says() {
	awk -v caller="$1" '
		function least(n, unit) { return (n - 0.05) * (unit == "s" ? 1e9 : unit == "ms" ? 1e6 : unit == "us" ? 1e3 : 1) }
		/Avg Hold/ { exit }
		index($1, caller "+") == 1 {
			printf "%d %.0f %.0f %.0f %.0f\n", $4, least($5, $6), least($5 + 0.1, $6), least($7, $8), least($7 + 0.1, $8)
			exit
		}' klockstat
}

# as_klockstat KIND SITE CALLER FREE: the waits for KIND at SITE are those that are known, and those that klockstat saw
# of the function that CALLER has called, with so many calls that did not wait. (It leaves out one frame too many.)
as_klockstat() {
	local calls max0 max1 all0 all1 ours_max ours_all known known_max known_all
	waited "$1" "$2"
	read -r calls max0 max1 all0 all1 < <(klockstat_says "$3")
	read -r ours_max ours_all < <(jq -r --arg kind "$1" --arg site "$2" 'select(.map == "sites" and .labels.kind == $kind
		and (.labels.site | startswith($site + "+"))) | "\(.max_ns) \(.sum_ns)"' after)
	read -r known known_max known_all < <(awk -v kind="$1" '$1 == kind || $1 == "free" {
		n += $1 == kind; all += $3; max = $3 > max ? $3 : max } END { print n, max, all }' known)
	assert_eq "calls by $3" $((known + $4)) "$calls"
	assert_between "our longest wait" 0 "$max1" "$ours_max"
	assert_between "its longest wait" 0 "$known_max" "$max0"
	assert_between "our waits" 0 "$all1" "$ours_all"
	assert_between "its waits" 0 "$known_all" "$all0"
}

@test "klockstat sees the same waits for a pipe's mutex" {
	watched mutex 20 3
	as_klockstat mutex pipe_write vfs_write 3
}

@test "klockstat sees the same waits for a directory's rwsem" {
	watched dir 20 3
	as_klockstat rwsem_read iterate_dir __x64_sys_getdents64 3
	as_klockstat rwsem_write filename_create do_mkdirat 1
}
