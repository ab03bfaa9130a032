# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the verbs share: where things are, the one way out, the one runner, the lock,
# and how a change that was cut short is undone.

# shellcheck disable=SC2034 # what is not used here is used by a verb

EXIT_FAILED=1
EXIT_USAGE=2
EXIT_ABSENT=3

VERBOSE=0
DRY_RUN=0
HELP=0
VERB_FILE=
LOCK_WAIT=${PINSCOPE_LOCK_WAIT:-30} # seconds
STEP=0
OUTPUT=        # of the last command run
FIELDS=$'\x1f' # between fields that jq hands to bash: unlike a tab, two of them are an empty field

BPFFS=${PINSCOPE_BPFFS:-/sys/fs/bpf}
BPFFS=${BPFFS%/}
ROOT=$BPFFS/pinscope
RUN=${PINSCOPE_RUN:-/run/pinscope}
BPFTOOL=${PINSCOPE_BPFTOOL:-bpftool}
export PINSCOPE_BPFFS=$BPFFS PINSCOPE_RUN=$RUN
umask 027

# The one place that knows a checkout (scripts/) from an installation (PREFIX/libexec/pinscope).
find_root() {
	if [[ -f $HERE/../Makefile ]]; then
		OBJECTS=${HERE%/*}/build/bpf
		READER=${HERE%/*}/build/pinscope-reader
	else
		OBJECTS=${HERE%/*/*}/lib/pinscope/bpf
		READER=$HERE/pinscope-reader
	fi
	OBJECTS=${PINSCOPE_OBJECTS:-$OBJECTS}
}
find_root

# Every failure leaves through here, in one sentence: what was tried, on what, why it
# failed, what to do.
die() {
	complain "$1"
	exit "${2:-$EXIT_FAILED}"
}

complain() {
	printf 'pinscope: %s\n' "${1#pinscope: }" >&2 # the reader has said its name already
}

# The comment at the top of a verb's file, from its "usage:" on, is its help.
usage() {
	local line show=0
	while IFS= read -r line; do
		[[ $line == '#'* ]] || return 0
		[[ $line == '# usage:'* ]] && show=1
		line=${line#\#}
		((!show)) || printf '%s\n' "${line# }"
	done <"$1"
}

misuse() {
	complain "$1"
	usage "${VERB_FILE:-$SELF}" >&2
	exit "$EXIT_USAGE"
}

# Runs a command that changes something; on failure OUTPUT says why. After each, the
# tests may have the whole program killed (PINSCOPE_KILL_AFTER=N: after the N-th).
attempt() {
	local status=0 line
	printf -v line '%q ' "$@"
	if ((DRY_RUN)); then
		printf '%s\n' "${line% }"
		return
	fi
	((!VERBOSE)) || printf '%s\n' "${line% }" >&2
	OUTPUT=$(LC_ALL=C "$@" 2>&1) || status=$?
	((!VERBOSE)) || [[ -z $OUTPUT || $OUTPUT == null ]] || printf '%s\n' "$OUTPUT" >&2
	STEP=$((STEP + 1))
	[[ ${PINSCOPE_KILL_AFTER-} != "$STEP" ]] || kill -KILL $$
	return "$status"
}

run() {
	attempt "$@" || die "${OUTPUT:-\`$*\` failed}"
}

# ---- what must be there; `doctor` asks for all of it

need_jq() {
	command -v jq >/dev/null || die "jq is not installed: install the package jq"
}

need_reader() {
	[[ -x $READER ]] || die "the reader $READER is not built: run \`make\`"
}

need_bpftool() {
	command -v "$BPFTOOL" >/dev/null || die "bpftool is not installed: install the package bpftool, 7.2 or newer"
}

# Too slow for each load, which asks only when bpftool has failed.
need_autoattach() {
	local help
	help=$("$BPFTOOL" prog help 2>&1) || true
	[[ $help == *autoattach* ]] ||
		die "this bpftool cannot attach what it loads (it knows no \"autoattach\"): install 7.2 or newer (Debian 12: from backports), or name one in PINSCOPE_BPFTOOL"
}

need_btf() {
	[[ -r /sys/kernel/btf/vmlinux ]] ||
		die "the kernel does not describe its types (there is no /sys/kernel/btf/vmlinux): use a kernel built with CONFIG_DEBUG_INFO_BTF=y"
}

need_no_lockdown() {
	local mode=
	[[ ! -r /sys/kernel/security/lockdown ]] || read -r mode </sys/kernel/security/lockdown
	[[ $mode != *'[confidentiality]'* ]] ||
		die "the kernel is locked down (confidentiality mode), so that no program may read its memory: boot it with lockdown=integrity or without"
}

# The capabilities of this process, as a number.
capabilities() {
	local key value
	while read -r key value; do
		[[ $key != CapEff: ]] || printf '%d' "0x$value"
	done </proc/self/status
}

# shellcheck disable=SC2120 # doctor calls it by name, without a word of its own
need_caps() {
	local what=${1:-changing probes} caps want=$((1 << 38 | 1 << 39)) # CAP_PERFMON, CAP_BPF
	caps=$(capabilities)
	((caps >> 21 & 1 || (caps & want) == want)) && return # CAP_SYS_ADMIN has both
	((EUID)) && die "$what needs root: run \`sudo pinscope ...\`"
	die "this root lacks CAP_BPF and CAP_PERFMON, as in a container: run pinscope on the host, or give the container both"
}

# The mount options of BPFFS if it is a bpffs, else nothing.
bpffs_options() {
	local _ where type options found=
	while read -r _ where type options _; do
		[[ $where == "$BPFFS" ]] || continue
		found=
		[[ $type != bpf ]] || found=$options
	done </proc/self/mounts
	echo "$found"
}

need_bpffs() {
	local options
	options=$(bpffs_options)
	[[ $options ]] || die "no bpffs is mounted on $BPFFS: run \`mount -t bpf bpf $BPFFS\`"
}

need_writable_bpffs() {
	need_bpffs
	[[ ,$(bpffs_options), != *,ro,* ]] ||
		die "the bpffs on $BPFFS is mounted read-only: run \`mount -o remount,rw $BPFFS\`"
}

need_run() {
	local dir=$RUN
	[[ -d $dir ]] || dir=${dir%/*}
	[[ -w $dir ]] || die "cannot write to $dir, where load keeps the objects it loaded: mount it writable, or name another directory in PINSCOPE_RUN"
}

need_to_change() {
	need_caps "changing probes"
	need_writable_bpffs
	need_run
}

# Whoever may not look into the pin root cannot know what is loaded.
need_to_read() {
	need_bpffs
	need_reader
	[[ -x $BPFFS && (! -d $ROOT || -x $ROOT) ]] ||
		die "only root and group $(stat -c %G "$ROOT" 2>/dev/null || reading_group) may read what is loaded: run \`sudo pinscope ...\`, or join the group"
	[[ $(loaded_probes) ]] ||
		die "nothing is loaded: \`pinscope list\` shows what could be" "$EXIT_ABSENT"
}

# ---- one writer at a time

# flock on the bpffs mount itself: the pin root comes and goes with what is loaded, and a
# lock on a directory that was removed and made anew excludes nobody. Whatever we start
# inherits the descriptor, so if we are killed the lock lasts until our bpftool ended too.
lock() {
	local fd
	exec {fd}<"$BPFFS" || die "cannot open $BPFFS to lock it"
	flock "$@" -w "$LOCK_WAIT" "$fd" ||
		die "another pinscope has held $BPFFS for $LOCK_WAIT s: try again, or see who it is with \`fuser -v $BPFFS\`"
}

# ---- changes that were cut short
#
# <probe>-loading    is being made; nobody relies on it
# <probe>-old        was replaced; if <probe> is missing the replacement did not happen
# <probe>-unloading  is being removed
# RUN/loading, RUN/old hold the objects that go with the first two.
#
# The next load or unload, and the one that fails, put this in order from what they find.

roll_back() {
	local dir probe
	for dir in "$ROOT"/*-old; do
		probe=${dir##*/}
		probe=${probe%-old}
		[[ -d $ROOT/$probe ]] && continue
		# the object first: while -old is there, this can be done again
		[[ ! -e $RUN/old/$probe.bpf.o ]] || run mv -f -- "$RUN/old/$probe.bpf.o" "$RUN/$probe.bpf.o"
		run mv -T -- "$dir" "$ROOT/$probe"
	done
}

recover() {
	local file probe trash
	roll_back
	trash=("$ROOT"/*-loading "$ROOT"/*-old "$ROOT"/*-unloading "$RUN"/loading*/ "$RUN"/old*/)
	for file in "$RUN"/*.bpf.o; do
		probe=${file##*/}
		[[ -d $ROOT/${probe%.bpf.o} ]] || trash+=("$file")
	done
	((${#trash[@]} == 0)) || run rm -rf -- "${trash[@]}"
	remove_empty "$ROOT" "$RUN"
}

remove_empty() {
	local dir rest empty=()
	for dir in "$@"; do
		rest=("$dir"/*)
		[[ ! -d $dir ]] || ((${#rest[@]})) || empty+=("$dir")
	done
	((${#empty[@]} == 0)) || run rmdir -- "${empty[@]}"
}

undo() {
	local status=$?
	trap - EXIT
	recover
	exit "$status"
}

begin_change() {
	run umask 027 # ours since the start; without it a transcript would not replay
	trap undo EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

end_change() {
	trap - EXIT HUP INT TERM
}

# ---- probes

# All objects on the shelf of the probes named, or of all, the best variant first.
shelf() {
	local probe n found
	SHELF=()
	(($#)) || set -- "$OBJECTS"/*/
	for probe in "$@"; do
		probe=${probe%/}
		for ((n = 1; ; n++)); do
			found=("$OBJECTS/${probe##*/}/$n"-*.bpf.o)
			((${#found[@]})) || break
			SHELF+=("${found[0]}")
		done
	done
}

# Names of the probes that are loaded.
loaded_probes() {
	local dir
	for dir in "$ROOT"/*/; do
		dir=${dir%/}
		dir=${dir##*/}
		[[ $dir == *-* ]] || printf '%s\n' "$dir"
	done
}

is_loaded() {
	[[ -d $ROOT/$1 ]]
}

human() {
	local kib=$((($1 + 1023) / 1024))
	if ((kib < 10240)); then
		echo "$kib KiB"
	else
		echo "$(((kib + 512) / 1024)) MiB"
	fi
}

# The group that may read: as asked for, else pinscope if the machine has it.
reading_group() {
	if [[ ${PINSCOPE_GROUP-} ]]; then
		echo "$PINSCOPE_GROUP"
	elif getent group pinscope >/dev/null; then
		echo pinscope
	else
		echo root
	fi
}

# ---- verbs of the reader

# What the reader says of the options of its verb.
reader_options() {
	"$READER" "$1" --help | tail -n +3
}

# read_pins VERB ARGUMENT...: for the verbs that only read.
read_pins() {
	need_to_read
	exec "$READER" "$@"
}
