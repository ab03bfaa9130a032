# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Processes whose way through the scheduler is known, and what sched and /proc say of them.

# shellcheck disable=SC2034 # for the tests

HERE=${BATS_TEST_DIRNAME:-$(dirname "${BASH_SOURCE[0]}")}
for helper in traffic assert pinscope disk peer; do
	# shellcheck source=/dev/null
	. "$HERE/$helper.bash"
done
WORK=$ROOT/build/tests/sched
[[ -e /sys/kernel/tracing/events/lock/contention_begin ]] && LOCK_WAIT=lock_ns || LOCK_WAIT=blocked_ns
OFF=(runnable sleep futex io lock blocked)

dump() {
	"$READER" dump --json sched
}

# row PID: that of the process with this pid which began last.
row() {
	"$READER" dump --json --map procs --filter "pid=$1" sched |
		jq -es 'map(select(.type == "row")) | max_by(.labels.started_ns) // empty'
}

# of ROW FIELD...: their sum; what this kernel does not have is nothing.
of() {
	local row=$1
	shift
	jq -r '[getpath($ARGS.positional[] | split(".")) // 0] | add' --args "$@" <<<"$row"
}

# all_times ROW
all_times() {
	of "$1" oncpu_ns "${OFF[@]/%/_ns}"
}

# now_ns: in steps of 10 ms, rounded down.
now_ns() {
	local up rest
	read -r up rest </proc/uptime
	echo $((10#${up/./} * 10000000))
}

# totals: of everything, the rest included.
totals() {
	dump | jq -cs 'map(select(.map == "procs" or .map == "rest"))
		| {voluntary: (map(.voluntary) | add), involuntary: (map(.involuntary) | add), oncpu: (map(.oncpu_ns) | add)}'
}

# others: voluntary switches of all but the worker.
others() {
	echo $(($(totals | jq .voluntary) - $(of "$(row "$WORKER")" voluntary)))
}

# run_known COMMAND...: its pid is WORKER_WAS.
run_known() {
	"$@" 3>&- &
	WORKER_WAS=$!
	wait "$WORKER_WAS"
}

blocked() {
	[[ $(sed 's/.*) //; s/ .*//' "/proc/$1/stat") == D ]]
}

# work KIND...: waits for `work_go`; its pid is WORKER.
work() {
	BEFORE=$(now_ns)
	coproc AT_WORK { exec "$WORK" "$@" 3>&-; }
	# shellcheck disable=SC2153
	WORKER=$AT_WORK_PID TOLD=${AT_WORK[1]} TELLS=${AT_WORK[0]}
}

asleep() {
	[[ $(sed 's/.*) //; s/ .*//' "/proc/$1/stat") == S ]]
}

# work_go: returns when it is done, and asleep. What it printed is SAID.
work_go() {
	echo >&"$TOLD"
	read -r -t 60 -u "$TELLS" -a SAID || return
	wait_for asleep "$WORKER"
	# Its first time may be that of its own clock; those around it are ours.
	AFTER=$(now_ns)
}

# did PID...: switches, migrations and ns on a processor, of those that have these pids now.
did() {
	"$READER" dump --json --map procs sched | jq -rs '[$ARGS.positional[] | tonumber] as $pids
		| map(select(.type == "row" and (.labels.pid | IN($pids[]))))
		| group_by(.labels.pid) | map(max_by(.labels.started_ns)
			| [.voluntary + .involuntary, .migrations, .oncpu_ns]) | transpose | map(add) | @tsv' --args "$@"
}

# beside_perf KIND...: does that work on processor 0 while perf looks at the worker and its children. DID has what
# they did, PERF what perf says of them: switches, migrations, ns.
beside_perf() {
	local was
	work "$@"
	wait_for asleep "$WORKER"
	taskset -cp 0 "$WORKER" >/dev/null
	read -ra was < <(did "$WORKER")
	# Who is "running" for its file has not left the processor yet.
	# shellcheck disable=SC2016 # for the shell that perf starts
	perf stat -x, -e context-switches,cpu-migrations,task-clock -p "$WORKER" -o "$BATS_TEST_TMPDIR/perf" bash -c '
		echo && read -r -t 60 -a said && echo "${said[*]}" >"$2"
		for pid in "$1" "${said[@]:0:${#said[@]}-2}"; do
			until read -r state _ <"/proc/$pid/syscall" && [[ $state != running ]]; do :; done
		done' - "$WORKER" "$BATS_TEST_TMPDIR/said" <&"$TELLS" >&"$TOLD"
	read -ra SAID <"$BATS_TEST_TMPDIR/said"
	read -ra DID < <(did "$WORKER" "${SAID[@]:0:${#SAID[@]}-2}")
	DID=($((DID[0] - was[0])) $((DID[1] - was[1])) $((DID[2] - was[2])))
	read -ra PERF < <(awk -F, 'NF > 1 { printf "%.0f ", $2 == "msec" ? $1 * 1000000 : $1 } END { print "" }' "$BATS_TEST_TMPDIR/perf")
	work_end
}

work_end() {
	eval "exec $TOLD>&-"
	wait "$WORKER"
	unset WORKER
}

# kernel_says PID FIELD: of /proc/PID/status.
kernel_says() {
	awk -v field="$2:" '$1 == field { print $2 }' "/proc/$1/status"
}

# schedstat PID: nanoseconds it ran, and waited for a processor.
schedstat() {
	cut -d' ' -f1,2 "/proc/$1/schedstat"
}

# near WHAT EXPECTED SWITCHES GOT: clocks are read at other places of a switch (100 us under
# emulation); besides, 4 % more than the kernel's own were seen once, on a busy machine, why is not known.
near() {
	assert_between "$1" $(($2 * 95 / 100 - $3 * 100000)) $(($2 * 105 / 100 + $3 * 100000)) "$4"
}
