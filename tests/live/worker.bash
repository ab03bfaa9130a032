# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034 # what the tests use
#
# A process that does what it is told, a line of Perl at a time, and nothing else: what a probe counts
# for it meanwhile is exact. (Perl is on every Debian, and has the system calls.)

# worker_up: its pid is $WORKER_PID.
worker_up() {
	coproc WORKER { exec perl -e '$| = 1; while (<STDIN>) { eval; print $@ || "done\n" }' 3>&-; }
	WORKER_IN=${WORKER[1]} WORKER_OUT=${WORKER[0]}
}

# work CODE: returns when it is done.
work() {
	local answer
	echo >&"$WORKER_IN" "${1//$'\n'/ }"
	read -r -t 120 -u "$WORKER_OUT" answer
	[[ $answer == "done" ]] || { echo "worker: $answer" >&2 && return 1; }
}

worker_down() {
	local pid=${WORKER_PID-}
	[[ -n $pid ]] || return 0
	exec {WORKER_IN}>&-
	wait "$pid"
	WORKER_PID=''
}

# witness SCRIPT: bpftrace runs it until `witnessed`, which sets WITNESSED to the value of its @.
witness() {
	stdbuf -oL bpftrace -e 'BEGIN { printf("ready\n"); } '"$1" >"$BATS_TEST_TMPDIR/witness" 2>&1 3>&- &
	SERVER["witness"]=$!
	wait_for -t 120 grep -q ready "$BATS_TEST_TMPDIR/witness"
}

witnessed() {
	kill -INT "${SERVER["witness"]}"
	wait "${SERVER["witness"]}" || true
	unset 'SERVER[witness]'
	WITNESSED=$(awk '$1 == "@:" { print $2 }' "$BATS_TEST_TMPDIR/witness")
}
