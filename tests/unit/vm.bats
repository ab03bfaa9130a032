#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# The guest runner, as far as it goes without a guest and without a network.

bats_require_minimum_version 1.5.0

setup() {
	VM=$(cd "$BATS_TEST_DIRNAME/../vm" && pwd -P)
	export PINSCOPE_CACHE=$BATS_TEST_TMPDIR
	KERNELS=$PINSCOPE_CACHE/kernels
}

# tools NAME...: a directory to use as PATH, with these programs and nothing else.
tools() {
	local name
	mkdir "$BATS_TEST_TMPDIR/bin"
	for name; do
		ln -s "$(PATH=$PATH:/usr/sbin:/sbin type -P "$name")" "$BATS_TEST_TMPDIR/bin/"
	done
	echo "$BATS_TEST_TMPDIR/bin"
}

@test "help goes to stdout when asked for" {
	run -0 --separate-stderr "$VM/run" --help
	[[ $output == Usage:* && -z $stderr ]]
}

@test "help goes to stderr when there is nothing to do" {
	run -2 --separate-stderr "$VM/run"
	[[ $stderr == Usage:* && -z $output ]]
}

@test "the default matrix is four kernels, one a line" {
	run -0 "$VM/run" --list
	[[ $output == $'5.10\n6.1\n6.12\nnewest' ]]
}

@test "an unknown kernel is named in the error" {
	local kernel
	for kernel in 4.19 6.1x bookworm / bookworm/ /6.1 ../6.1 a/b/6.1 'bookworm/6.1 x' Sid/7; do
		run -2 "$VM/run" "$kernel" -- true
		[[ $output == "vm: there is no kernel '$kernel': "* ]]
	done
}

@test "an unknown option is named in the error" {
	run -2 "$VM/run" 6.1 --frobnicate -- true
	[[ $output == *"'--frobnicate'"* ]]
}

@test "options which take a number take no other thing" {
	local option value
	for option in --cpus --smp-possible --mem --timeout; do
		for value in '' 0 -1 1x x '1 2'; do
			run -2 "$VM/run" 6.1 "$option" "$value" -- true
			[[ $output == "vm: option $option takes a number above 0, not '$value'" ]]
		done
		run -2 "$VM/run" 6.1 "$option"
	done
}

@test "a card takes an open socket and an address" {
	local value
	for value in '' 5 '5,' x,52:54:00:00:01:01 5,52:54:00:00:01 5,52:54:00:00:01:0g; do
		run -2 "$VM/run" 6.1 --card "$value" -- true
		[[ $output == "vm: option --card takes an open socket and an address, as 5,52:54:00:00:01:01, not '$value'" ]]
	done
}

@test "a pair takes two kernels and a command, and has the errors of each guest" {
	local args
	for args in '' '6.1 -- true' '6.1 newest' '6.1 newest true' '--cpus 1 -- true'; do
		# shellcheck disable=SC2086
		run -2 --separate-stderr "$VM/pair" $args
		[[ $stderr == Usage:* && -z $output ]]
	done
	run -0 --separate-stderr "$VM/pair" --help
	[[ $output == Usage:* && -z $stderr ]]
	run -2 "$VM/pair" 4.18 4.19 -- true
	[[ $output == *"there is no kernel '4.1"[89]"'"* ]]
	run -2 "$VM/pair" 6.1 newest --frobnicate -- true
	[[ $output == *"'--frobnicate'"* ]]
}

@test "a kernel and a command are needed, and one kernel only" {
	run -2 "$VM/run" --icount -- true
	[[ $output == *'no kernel given'* ]]
	run -2 "$VM/run" 6.1
	[[ $output == *'no command given'* ]]
	run -2 "$VM/run" 6.1 --
	[[ $output == *'no command given'* ]]
	run -2 "$VM/run" 6.1 true
	[[ $output == *"not '6.1' and 'true'"* ]]
}

@test "a missing program is named with its package" {
	PATH=$(tools bash dirname) run -122 "$VM/run" 6.1 -- true
	[[ $output == 'vm: qemu-system-x86_64 is not installed: install package qemu-system-x86, or run make deps' ]]
}

@test "a cached kernel is taken without a network, the highest of the asked version" {
	mkdir -p "$KERNELS"/bookworm/{6.1.9-1,6.1.10-1,6.1.10-1~deb12u1,6.12.3-1,5.10.99-1}
	mkdir -p "$KERNELS"/unstable/{7.2.9-1,7.2.13-1,6.18.20-1} "$KERNELS/.bookworm.part/kernel"
	PINSCOPE_DEBIAN_MIRROR=file:/nowhere run -0 "$VM/run" --fetch 6.1 newest bookworm/6.1.9 bookworm/6.12
	[[ ${lines[0]} == "$KERNELS/bookworm/6.1.10-1" ]]
	[[ ${lines[1]} == "$KERNELS/unstable/7.2.13-1" ]]
	[[ ${lines[2]} == "$KERNELS/bookworm/6.1.9-1" ]]
	[[ ${lines[3]} == "$KERNELS/bookworm/6.12.3-1" ]]
	[[ ${#lines[@]} == 4 ]]
}

@test "a fetch without a mirror says what to do" {
	printf '#!/bin/sh\n' >"$BATS_TEST_TMPDIR/apt-get"
	chmod +x "$BATS_TEST_TMPDIR/apt-get"
	PATH=$BATS_TEST_TMPDIR:$PATH run -122 "$VM/run" --fetch 6.1
	[[ $output == *'apt knows no Debian mirror: run apt-get update, or set PINSCOPE_DEBIAN_MIRROR'* ]]
}

@test "a fetch that fails leaves nothing that looks like a kernel" {
	PINSCOPE_DEBIAN_MIRROR=file:/nowhere run -122 "$VM/run" --fetch 6.1
	[[ $output == *'vm: cannot read the package lists of suite bookworm'* ]]
	[[ -z $(ls -A "$KERNELS/bookworm") && ! -e $KERNELS/.bookworm.part ]]
}

@test "a mirror which Debian has not signed is refused" {
	local dists=$BATS_TEST_TMPDIR/mirror/dists/bookworm
	mkdir -p "$dists/main/binary-amd64"
	: >"$dists/main/binary-amd64/Packages"
	printf '%s\n' 'Origin: Debian' 'Label: Debian' 'Suite: bookworm' 'Codename: bookworm' \
		"Date: $(date -Ru)" 'Architectures: amd64' 'Components: main' 'SHA256:' \
		" $(sha256sum <"$dists/main/binary-amd64/Packages" | cut -d' ' -f1) 0 main/binary-amd64/Packages" \
		>"$dists/Release"
	PINSCOPE_DEBIAN_MIRROR=file:$BATS_TEST_TMPDIR/mirror run -122 "$VM/run" --fetch 6.1
	[[ $output == *'is not signed'* && $output == *'cannot read the package lists of suite bookworm'* ]]
}

@test "the kernel log check knows trouble when it sees it, and nothing else" {
	local SPLAT line
	eval "$(grep -E '^SPLAT\+?=' "$VM/guest")"
	while read -r line; do
		[[ $line =~ $SPLAT ]]
	done <<-'END'
		WARNING: CPU: 1 PID: 77 at kernel/trace/ftrace.c:2068 ftrace_bug+0x1a5/0x2a0
		WARNING: kernel/bpf/trampoline.c:412 at bpf_tramp_image_free+0x1/0x2, CPU#0: rm/9
		WARNING: possible circular locking dependency detected
		WARNING: possible recursive locking detected
		WARNING: inconsistent lock state
		BUG: sleeping function called from invalid context at mm/slab.h:318
		BUG: unable to handle page fault for address: ffffffffc0a1b000
		BUG: kernel NULL pointer dereference, address: 0000000000000008
		watchdog: BUG: soft lockup - CPU#1 stuck for 67s! [bash:99]
		watchdog: Watchdog detected hard LOCKUP on cpu 0
		Oops: 0002 [#1] PREEMPT SMP NOPTI
		Oops: int3: 0000 [#1] SMP
		rcu: INFO: rcu_preempt self-detected stall on CPU
		rcu: INFO: rcu_sched detected stalls on CPUs/tasks:
		rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-... }
		INFO: task bpftool:412 blocked for more than 120 seconds.
		general protection fault, probably for non-canonical address 0xdead000000000122: 0000 [#1]
		refcount_t: underflow; use-after-free.
		INFO: lockdep is turned off.
		UBSAN: array-index-out-of-bounds in net/core/dev.c:1:2
	END
	while read -r line; do
		[[ ! $line =~ $SPLAT ]]
	done <<-'END'
		Command line: console=ttyS0 panic=-1 oops=panic rcupdate.rcu_cpu_stall_timeout=120 watchdog_thresh=60
		veth: module verification failed: signature and/or required key missing - tainting kernel
		Out of memory: Killed process 812 (stress) total-vm:1310720kB
		sysrq: Power Off
		workqueue: bpf_map_free_deferred hogged CPU for >10000us 4 times, consider switching to WQ_UNBOUND
		clocksource: tsc: mask: 0xffffffffffffffff max_cycles: 0x2, max_idle_ns: 4 ns
	END
}

@test "what a test said it would provoke is left out of the kernel log, there and then, and nothing else" {
	eval "$(sed -n '/^unexpected() {/,/^}/p' "$VM/guest")"
	run -0 unexpected <<-'END'
		a stall before
		expect: a (stall|hang)
		a stall
		a hang
		a BUG
		expect:
		a stall after
	END
	[[ $output == $'a stall before\na BUG\na stall after' ]]
}
