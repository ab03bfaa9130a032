#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# swap against the kernel's counters and its own tracer:
#
#    cgroup, 8 MiB
#    +-----------------------------+    swapped out     +------------------------------------+
#    | faults (faults.c), 12 MiB   | -----------------> | zram: at once                      |
#    |                             | <----------------- | null_blk: each request takes 20 ms |
#    +-----------------------------+    and in          +------------------------------------+

# shellcheck disable=SC2016 # jq's variables

bats_require_minimum_version 1.5.0

setup_file() {
	load swap.bash
	((EUID == 0)) || { echo "needs root to load probes" >&2 && return 1; }
	need_faults
	tracer_start first
	probe_load swap
	tracer_start last
}

teardown_file() {
	load swap.bash
	tracer_stop first
	tracer_stop last
	probe_unload swap
}

setup() {
	load swap.bash
	cd "$BATS_TEST_TMPDIR" || return
	cgroup_up memory.max=8M
	faulter_start
	cgroup_takes "$FAULTER"
}

teardown() {
	traffic_stop
	tracer_stop peer
	faulter_stop
	swap_off
	cgroup_down
	"$READER" set swap paused=off
}

@test "pages swapped in and out are those the kernel counts, and each read is a major fault" {
	swap_zram
	untraced
	during fault hold 3072
	shows '$b.out - $a.out == $kb.out - $ka.out and $kb.out - $ka.out > 1000'
	shows '$b.all.out.pages - $a.all.out.pages == $b.out - $a.out and $me.write.time_ns > 0'
	as_traced memcg_reclaim memcg_reclaim
	shows '$me.memcg_reclaim.count == $b.time.memcg_reclaim.count - ($a.time.memcg_reclaim.count // 0)'
	during fault touch
	shows '$b.in - $a.in == $kb.in - $ka.in and $kb.in - $ka.in > 1000'
	shows '$me.in.pages == $b.in - $a.in and $me.in.bytes == $me.in.pages * 4096 and $me.read.count == $kb.major - $ka.major'
	shows '$me.read.time_ns > 0 and $b.bytes - $a.bytes == ($b.in + $b.out - $a.in - $a.out) * 4096'
}

@test "a read from a slow device takes as long as the device, and what was read ahead is a hit" {
	swap_null 20
	fault hold 3072
	during fault touch
	shows '$me.read.count == $kb.major - $ka.major and $b.in - $a.in == $kb.in - $ka.in'
	shows '$me.read.count > 50 and $me.read.time_ns >= $me.read.count * 20e6'
	shows '$me.hit.count > $me.read.count and $me.hit.time_ns / $me.hit.count < 20e6'
}

@test "paused, nothing is counted" {
	swap_zram
	"$READER" set swap paused=on
	during fault hold 3072
	shows '$b.out == $a.out and $kb.out > $ka.out and ($b.all // {}) == ($a.all // {})'
}

@test "direct reclaim and wake-ups of kswapd, as the kernel traces and counts them" {
	local wakes
	swap_zram
	echo max >"$CGROUP/memory.max"
	untraced
	during fault_short
	as_traced reclaim direct_reclaim
	read -r wakes _ < <(traced first kswapd_wake)
	shows "\$b.kswapd - \$a.kswapd == $wakes and $wakes > 0"
	# The kernel counts a try again, of which there are two at most.
	shows '(($b.time.reclaim.count - ($a.time.reclaim.count // 0)) as $n | $kb.stalls - $ka.stalls
		| . >= $n and . <= 3 * $n)'
	shows '$b.all.reclaim.count - $a.all.reclaim.count == $b.time.reclaim.count - ($a.time.reclaim.count // 0)'
}

# It misses some now and then on 7.2, why is not known (it makes room itself, too): not for each check.
# bats test_tags=peer,slow
@test "drsnoop sees as many direct reclaims, and as long" {
	local n least most us
	swap_zram
	echo max >"$CGROUP/memory.max"
	peer drsnoop drsnoop
	wait_for drsnoop_polls
	tracer_start peer
	untraced
	during fault_short
	as_traced reclaim direct_reclaim
	read -r n least most < <(spans direct_reclaim peer)
	drsnoop_has() {
		[[ $(drsnooped) == "$n "* ]]
	}
	wait_for drsnoop_has
	read -r _ us < <(drsnooped)
	assert_between "drsnoop us" "$least" "$most" "$us"
	peer_stop drsnoop
}
