# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# A process that does what it is told, and what the kernel and the probe make of it.

HERE=${BATS_TEST_DIRNAME:-$(dirname "${BASH_SOURCE[0]}")}
for helper in traffic assert pinscope; do
	# shellcheck source=/dev/null
	. "$HERE/$helper.bash"
done

sw_load() {
	PINSCOPE_OBJECTS=$ROOT/build/fixture probe_load sw_counters "$@"
}

# worker_start: sets WORKER, its pid. It waits on processor 1.
worker_start() {
	mkfifo "$BATS_TEST_TMPDIR"/{orders,done}
	# shellcheck disable=SC2016 # for the worker
	taskset -c 1 bash -c 'while read -r bytes; do printf -v text "%*s" "$bytes" ""; unset text; echo; done' \
		<"$BATS_TEST_TMPDIR/orders" >"$BATS_TEST_TMPDIR/done" 3>&- &
	WORKER=$!
	exec {ORDERS}>"$BATS_TEST_TMPDIR/orders" {DONE}<"$BATS_TEST_TMPDIR/done"
	touch_pages 1
}

worker_stop() {
	[[ ${WORKER-} ]] || return 0
	exec {ORDERS}>&- {DONE}<&-
	wait "$WORKER"
	WORKER=
}

# touch_pages BYTES: the worker does, and waits again.
touch_pages() {
	echo "$1" >&"$ORDERS"
	read -r -u "$DONE"
}

# faults: of the worker, as the kernel counts them.
faults() {
	local stat
	stat=$(</proc/"$WORKER"/stat)
	read -ra stat <<<"${stat##*) }"
	echo $((stat[7] + stat[9]))
}

# moves: from one processor to another.
moves() {
	awk '$1 == "se.nr_migrations" { print $3 }' "/proc/$WORKER/sched"
}

# counted COUNTER: of the worker, by the probe.
counted() {
	"$READER" dump --map procs --filter "pid=$WORKER" sw_counters |
		jq -s --arg counter "$1" '[.[] | select(.type == "row")[$counter]] | add // 0'
}

# in_all COUNTER: of all processes and the rest.
in_all() {
	"$READER" dump sw_counters | jq -s --arg counter "$1" '[.[] | select(.type == "row" and .map != "losses")[$counter]] | add'
}

lost() {
	"$READER" dump sw_counters | jq -s --arg reason "$1" '.[0].probes[0].losses[$reason]'
}

# agree: since `begin` the probe counted as many as the kernel.
agree() {
	[[ $(($(counted page_faults) - COUNTED)) == $(($(faults) - FAULTS)) ]]
}

# begin: what `agree` compares begins here. A task is charged as it leaves the processor.
begin() {
	local was=
	until [[ $was == "$(counted page_faults)" ]]; do
		was=$(counted page_faults)
	done
	COUNTED=$was
	FAULTS=$(faults)
}
