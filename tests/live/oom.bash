# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Processes that use more memory than there is, and what the kernel says of their end.

# shellcheck source=tests/live/faults.bash
. "${BATS_TEST_DIRNAME:-$(dirname "${BASH_SOURCE[0]}")}/faults.bash"
# shellcheck source=tests/live/cgroup.bash
. "$HERE/cgroup.bash"

dump() {
	"$READER" dump --json oom
}

# kills SCOPE: how many there were.
kills() {
	dump | jq --arg scope "$1" 'select(.map == "kills" and .labels.scope == $scope).count'
}

# killed PID: its row, as one line of JSON.
killed() {
	dump | jq -c --argjson pid "$1" 'select(.map == "recent" and .labels.pid == $pid)'
}

# message PID: what the kernel's log says, as `anon file shmem adj`, in pages.
message() {
	dmesg | sed -nE "s/.*Killed process $1 .* anon-rss:([0-9]+)kB, file-rss:([0-9]+)kB, shmem-rss:([0-9]+)kB.*oom_score_adj:(-?[0-9]+).*/\1 \2 \3 \4/p" |
		awk '{ print $1 / 4, $2 / 4, $3 / 4, $4 }'
}

# as_said PID: the row has what the kernel's log has. (From 6.2 to 6.17 the log leaves out what
# processors have not added up, up to 32 pages each; rows do not.)
as_said() {
	local slack=0
	[[ ! $(uname -r) =~ ^6\.([2-9]|1[0-7])\. ]] || slack=$((32 * $(nproc)))
	paste -d ' ' <(message "$1") <(killed "$1" |
		jq -r '"\(.pages.anon) \(.pages.file) \(.pages.shmem) \(.oom_score_adj)"') |
		awk -v slack="$slack" '{ wrong = NF != 8 || $4 != $8
				for (i = 1; i <= 3; i++) wrong = wrong || $i - $(i + 4) > slack || $(i + 4) - $i > slack
				if (wrong) { print "log and row of a kill: " $0; bad = 1 } }
			END { exit bad || !NR }' >&2
}

# dies STEP...: the faulter, while it does that.
dies() {
	run ! fault "$@"
	wait_for -t 60 is_gone "$FAULTER"
}

is_gone() {
	! kill -0 "$1" 2>/dev/null || [[ $(awk '{ print $3 }' "/proc/$1/stat" 2>/dev/null) != [RSD] ]]
}
