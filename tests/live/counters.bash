# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What $PROBE counts in namespaces a and b, against the kernel's own counters there (nstat). What
# must agree always is said by `agree` in $PROBE.jq.

HERE=${BATS_TEST_DIRNAME:-$(dirname "${BASH_SOURCE[0]}")}
for helper in traffic net assert pinscope; do
	# shellcheck source=/dev/null
	. "$HERE/$helper.bash"
done

dump() {
	"$READER" dump --json "$PROBE"
}

# kernel: its counters in both namespaces.
kernel() {
	jq -n --argjson a "$(on a nstat -asz -j)" --argjson b "$(on b nstat -asz -j)" \
		'{($ENV.NETNS_a): $a.kernel, ($ENV.NETNS_b): $b.kernel}'
}

# still NAMESPACE: no connection there is open or about to end.
still() {
	[[ -z $(on "$1" ss -Htn state connected exclude time-wait) ]]
}

# begin: what is judged begins here.
begin() {
	kernel >"$BATS_FILE_TMPDIR/kernel"
	dump >"$BATS_FILE_TMPDIR/before"
}

# judge FILTER: its results, and those of `agree`, are sentences about what is wrong.
judge() {
	local wrong
	wait_for still a && wait_for still b || return
	dump >"$BATS_FILE_TMPDIR/now" || return
	wrong=$("$READER" diff --json "$BATS_FILE_TMPDIR/before" "$BATS_FILE_TMPDIR/now" |
		jq -nr -L "$HERE" --slurpfile was "$BATS_FILE_TMPDIR/kernel" --argjson is "$(kernel)" '
			include "judge"; include "counters"; include "'"$PROBE"'";
			[inputs] | summary as $seen | counted($was[0]; $is) as $kernel
			| $seen | agree($kernel), ('"$1"')') || return
	[[ -z $wrong ]] || {
		printf '%s\n' "$wrong"
		"$READER" diff --tsv "$BATS_FILE_TMPDIR/before" "$BATS_FILE_TMPDIR/now"
	} >&2
	[[ -z $wrong ]]
}
