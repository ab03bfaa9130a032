# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# A shelf of probes made from tests/fixture/load_*, a bpffs and a /run of our own, and
# what the kernel holds of those probes. Their programs are all named ld_*, so that
# whoever else loads something on this machine does not disturb the count.

# shellcheck disable=SC2034 # for the tests

# shellcheck source=tests/live/quick.bash
. "$BATS_TEST_DIRNAME/quick.bash"
# shellcheck source=tests/live/wait.bash
. "$BATS_TEST_DIRNAME/wait.bash"
REPO=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
PINSCOPE=$REPO/scripts/pinscope
READER=$REPO/build/pinscope-reader

shelf_build() {
	mkdir -p "$1/build/bpf"
	cp -r "$REPO"/build/fixture/load_* "$1/build/bpf/"
}

# shelf_variation DIRECTORY OBJECT: a shelf with another build of load_exec.
shelf_variation() {
	mkdir -p "$1/load_exec"
	cp "$REPO/build/fixture/upgrade_exec/$2.bpf.o" "$1/load_exec/1-default.bpf.o"
}

# shelf_up: sets PINSCOPE_*; to be called in setup_file.
shelf_up() {
	((EUID == 0)) || { echo "needs root to load probes" >&2 && return 1; }
	[[ -x $READER && -d $REPO/build/fixture ]] || { echo "nothing is built: run \`make tests\`" >&2 && return 1; }
	export PINSCOPE_BPFFS=$BATS_FILE_TMPDIR/bpffs PINSCOPE_RUN=$BATS_FILE_TMPDIR/run/pinscope
	export PINSCOPE_OBJECTS=$BATS_FILE_TMPDIR/shelf/build/bpf PINSCOPE_GROUP=root
	export ROOT=$PINSCOPE_BPFFS/pinscope
	mkdir -p "$PINSCOPE_BPFFS" "$BATS_FILE_TMPDIR/run"
	mount -t bpf bpf "$PINSCOPE_BPFFS"
	shelf_build "$BATS_FILE_TMPDIR/shelf"
	shelf_traces >"$BATS_FILE_TMPDIR/before"
}

shelf_down() {
	! mountpoint -q "$PINSCOPE_BPFFS" || umount "$PINSCOPE_BPFFS"
}

# Everything of ours the kernel, bpffs and /run hold: ids of programs, links and maps; paths.
# The maps are those that our programs use.
shelf_traces() {
	bpftool -j prog show | jq -r '.[] | select(.name // "" | startswith("ld_"))
		| "prog \(.id)", (.map_ids // [] | .[] | "map \(.)")' | sort -u
	jq -nr --slurpfile progs <(bpftool -j prog show) --slurpfile links <(bpftool -j link show) \
		'[$progs[0][] | select(.name // "" | startswith("ld_")).id] as $ours
		| $links[0][] | select([.prog_id] | inside($ours)) | "link \(.id)"'
	find "$PINSCOPE_BPFFS" -mindepth 1 ! -name '*.debug' | sort
	find "${PINSCOPE_RUN%/*}" -mindepth 1 | sort
	ip -o -d link show | grep -o 'prog/xdp.*' || true
	tc filter show dev lo egress 2>/dev/null | grep bpf || true
}

same_as_before() {
	shelf_traces | cmp -s - "$BATS_FILE_TMPDIR/before"
}

assert_no_trace() {
	wait_for same_as_before || {
		shelf_traces | diff "$BATS_FILE_TMPDIR/before" - >&2
		return 1
	}
}

# assert_loaded PROBE PROGRAMS: pinned under its own name, with as many links, and nothing half made.
assert_loaded() {
	local links=("$ROOT/$1/links"/*) halves=("$ROOT"/*-*)
	[[ -f $PINSCOPE_RUN/$1.bpf.o && ${#links[@]} == "$2" && ! -e ${halves[0]} ]] || {
		shelf_traces >&2
		return 1
	}
}
