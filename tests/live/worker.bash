# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
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
}
