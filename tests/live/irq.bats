#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# irq against the kernel's own counts and its own tracer:
#
#    processor 0                          processor 1
#    (whatever else this machine does)    traffic client --- lo --- traffic server
#                                         dd past the page cache
#                                         namespace a: packets on lo that take long
#    (on both: programs that hold it with interrupts off)
#
# Other work goes on meanwhile, so what is counted between two dumps is held against what happened
# at least (between two readings within them) and at most (between two readings around them).
#
# What is compared to the event is not tagged native: the kernels of some sandboxes, where this may run, call no
# program while process 1 does (6.18: none of what it allocated, of the interrupts in it, was seen).

bats_require_minimum_version 1.5.0

setup_file() {
	load irq.bash
	HOLD=$(pin_root)-hold
	export HOLD
	((EUID == 0)) || skip "needs root to load probes"
	(($(nproc) > 1)) || skip "needs two processors"
	need_traffic
	net_up a b
	[[ ! -d $TRACERS ]] || tracer_start first
	probe_load irq
	[[ ! -d $TRACERS ]] || tracer_start last
}

teardown_file() {
	load irq.bash
	tracer_stop first
	tracer_stop last
	net_down
	probe_unload irq
}

setup() {
	load irq.bash
	cd "$BATS_TEST_TMPDIR" || return
}

teardown() {
	traffic_stop
	let_go
	pinscope set irq paused=off min_latency=0
}

@test "each delay and time lies between what the kernel's tracer saw before and after the probe" {
	[[ -d $TRACERS ]] || skip "no tracer in this kernel"
	tracing 1
	dump >/dev/null
	mark 0
	rows before >dumps
	mark 1
	load_on 1
	mark 2
	rows after >>dumps
	mark 3
	tracing 0
	{ traced first && traced last; } | sort -s -k1,1n -k2,2 >records
	awk -f "$HERE/irq.awk" dumps records >wrong
	tracer_stop first
	tracer_stop last
	[[ ! -s wrong ]] || { cat wrong && false; }
}

@test "softirqs and calls of handlers are as many as the kernel counts, on each processor" {
	against_kernel counts load_on 1
	# One for each request and answer at least, and one for each two blocks read.
	(($(counted 1 net_rx) >= 200 && $(counted "" "^[0-9]") >= 30))
}

@test "the load moves to the other processor, and its softirqs with it" {
	against_kernel counts load_on 0
	(($(counted 0 net_rx) >= 200 && $(counted 1 net_rx) <= 20))
}

# bats test_tags=native
@test "softirqs that work long delay the others on their processor" {
	long_softirqs 1 a
	rows before >dumps
	load_on 0
	rows after >>dumps
	traffic_stop
	# A timer's interrupt that finds the processor in one of them waits for half of it, on average.
	assert_between "mean delay of timer" $(($(mean softirqs.time 1 net_rx) / 32)) 1000000000 "$(mean softirqs.delay 1 timer)"
}

# A raise and the entry that it waits for are on one processor, and while it is held neither can be anywhere else.
@test "what a processor is held with interrupts off, after a raise and in a handler, is delay and time" {
	[[ -d /run/vm ]] || skip "not a guest: it would hold up this machine"
	local begin raises raised handlers handled
	begin=${EPOCHREALTIME/./}
	rows before >dumps
	hold
	load_on 1
	let_go
	rows after >>dumps
	begin=$(((${EPOCHREALTIME/./} - begin) * 1000 * $(nproc)))
	{ read -r raises raised && read -r handlers handled; } <held
	((raises >= 100 && handlers >= 20))
	assert_between "what was held" $(((raises + handlers) * 3000000)) "$begin" $((raised + handled))
	assert_between "delay of net_rx" "$raised" "$begin" "$(total softirqs.delay net_rx)"
	assert_between "time of handlers" "$handled" "$begin" "$(total irqs.time)"
}

# bats test_tags=native
@test "paused, or under min_latency, nothing is counted" {
	pinscope set irq paused=on
	nothing_new read_blocks 10
	pinscope set irq paused=off min_latency=1h
	nothing_new read_blocks 10
}

# bats test_tags=peer
@test "hardirqs counts as many calls of each handler" {
	bracketed hardirqs -C
	as_many < <(awk '$2 ~ /^[0-9]+$/ { print $1, $2 }' hardirqs)
}

# bats test_tags=peer
@test "softirqs counts as many runs of each vector" {
	bracketed softirqs -d
	as_many < <(awk '$1 == "softirq" { name = $3 } $2 == "->" { n[name] += $5 }
		END { for (name in n) print name, n[name] }' softirqs)
}

@test "handlers without a row are counted under rest, and the totals stay right" {
	talk() {
		load_on 1
		echo "# (for another handler to run)" >&3
	}
	probe_unload irq
	probe_load irq --map-entries irqs=1
	kernel_counts >first
	against_kernel calls talk
	ran_two first || skip "no processor ran two handlers"
	dump | jq -es '(map(select(.map == "losses" and .labels.reason == "table_full"))[0].count) as $lost
		| (map(select(.map == "rest").time.count) | add) as $rest | $lost == $rest and $rest > 0'
}
