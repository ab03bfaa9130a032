# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034 # bats' variables
#
# Before each command of a test, bats notes where it stands: a loop of 2,000 commands took 1.3 to 2.2 s with that trap, 0.02 s without
# it. Where a test failed is known at the failure, too.

bats_error_trap() {
	bats_check_status_from_trap # first: it looks at $?
	[[ -z ${BATS_DEBUG_LAST_STACK_TRACE_IS_VALID-} ]] || return 0
	bats_capture_stack_trace
	BATS_DEBUG_LAST_STACK_TRACE_IS_VALID=1
}

trap - DEBUG
# Nor does it say of others, which come without a failed command (`exit`), what it noted last.
BATS_DEBUG_LAST_STACK_TRACE=() BATS_DEBUG_LASTLAST_STACK_TRACE=()
