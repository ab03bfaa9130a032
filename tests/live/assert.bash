# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What was expected, what came, and what it was taken from.

# assert_eq WHAT EXPECTED GOT [RAW]
assert_eq() {
	[[ $2 == "$3" ]] && return
	printf '%s: expected %s, got %s\n' "$1" "$2" "$3" >&2
	[[ -z ${4-} ]] || printf 'from: %s\n' "$4" >&2
	return 1
}

# assert_between WHAT LEAST MOST GOT [RAW]: both included.
assert_between() {
	local what=$1 least=$2 most=$3 value=$4
	[[ $value =~ ^-?[0-9]+$ ]] && ((least <= value && value <= most)) && return
	printf '%s: expected %s..%s, got %s\n' "$what" "$least" "$most" "$value" >&2
	[[ -z ${5-} ]] || printf 'from: %s\n' "$5" >&2
	return 1
}

# assert_nothing WHAT COMMAND...: it succeeds, all of it, and prints nothing. (In "$(...)" nobody would see that it failed.)
assert_nothing() {
	local got
	got=$(set -eo pipefail && "${@:2}")
	assert_eq "$1" "" "$got"
}
