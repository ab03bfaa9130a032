# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Swap on disks in memory, a process with too little memory, and what swap says of it.

# shellcheck source=tests/live/faults.bash
. "${BATS_TEST_DIRNAME:-$(dirname "${BASH_SOURCE[0]}")}/faults.bash"
# shellcheck source=tests/live/cgroup.bash
. "$HERE/cgroup.bash"
# shellcheck source=tests/live/disk.bash
. "$HERE/disk.bash"
# shellcheck source=tests/live/peer.bash
. "$HERE/peer.bash"
TRACERS=/sys/kernel/tracing/instances

# swap_zram: on a disk that is read and written at once.
swap_zram() {
	modprobe -q zram 2>/dev/null || skip "no zram in this kernel"
	echo 256M >/sys/block/zram0/disksize
	swap_on /dev/zram0
}

# swap_null MS: on one that takes so long for each request.
swap_null() {
	null_up memory_backed=1 irqmode=2 completion_nsec="$1"000000
	swap_on "/dev/$DISK"
}

swap_on() {
	SWAP=$1
	mkswap "$SWAP" >/dev/null
	swapon "$SWAP"
}

swap_off() {
	[[ -z ${SWAP-} ]] || swapoff "$SWAP"
	[[ ${SWAP-} != /dev/zram0 ]] || echo 1 >/sys/block/zram0/reset
	null_down
}

dump() {
	"$READER" dump --json swap
}

# said: of the dump, {all: all procs together, in, out: pages, bytes, kswapd, PID: its row}.
said() {
	dump | jq -cs '
		def sum: map(select(.map == "procs" or .map == "rest")) | [.[] | paths(numbers) as $p | {p: $p, n: getpath($p)}
			| select(.p[0] != "labels")] | reduce .[] as $x ({}; setpath($x.p; getpath($x.p) + $x.n));
		{all: sum, in: map(select(.labels.direction == "in"))[0].pages,
			out: map(select(.labels.direction == "out"))[0].pages,
			bytes: (map(select(.map == "pages").bytes) | add),
			kswapd: (map(select(.map == "kswapd"))[0].count // 0),
			time: (map(select(.map == "time") | {key: .labels.what, value: .}) | from_entries)}
		+ (map(select(.map == "procs" and .labels.state == "alive") | {key: "\(.labels.pid)", value: .}) | from_entries)'
}

# kernel: {in, out, major, stalls}: its own counts; stalls are direct reclaims.
kernel() {
	awk '{ n[$1] = $2 } $1 ~ /^allocstall_/ { stalls += $2 }
		END { printf "{\"in\": %d, \"out\": %d, \"major\": %d, \"stalls\": %d}\n",
			n["pswpin"], n["pswpout"], n["pgmajfault"], stalls }' /proc/vmstat
}

# fault_short: the faulter takes memory, of which there is too little free, until it wants more than kswapd finds and
# has to make room itself.
fault_short() {
	local was stalls try
	was=$(</proc/sys/vm/min_free_kbytes)
	stalls=$(stalls)
	for try in {1..8}; do
		awk '$1 == "MemFree:" { print $2 + 8192 }' /proc/meminfo >/proc/sys/vm/min_free_kbytes
		fault hold 16384
		echo "$was" >/proc/sys/vm/min_free_kbytes
		(($(stalls) == stalls)) || return 0
	done
	echo "no direct reclaim in $try times" >&2
	return 1
}

stalls() {
	awk '/^allocstall_/ { n += $2 } END { print n }' /proc/vmstat
}

# during COMMAND...: leaves `before` and `after` it, of the probe and of the kernel.
during() {
	said >before
	kernel >kernel.before
	"$@"
	kernel >kernel.after
	said >after
}

# shows FILTER: that is true of the numbers that `during` left, as $a and $b, $ka and $kb; $me is the
# row of the faulter, as it has grown.
shows() {
	jq -en --arg pid "$FAULTER" --slurpfile all <(cat before after kernel.before kernel.after) '
		$all[0] as $a | $all[1] as $b | $all[2] as $ka | $all[3] as $kb
		| ($b[$pid] | [paths(numbers) as $p | {p: $p, n: (getpath($p) - ($a[$pid] // {} | getpath($p) // 0))}]
			| reduce .[] as $x ({}; setpath($x.p; $x.n))) as $me | '"$1" >/dev/null || {
		echo "not $1" >&2
		jq -c 'del(.time[]?.slots)' before after kernel.before kernel.after >&2
		return 1
	}
}

# tracer_start NAME: an instance of the kernel's own tracer, by a clock that does not jump.
tracer_start() {
	local event dir=$TRACERS/pinscope-$1
	mkdir "$dir"
	echo mono >"$dir/trace_clock"
	for event in direct_reclaim_begin direct_reclaim_end memcg_reclaim_begin memcg_reclaim_end kswapd_wake; do
		echo 1 >"$dir/events/vmscan/mm_vmscan_$event/enable"
	done
}

tracer_stop() {
	[[ ! -d $TRACERS/pinscope-$1 ]] || rmdir "$TRACERS/pinscope-$1"
}

# traced NAME EVENT: how many there were of it, and the sum of their times in us.
traced() {
	sed -nE "s/^.* ([0-9]+)\.([0-9]+): mm_vmscan_$2: .*/\1\2/p" "$TRACERS/pinscope-$1/trace" |
		awk '{ us += $1 } END { printf "%d %.0f\n", NR, us }'
}

# untraced: all tracers forget.
untraced() {
	local trace
	for trace in "$TRACERS"/pinscope-*/trace; do
		echo >"$trace"
	done
}

# spans EVENT LAST: how many there were of it, and the least and most that their times in us can be for who sees
# them after the first tracer and before that one. (A tracer cuts off what is less than a microsecond.)
spans() {
	local n b0 b1 e0 e1
	read -r n b0 < <(traced first "$1_begin")
	read -r _ b1 < <(traced "$2" "$1_begin")
	read -r _ e0 < <(traced first "$1_end")
	read -r _ e1 < <(traced "$2" "$1_end")
	echo "$n $((e0 - b1 - n)) $((e1 - b0 + n))"
}

# as_traced WHAT EVENT: the count of WHAT is that of the tracer, and its time lies between what the
# tracer saw before the probe and after it.
as_traced() {
	local n least most
	read -r n least most < <(spans "$2" last)
	shows "\$b.time.$1.count - (\$a.time.$1.count // 0) == $n and $n > 0"
	assert_between "$1 us" "$least" "$most" \
		"$(jq -n --slurpfile a before --slurpfile b after "(\$b[0].time.$1.sum_ns - (\$a[0].time.$1.sum_ns // 0)) / 1000 | round")"
}

# drsnooped: how many it printed, and the sum of their times in us.
drsnooped() {
	awk '$NF ~ /^[0-9]+$/ { us += $(NF - 1) * 1000 } END { printf "%d %.0f\n", NR - 2, us }' drsnoop
}

# drsnoop_polls: it opens its buffers after it says that it traces; then it is in epoll_wait().
drsnoop_polls() {
	local call
	read -r call _ <"/proc/${SERVER["drsnoop"]}/syscall" && [[ $call == 232 ]]
}
