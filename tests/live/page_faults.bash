# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What page_faults says of a process, and what the kernel does.

# shellcheck source=tests/live/faults.bash
. "${BATS_TEST_DIRNAME:-$(dirname "${BASH_SOURCE[0]}")}/faults.bash"

dump() {
	"$READER" dump --json page_faults
}

# row PID: as one line of JSON.
row() {
	"$READER" dump --json --map procs --filter "pid=$1" page_faults |
		jq -c 'select(.map == "procs" and .labels.state == "alive")'
}

# kernel PID: the minor and major faults the kernel counts of a process (its name has no blanks).
kernel() {
	awk '{ print $10, $12 }' "/proc/$1/stat"
}

# grown COMMAND...: by how much the row of the faulter and the kernel's counts grew meanwhile:
# {minor, ... of the row, kernel: {minor, major}}. A reading is the one before of the next.
grown() {
	local row0=${ROW-} k0=${KERNEL-}
	[[ -n $row0 ]] || row0=$(row "$FAULTER") k0=$(kernel "$FAULTER")
	"$@"
	ROW=$(row "$FAULTER") KERNEL=$(kernel "$FAULTER")
	jq -cn --argjson a "$row0" --argjson b "$ROW" --argjson k0 "[${k0/ /,}]" --argjson k1 "[${KERNEL/ /,}]" '
		($b | with_entries(select(.value | type == "number") | .value -= $a[.key]))
		+ {kernel: {minor: ($k1[0] - $k0[0]), major: ($k1[1] - $k0[1])}}' >grown
}

# grew FILTER COMMAND...: that is true of it, and the row's counts are those of the kernel.
grew() {
	local filter=$1
	shift
	grown "$@"
	jq -e "(${filter}) and .minor == .kernel.minor and .major == .kernel.major" grown >/dev/null ||
		{ echo "$*: $(<grown), not $filter" >&2 && return 1; }
}

# all_faults: those of all processes, as `minor major errors`.
all_faults() {
	dump | jq -rs 'map(select(.map == "procs" or .map == "rest"))
		| "\(map(.minor) | add) \(map(.major) | add) \(map(.errors) | add)"'
}
