# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Loads a probe for a file of tests, reads it, and sees that nothing is left of it.

ROOT=${ROOT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)}
PINSCOPE=$ROOT/scripts/pinscope
# shellcheck disable=SC2034
READER=$ROOT/build/pinscope-reader # what pinscope hands its reading verbs to; quicker

pinscope() {
	"$PINSCOPE" "$@"
}

pin_root() {
	echo "${PINSCOPE_BPFFS:-/sys/fs/bpf}/pinscope"
}

# probe_load PROBE [OPTION...]
probe_load() {
	local probe=$1
	shift
	pinscope load "$@" "$probe"
}

# probe_ids PROBE: its programs, maps and links, as bpftool's arguments.
probe_ids() {
	local file kind
	for file in "$(pin_root)/$1"/{links,maps}/*; do
		kind=${file%/*}
		kind=${kind##*/}
		bpftool -j "${kind%s}" show pinned "$file" 2>/dev/null |
			jq -r --arg kind "${kind%s}" '"\($kind) \(.id)", (.prog_id // empty | "prog \(.)")'
	done
}

# gone KIND ID: the kernel frees it some time after the last reference.
gone() {
	! bpftool -j "$1" show id "$2" >/dev/null 2>&1
}

# probe_unload PROBE: and nothing is left of it.
probe_unload() {
	local probe=$1 ids kind id
	[[ -d $(pin_root)/$probe ]] || return 0
	ids=$(probe_ids "$probe")
	pinscope unload "$probe" || return
	while read -r kind id; do
		wait_for gone "$kind" "$id" || return
	done <<<"$ids"
	[[ ! -e $(pin_root)/$probe && ! -e ${PINSCOPE_RUN:-/run/pinscope}/$probe.bpf.o ]]
}
