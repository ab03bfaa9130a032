# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Cgroups with a quota, and what throttle and cpu.stat say of them.

HERE=${BATS_TEST_DIRNAME:-$(dirname "${BASH_SOURCE[0]}")}
for helper in traffic assert pinscope; do
	# shellcheck source=/dev/null
	. "$HERE/$helper.bash"
done
CGROUPS=/sys/fs/cgroup

# limited NAME QUOTA PERIOD: a cgroup that may run so many of so many microseconds.
limited() {
	echo +cpu >"$CGROUPS/cgroup.subtree_control"
	mkdir "$CGROUPS/$1"
	echo "$2 $3" >"$CGROUPS/$1/cpu.max"
}

# compute_in NAME MS CPU: computes in that cgroup for so long.
compute_in() {
	# shellcheck disable=SC2016 # for the inner shell
	taskset -c "$3" bash -c 'echo $$ >"$1/cgroup.procs"
		end=$((${EPOCHREALTIME/./} + $2 * 1000))
		while ((${EPOCHREALTIME/./} < end)); do :; done' - "$CGROUPS/$1" "$2"
}

id_of() {
	stat -c %i "$CGROUPS/$1"
}

# stat_of NAME FIELD
stat_of() {
	awk -v field="$2" '$1 == field { print $2 }' "$CGROUPS/$1/cpu.stat"
}

dump() {
	"$READER" dump --json throttle
}

# row ID: nothing if there is none.
row() {
	dump | jq -c --argjson id "$1" 'select(.map == "cgroups" and .labels.cgroup == $id)'
}

# ended NAME: it has nobody, and all stretches have ended: their time is that of cpu.stat, rounded.
ended() {
	all_counted "$1" "$(row "$(id_of "$1")")"
}

# ended_in_rest NAME: the same, of the only cgroup that has no row.
ended_in_rest() {
	all_counted "$1" "$(dump | jq -c 'select(.map == "rest")')"
}

all_counted() {
	! read -r _ <"$CGROUPS/$1/cgroup.procs" &&
		(($(jq '.throttled.sum_ns / 1000 | floor' <<<"$2") == $(stat_of "$1" throttled_usec)))
}
