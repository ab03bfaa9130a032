#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# The guest runner with guests: what every other test in a guest relies on.
# Where the kernel does not matter it is $KERNEL, by default 6.1.

# shellcheck disable=SC2016 # what is in single quotes is for the guest

bats_require_minimum_version 1.5.0

setup() {
	load ../live/wait.bash
	VM=$(cd "$BATS_TEST_DIRNAME" && pwd -P)
	KERNEL=${KERNEL:-6.1}
	export TMPDIR=$BATS_TEST_TMPDIR
}

# guest COMMAND...: run in a guest of $KERNEL.
guest() {
	"$VM/run" "$KERNEL" --timeout 300 -- "$@"
}

@test "every kernel of the matrix boots into what the tests need" {
	local kernel
	for kernel in $("$VM/run" --list); do
		echo "# $kernel" >&3
		run -0 "$VM/run" "$kernel" --timeout 300 -- bash -ec '
			uname -r
			[[ $(id -u) == 0 && $(nproc) == 2 && $HOME == /root ]]
			modprobe -a veth sch_netem sch_tbf bridge br_netfilter virtio_net zram null_blk nf_tables
			[[ -s /sys/kernel/btf/vmlinux && -s /boot/config-$(uname -r) ]]
			[[ $(stat -fc %T /sys/fs/bpf) == bpf_fs && $(stat -c %a /sys/fs/bpf) == *700 ]]
			[[ $(stat -fc %T /sys/fs/cgroup) == cgroup2fs ]]
			[[ -d /sys/kernel/tracing/events && -d /sys/kernel/debug/tracing ]]
			for dir in /tmp /run /root /dev/shm; do [[ $(stat -fc %T "$dir") == tmpfs ]]; done
			[[ $(</sys/class/net/lo/carrier) == 1 ]]
			[[ $(<<<here cat) == here && -c /dev/ptmx ]]
			sleep 0.1 | unshare -Urn true'
		[[ $kernel == newest || $output == "$kernel."* ]]
	done
}

@test "arguments, environment and directory arrive intact, and the status comes back" {
	local -a args=('' ' a  b ' "it's" 'a "quoted" $word \ ' $'two\nlines\tand a tab' '*' $'\x01\xff' -- ';')
	cd "$BATS_TEST_TMPDIR"
	printf '%s\0' "${args[@]}" "$PWD" 'a "b" $c' 1 >expected
	PINSCOPE_TEST='a "b" $c' CI=1 OTHER=no run -42 guest bash -c '
		[[ -z ${OTHER-} ]] || exit 1
		printf "%s\0" "$@" "$PWD" "$PINSCOPE_TEST" "$CI" | cmp - expected && exit 42' - "${args[@]}"
}

@test "a command that is not there is 127, a killed one 128 and the signal" {
	run -127 guest /no/such/command
	run -137 guest bash -c 'kill -KILL $$'
}

@test "output is binary-safe, complete, and includes stderr" {
	local dir=$BATS_TEST_TMPDIR all i
	for i in {0..255}; do all+=$(printf '\\x%02x' "$i"); done
	{ printf '%b' "$all" && seq 200000 && echo err && echo reopened; } >"$dir/expected"
	guest bash -c "printf '%b' '$all'; seq 200000; echo err >&2; echo reopened >/dev/stderr" >"$dir/got"
	cmp "$dir/expected" "$dir/got"
}

@test "a guest cannot change the host's files" {
	cd "$BATS_TEST_TMPDIR"
	echo host | tee changed removed
	run -0 guest bash -c 'echo guest >changed && cat changed && touch new && rm removed'
	[[ $output == guest && $(<changed) == host && $(<removed) == host && ! -e new ]]
}

@test "what the command leaves running neither holds the guest nor loses output" {
	run -0 guest bash -c 'sleep 1000 & setsid yes >/dev/null & echo done'
	[[ $output == *done ]]
}

@test "a guest that takes too long ends with 124" {
	run -124 "$VM/run" "$KERNEL" --timeout 30 -- sleep 1000
	[[ $output == *"vm: $KERNEL: killed after 30 s, give it more time with --timeout" ]]
}

@test "trouble in the kernel log fails a command that succeeds" {
	run -123 guest bash -c 'dmesg -C; echo "BUG: looks like one" >/dev/kmsg; dmesg -C'
	[[ $output == *'BUG: looks like one'* ]]
	[[ $output == *"vm: $KERNEL: the kernel complained, see above (the command exited with 0)" ]]
}

@test "trouble that was announced does not, and all other does" {
	run -0 guest bash -c 'echo "expect: BUG: a" >/dev/kmsg; echo "BUG: a" >/dev/kmsg; echo "expect:" >/dev/kmsg'
	run -123 guest bash -c 'echo "expect: BUG: a" >/dev/kmsg; echo "BUG: b" >/dev/kmsg'
	[[ $output == *'BUG: b'* ]]
}

@test "other lines in the kernel log do not" {
	run -0 guest bash -c 'echo "a harmless bug: none" >/dev/kmsg'
	[[ -z $output ]]
}

@test "a panic ends with 125, after what was written before it" {
	run -125 guest bash -c 'echo before; sleep 1; echo c >/proc/sysrq-trigger; sleep 1000'
	[[ ${lines[0]} == before && $output == *'sysrq triggered crash'* ]]
	[[ $output == *"vm: $KERNEL: the guest panicked" ]]
}

@test "a guest that just goes away ends with 125" {
	run -125 guest bash -c 'echo b >/proc/sysrq-trigger; sleep 1000'
	[[ $output == *"vm: $KERNEL: the guest ended without a verdict" ]]
}

@test "guests side by side do not disturb each other" {
	guest bash -c 'echo one; sleep 3; exit 1' >"$BATS_TEST_TMPDIR/one" &
	local one=$! status=0
	run -2 guest bash -c 'echo two; sleep 3; exit 2'
	wait "$one" || status=$?
	[[ $output == two && $status == 1 && $(<"$BATS_TEST_TMPDIR/one") == one ]]
}

@test "ending the runner ends the guest and leaves no files" {
	local signal runner status
	mkdir "$BATS_TEST_TMPDIR/tmp"
	for signal in TERM HUP; do
		TMPDIR=$BATS_TEST_TMPDIR/tmp "$VM/run" "$KERNEL" -- sh -c 'echo up; sleep 1000' >"$BATS_TEST_TMPDIR/out" 3>&- &
		runner=$! status=0
		wait_for grep -qx up "$BATS_TEST_TMPDIR/out"
		kill "-$signal" "$runner"
		wait "$runner" || status=$?
		((status == 128 + $(kill -l "$signal")))
		[[ -z $(ls -A "$BATS_TEST_TMPDIR/tmp") ]]
		# A guest's process is at home in its files' directory, be that removed or not.
		run ! grep -F "$BATS_TEST_TMPDIR/tmp" <(readlink /proc/[0-9]*/cwd)
	done
}

@test "a killed runner takes its guest along" {
	local runner qemu
	"$VM/run" "$KERNEL" -- sh -c 'echo up; sleep 1000' >"$BATS_TEST_TMPDIR/out" 3>&- &
	runner=$!
	wait_for grep -qx up "$BATS_TEST_TMPDIR/out"
	qemu=$(pgrep -P "$runner" timeout)
	kill -KILL "$runner"
	wait_for test ! -e "/proc/$qemu"
}

@test "possible processors can outnumber the present ones" {
	run -0 "$VM/run" "$KERNEL" --cpus 2 --smp-possible 64 --timeout 300 -- \
		cat /sys/devices/system/cpu/{possible,online}
	[[ ${lines[0]} == 0-63 && ${lines[1]} == 0-1 ]]
}

@test "a guest's clock goes as fast as the host's, however busy that is" {
	run -0 guest bash -c '
		ahead() { echo $(($(date +%s) - $(</sys/class/rtc/rtc0/since_epoch))); }
		before=$(ahead)
		sleep 15
		echo $(($(ahead) - before))'
	((-3 <= output && output <= 3))
}

@test "with --icount there is one processor, whose clock counts instructions" {
	run -0 "$VM/run" "$KERNEL" --icount --cpus 2 --timeout 300 -- bash -c '
		nproc
		cat /sys/devices/system/clocksource/clocksource0/current_clocksource
		for n in 1 2; do
			start=${EPOCHREALTIME/./}
			for ((i = 0; i < 20000; i++)); do :; done
			echo $((${EPOCHREALTIME/./} - start))
		done'
	[[ ${lines[0]} == 1 && ${lines[1]} == tsc ]]
	# The same loop twice: the same time within 2 %, whatever else the host does.
	((lines[2] > 1000 && (lines[2] - lines[3]) ** 2 < (lines[2] / 50) ** 2))
}

# pair COMMAND...: run in the first of two guests of $KERNEL.
pair() {
	"$VM/pair" "$KERNEL" "$KERNEL" --timeout 300 -- "$@"
}

@test "a command in one guest of a pair runs commands in the other, and has a cable to it" {
	cd "$BATS_TEST_TMPDIR"
	run -42 "$VM/pair" "$KERNEL" newest --timeout 300 -- bash -ec '
		there() { "$0/there" "$@"; }
		[[ $(there uname -r) != "$(uname -r)" && $(there pwd) == "$PWD" ]]
		[[ $(there printf "%s|" "" " a  b " "it'"'"'s \$x" $'"'"'two\nlines\n'"'"') == "| a  b |it'"'"'s \$x|"$'"'"'two\nlines\n|'"'"' ]]
		cmp <(there seq 100000) <(seq 100000)
		there sh -c "echo err >&2; exit 7" || status=$?
		((status == 7))
		there sleep 2 & # while others run
		there true
		card() { grep -lx "52:54:00:00:02:0$1" /sys/class/net/*/address | cut -d/ -f5; }
		up() { ip addr add "10.9.0.$1/24" dev "$(card "$1")"; ip link set "$(card "$1")" up; }
		up 1
		there bash -ec "$(declare -f card up); up 2"
		for try in {1..50}; do busybox ping -c 1 -W 1 10.9.0.2 && exit 42; done' "$VM"
	[[ $output == *' 0% packet loss'* ]]
}

@test "what happens to the second guest of a pair fails the command" {
	run -123 pair "$VM/there" bash -c 'echo "BUG: looks like one" >/dev/kmsg'
	[[ $output == *'BUG: looks like one'* ]]
	SECONDS=0
	run -125 pair bash -c '"$0/there" sh -c "echo c >/proc/sysrq-trigger"; sleep 1000' "$VM"
	[[ $output == *'sysrq triggered crash'*"vm: $KERNEL: the guest panicked"* ]]
	((SECONDS < 200))
}

@test "no guest of a pair outlives the other, nor the runner" {
	local signal runner status
	mkdir "$BATS_TEST_TMPDIR/tmp"
	export TMPDIR=$BATS_TEST_TMPDIR/tmp
	run -125 pair sh -c 'echo c >/proc/sysrq-trigger'
	[[ $output == *"vm: $KERNEL: the guest panicked" ]]
	for signal in TERM KILL; do
		"$VM/pair" "$KERNEL" "$KERNEL" -- sh -c 'echo up; sleep 1000' >"$BATS_TEST_TMPDIR/out" 3>&- &
		runner=$! status=0
		wait_for grep -qx up "$BATS_TEST_TMPDIR/out"
		kill "-$signal" "$runner"
		wait "$runner" || status=$?
		((status == 128 + $(kill -l "$signal")))
		wait_for rmdir "$TMPDIR" # the guests' runners have ended and cleaned up
		mkdir "$TMPDIR"
	done
}
