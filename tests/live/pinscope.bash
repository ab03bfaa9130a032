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

# kernel_has: the programs, maps and links in the kernel, whosever they are: `KIND ID` lines.
kernel_has() {
	local kind
	for kind in prog map link; do
		bpftool -j "$kind" show | jq -r --arg kind "$kind" '.[] | "\($kind) \(.id)"'
	done
}

# probe_ids PROBE: those of its hooks.
probe_ids() {
	"$READER" links "$(pin_root)/$1/links" |
		jq -rn --slurpfile progs <(bpftool -j prog show) '[inputs]
			| (.[] | "link \(.id)", "prog \(.prog_id)"),
			([.[].prog_id] as $ours | $progs[0][] | select(.id | IN($ours[])).map_ids // [] | "map \(.[])")' |
		sort -u
}

# gone IDS: the kernel frees them some time after the last reference.
gone() {
	! kernel_has | grep -qxF "$1"
}

# probe_unload PROBE: and nothing is left of it.
probe_unload() {
	local probe=$1 ids
	[[ -d $(pin_root)/$probe ]] || return 0
	ids=$(probe_ids "$probe")
	pinscope unload "$probe" || return
	wait_for gone "$ids" || return
	[[ ! -e $(pin_root)/$probe && ! -e ${PINSCOPE_RUN:-/run/pinscope}/$probe.bpf.o ]]
}
