# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Polling, for tests that must not sleep.

# wait_for [-t SECONDS] COMMAND...: until it succeeds. It runs in a shell of its own, so what it sets is lost, and $! is
# another afterwards. That is for errexit: bash heeds none in what `until`, `if`, `&&`, `||` and `!` judge, so
# a function there succeeds if its last command does, whatever failed before.
wait_for() {
	local limit=30 start=$SECONDS
	[[ $1 != -t ]] || { limit=$2 && shift 2; }
	while ((SECONDS - start < limit)); do
		(set -e && "$@") &
		wait $! && return
		[[ $? != @(3|127) ]] || break # jq cannot compile its program, or there is no such command
		sleep 0.02
	done
	echo "waited $((SECONDS - start)) s in vain for: $*" >&2
	return 1
}
