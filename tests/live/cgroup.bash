# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# A cgroup (v2) whose memory is limited, in a hierarchy that is mounted for the test alone.

CGROUP=$BATS_FILE_TMPDIR/cgroup/pinscope-$$

# cgroup_up FILE=VALUE...: to be called in setup; skips where memory is not under v2.
cgroup_up() {
	local setting
	mkdir -p "${CGROUP%/*}"
	mount -t cgroup2 cgroup2 "${CGROUP%/*}"
	grep -qw memory "${CGROUP%/*}/cgroup.controllers" || skip "memory is not a controller of cgroup v2 here"
	echo +memory >"${CGROUP%/*}/cgroup.subtree_control"
	mkdir "$CGROUP"
	for setting; do
		echo "${setting#*=}" >"$CGROUP/${setting%%=*}"
	done
}

# cgroup_id: the number a probe shows.
cgroup_id() {
	stat -c %i "$CGROUP"
}

cgroup_takes() {
	local pid
	for pid; do
		echo "$pid" >"$CGROUP/cgroup.procs"
	done
}

# cgroup_events NAME: a line of memory.events.
cgroup_events() {
	awk -v name="$1" '$1 == name { print $2 }' "$CGROUP/memory.events"
}

# cgroup_down: nothing may be left in it.
cgroup_down() {
	[[ ! -d $CGROUP ]] || wait_for rmdir "$CGROUP"
	! mountpoint -q "${CGROUP%/*}" || umount "${CGROUP%/*}"
}
