#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# lock_order and mutexes whose order is known: those of epoll instances. One that begins to watch another
# takes its own mutex and then the other's (nest.c: A+B), so two of them are taken in both orders
# by a process that is alone and deadlocks with nobody:
#
#    A+B     A -> B
#    A-B             (no more)
#    B+A     B -> A  the cycle

# shellcheck disable=SC2016 # jq's variables

bats_require_minimum_version 1.5.0

setup_file() {
	load pinscope.bash
	probe_load lock_order
}

teardown_file() {
	load pinscope.bash
	load traffic.bash
	probe_unload lock_order
}

setup() {
	load pinscope.bash
	load assert.bash
	load traffic.bash
	NEST=$ROOT/build/tests/nest
}

teardown() {
	"$READER" set lock_order paused=off pid=0 sample=1
}

# nest STEP...: sets NESTED, its pid.
nest() {
	"$NEST" "$@" 3>&- &
	NESTED=$!
	wait "$NESTED"
}

# look: at what is there now. (The names of all symbols take an emulated guest seconds to read.)
look() {
	"$READER" dump --map edges lock_order >"$BATS_TEST_TMPDIR/rows"
}

# edges FILTER: of those seen, the last nest's between its instances.
edges() {
	jq -sc --arg pid "$NESTED" '[.[] | select(.type == "row" and (.labels | "\(.pid)" == $pid
		and (.from | startswith("0x")) and (.chain | test("epoll_ctl"))))] | '"$1" "$BATS_TEST_TMPDIR/rows"
}

# nameless OPTION...: rows, with numbers in place of symbols.
nameless() {
	PINSCOPE_KALLSYMS=/dev/null "$READER" dump --map edges "$@" lock_order | jq -c 'select(.type == "row")'
}

cycles() {
	"$READER" show --map edges lock_order
}

@test "one order, however often, is no cycle; nor has the rest of this kernel any" {
	nest a+b a-b a+b b+c a+c
	look
	# a -> b twice as often as the others, each with the same chain.
	assert_eq "edges" '{"from":[1,2],"to":[1,2],"times":[1,1,2],"comm":["nest"]}' "$(edges '
		def sizes(f): group_by(f) | map(length) | sort;
		{from: sizes(.labels.from), to: sizes(.labels.to), times: (map(.times) | min as $once | map(. / $once) | sort),
		comm: (map(.labels.comm) | unique)}')" "$(edges .)"
	assert_eq "chains" true "$(edges 'all(.[].labels.chain; test("epoll_ctl.*;mutex_lock\\+0x[0-9a-f]+$"))')" "$(edges .)"
	unshare -mn true
	mount -t tmpfs none "$BATS_TEST_TMPDIR"
	umount "$BATS_TEST_TMPDIR"
	modprobe dummy
	modprobe -r dummy
	run -0 cycles
	[[ $output =~ "  no cycle in "[0-9]+" edges" ]]
}

# What would be a cycle of addresses, if they were taken for the same mutexes.
reversed() {
	nest "${STEPS[@]}"
	nameless | jq -es '[.[].labels | [.from, .to]]
		| (map({key: join(" "), value: 1}) | from_entries) as $edges | any(reverse | $edges[join(" ")])'
}

@test "mutexes in memory that is used again are others" {
	local STEPS=()
	for _ in {1..50}; do
		STEPS+=(a+b a. b. a+b b. a.)
	done
	wait_for reversed
	run -0 cycles
	[[ $output == *"  no cycle in "* ]]
}

@test "paused, of others than the pid asked for, and of what is not in the sample: nothing" {
	local setting
	for setting in paused=on "paused=off pid=1" "pid=0 sample=1000000000"; do
		# shellcheck disable=SC2086 # several
		"$READER" set lock_order $setting
		nest a+b
		assert_nothing "edges with $setting" nameless --filter "pid=$NESTED"
	done
	"$READER" set lock_order sample=1
	nest a+b
	[[ -n $(nameless --filter "pid=$NESTED") ]]
}

@test "two mutexes in both orders are one cycle, with both chains" {
	nest a+b a-b b+a
	look
	run -0 cycles
	assert_eq "cycles" "  a cycle of 2" "$(grep '^  .*cycle' <<<"$output")" "$output"
	assert_eq "ends" 'true' "$(edges 'map(.labels | [.from, .to]) | length == 2 and .[0] == (.[1] | reverse)')"
	awk -v pid="$NESTED" '/ -> / { split($0, part, / -> | +/); ends[++n] = part[2] " " part[3]; back[n] = part[3] " " part[2]
			if (index($0, " comm nest ") && index($0, " pid " pid " ")) ours++ }
		/^        mutex_lock\+/ { first++ } /^        do_epoll_ctl\+/ { middle++ } /^        .*sys_epoll_ctl\+/ { last++ }
		END { exit !(n == 2 && ends[1] == back[2] && ours == 2 && first == 2 && middle == 2 && last == 2) }' <<<"$output" ||
		{ echo "$output" && false; }
}

@test "a cycle of three, from one to the next" {
	nest a+b a-b b+c b-c c+a
	run -0 "$READER" show --map edges --filter "pid=$NESTED" lock_order
	assert_eq "cycles" "  a cycle of 3" "$(grep '^  .*cycle' <<<"$output")" "$output"
	awk '/ -> / { split($0, part, / -> | +/); n++; if (n == 1) start = part[2]; else if (part[2] != end) bad = 1; end = part[3] }
		END { exit !(n == 3 && end == start && !bad) }' <<<"$output" || { echo "$output" && false; }
}

# bats test_tags=once
@test "orders without a row are counted as lost" {
	probe_unload lock_order
	probe_load lock_order --map-entries edges=1
	nest a+b b+c
	run -0 "$READER" show lock_order
	[[ $output =~ "lost: table_full "[1-9] ]]
	assert_eq "rows" 1 "$(nameless | wc -l)"
}
