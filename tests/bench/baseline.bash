# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Numbers that must not grow. A baseline is a file of lines KERNEL NUMBER KEY..., what was
# measured is lines NUMBER KEY... on stdin. Sourced by cost and verifier.

# complain NAME: lines of stdin to stderr; status 1 if there were any.
complain() {
	local line status=0
	while IFS= read -r line; do
		echo "$1: $line" >&2
		status=1
	done
	return "$status"
}

# baseline_keys FILE KERNEL
baseline_keys() {
	awk -v kernel="$2" '$1 == kernel { sub(/^[^ ]+ [^ ]+ /, ""); print }' "$1"
}

# baseline_check FILE KERNEL PERCENT: one sentence for each number that has grown by more (and by
# more than 2), that is missing, or that is not in the baseline.
baseline_check() {
	awk -v file="$1" -v kernel="$2" -v percent="$3" '
		FILENAME == file {
			number = $2
			if ($1 == kernel && sub(/^[^ ]+ [^ ]+ /, ""))
				baseline[$0] = number
			next
		}
		{
			number = $1
			sub(/^[^ ]+ /, "")
			seen[$0]
			if (!($0 in baseline))
				printf "%s on %s: not in %s, add it with --update\n", $0, kernel, file
			else if (number > baseline[$0] * (1 + percent / 100) + 2)
				printf "%s on %s: %d, above %d by more than %d %%\n", $0, kernel, number, baseline[$0], percent
		}
		END {
			for (key in baseline)
				if (!(key in seen))
					printf "%s on %s: in %s, but not measured\n", key, kernel, file
		}' "$1" -
}

# baseline_update FILE KERNEL: what was measured takes the place of what the file has.
baseline_update() {
	local new
	new=$(
		grep '^#' "$1" || true
		awk -v file="$1" -v kernel="$2" '
			FILENAME != file { key = $0; sub(/^[^ ]+ /, "", key); seen[key]; print kernel, $0; next }
			{ key = $0; sub(/^[^ ]+ [^ ]+ /, "", key) }
			!/^#/ && ($1 != kernel || !(key in seen))' - "$1" | sort -k1,1V -k3
	)
	echo "$new" >"$1"
}
