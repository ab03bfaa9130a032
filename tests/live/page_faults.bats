#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# page_faults against the kernel's counts of one process that faults as it is told:
#
#    faults (faults.c) --- page faults ---> kernel --- /proc/PID/stat
#                                             |
#                                             +--- page_faults
#
# The process was started after the probe was loaded, and sleeps while it is read, so that
# its counts are the same from its first fault on.

bats_require_minimum_version 1.5.0

setup_file() {
	load page_faults.bash
	((EUID == 0)) || { echo "needs root to load probes" >&2 && return 1; }
	need_faults
	probe_load page_faults
}

teardown_file() {
	load page_faults.bash
	probe_unload page_faults
}

setup() {
	load page_faults.bash
	cd "$BATS_TEST_TMPDIR" || return
	faulter_start
}

teardown() {
	faulter_stop
	"$READER" set page_faults paused=off pid=0
}

@test "N fresh pages are N minor faults, by who wanted the page and for what" {
	fault write 1
	fault kernel 1
	grew '.minor == 300 and .writes == 300 and .kernel_mode + .gup == 0 and .minor_time_ns > 0' fault write 300
	grew '.minor == 300 and .writes == 0' fault read 300
	grew '.minor == 300 and .kernel_mode == 300 and .gup == 0' fault kernel 300
	grew '.minor == 300 and .gup == 300 and .kernel_mode == 0' fault populate 300
	assert_eq "minor and major from the first fault on" "$(kernel "$FAULTER")" "$(jq -r '"\(.minor) \(.major)"' <<<"$ROW")"
	# Once 1813 and not 2000, on 6.1, by the kernel's own count too (why is not known). What it leaves out because another
	# thread is in the program, it counts itself.
	grown fault threads 8 250
	jq -e --argjson missed "$(dump | jq -n 'input.probes[0].recursion_misses | add // 0')" \
		'.minor >= 1000 and (.kernel.minor - .minor | . >= 0 and . <= $missed)' grown
}

@test "pages of an evicted file are major faults, as many as the kernel counts" {
	grew '.major >= 30 and .major_time_ns > 0' fault file 40 "$READER"
}

@test "a fault that is tried again is one, and its time runs from the first try" {
	grew '.minor_time_ns + .major_time_ns | . > 200e6 and . < 2e9' fault wait 200
	dump | jq -es 'map(select(.map == "time") | .max_ns) | max > 200e6'
}

@test "a fault that fails counts as an error, by its reason" {
	local before
	before=$(dump | jq 'select(.map == "errors" and .labels.reason == "sigbus").count')
	grew '.errors == 1' fault bus
	assert_eq "sigbus" "$((before + 1))" "$(dump | jq 'select(.map == "errors" and .labels.reason == "sigbus").count')"
}

@test "all processes together have as many faults as the kernel counts" {
	local k0 k1 k2 k3 p0 p1
	k0=$(vmstat pgfault) p0=$(all_faults) k1=$(vmstat pgfault)
	fault write 3000
	k2=$(vmstat pgfault) p1=$(all_faults) k3=$(vmstat pgfault)
	read -r a b c <<<"$p0"
	read -r d e f <<<"$p1"
	# Up to 6.4 each try counts in pgfault: of a major fault, two.
	assert_between "faults" $((k2 - k1 - (e - b))) $((k3 - k0)) $((d + e + f - a - b - c)) "$k0 $k1 $k2 $k3 $p0 $p1"
}

@test "a row has the name the process gave itself last, and stays when it has ended" {
	local pid=$FAULTER
	fault write 300
	echo "become $(command -v cat)" >&"$FAULTER_IN"
	wait_for grep -qx cat "/proc/$pid/comm"
	faulter_stop
	dump | jq -es --argjson pid "$pid" 'map(select(.map == "procs" and .labels.pid == $pid))
		| length == 1 and .[0].labels.comm == "cat" and .[0].labels.state == "exited" and .[0].minor > 300'
}

@test "paused, or of another process, nothing is counted" {
	grew true fault write 10
	"$READER" set page_faults paused=on
	grown fault write 300
	jq -e '.minor == 0 and .kernel.minor == 300' grown
	"$READER" set page_faults paused=off pid=1
	grown fault write 300
	jq -e '.minor == 0 and .kernel.minor == 300' grown
	"$READER" set page_faults pid="$FAULTER"
	grew '.minor == 300' fault write 300
}

@test "perf stat counts as many" {
	command -v perf >/dev/null || skip "perf (package linux-perf) is not here"
	fault write 1
	fault kernel 1
	export FAULTER_IN FAULTER_OUT READER
	# shellcheck disable=SC2016 # for the shell that perf starts
	grown perf stat -x, -e page-faults,minor-faults,major-faults -p "$FAULTER" -o perf bash -c '
		for step in "write 300" "kernel 50" "populate 200" "file 40 $READER" "wait 1" bus; do
			echo "$step" >&"$FAULTER_IN" && read -r -u "$FAULTER_OUT"
		done'
	# perf leaves out what the kernel wants for itself (populate), and has failures among the first only.
	assert_eq "all, minor, major" "$(jq -r '"\(.minor - .gup + .major + .errors) \(.minor - .gup) \(.major)"' grown)" \
		"$(awk -F, 'NF > 1 { printf "%s%s", s, $1; s = " " }' perf)"
	jq -e '.minor - .gup > 350 and .gup >= 200 and .major >= 30 and .errors == 1' grown
}

# bats test_tags=peer
@test "bpftrace counts as many software events" {
	command -v bpftrace >/dev/null || skip "bpftrace is not here"
	local before=0 start got
	fault write 1
	start=$(row "$FAULTER" | jq .minor)
	bpftrace -e 'software:minor-faults:1 /pid == '"$FAULTER"'/ { @minor = count() }
		interval:ms:100 { print(@minor) }' >peer 2>&1 3>&- &
	SERVER["peer"]=$!
	until grep -q '^@minor: [1-9]' peer; do
		fault write 1
		((before += 1))
	done
	fault write 500
	kill -INT "${SERVER["peer"]}"
	wait "${SERVER["peer"]}" || true
	got=$(awk '$1 == "@minor:" { n = $2 } END { print n }' peer)
	assert_between "minor faults" 501 $((before + 500)) "$got"
	assert_eq "minor faults" $((before + 500)) $(($(row "$FAULTER" | jq .minor) - start))
}

# bats test_tags=once
@test "processes without a row are counted under rest, and the totals stay right" {
	probe_unload page_faults
	probe_load page_faults --map-entries procs=1
	for ((i = 0; i < 20; i++)); do /bin/true; done
	fault write 100
	"$READER" set page_faults paused=on
	dump | jq -es '(map(select(.map == "time") | .count) | add) as $times
		| (map(select(.map == "procs" or .map == "rest") | .minor + .major) | add) as $faults
		| (map(select(.map == "losses" and .labels.reason == "table_full"))[0].count) as $full
		| (map(select(.map == "rest"))[0].minor) as $rest
		| $faults == $times and $full > 0 and $rest >= 100'
}
