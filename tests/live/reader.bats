#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The reader against maps in a kernel; root. Programs are raw_tp only, so any kernel does.

# bats file_tags=native,shelf

# shellcheck disable=SC2154,SC2086,SC2094 # set by what is loaded; lists of pids; a probe named as a file
bats_require_minimum_version 1.5.0
load ../unit/reader
load ../fixture/load

setup_file() {
	load ../fixture/load
	((EUID == 0)) || skip "needs root to load programs"
	export PINSCOPE_BPFFS=$BATS_FILE_TMPDIR/bpffs PINSCOPE_RUN=$BATS_FILE_TMPDIR/run
	mkdir -p "$PINSCOPE_BPFFS"
	mount -t bpf bpf "$PINSCOPE_BPFFS"
	fixture_load shapes shapes
	FILL=$fixture_top/build/tests/fill
	CPUS=$("$FILL" "$PINSCOPE_BPFFS/pinscope/shapes/maps")
	export CPUS
}

teardown_file() {
	! mountpoint -q "$PINSCOPE_BPFFS" || umount "$PINSCOPE_BPFFS"
}

setup() {
	maps=$PINSCOPE_BPFFS/pinscope/shapes/maps
	cd "$BATS_TEST_TMPDIR" || return
}

dump() {
	"$reader" dump --json shapes "$@"
}

@test "dump starts with the identity: ids, kinds, configuration and losses" {
	link=$PINSCOPE_BPFFS/pinscope/shapes/links/touch
	prog=$(bpftool -j link show pinned "$link" | jq .prog_id)
	map=$(bpftool -j map show pinned "$maps/connections" | jq .id)
	dump | head -1 >identity
	jq -e --argjson prog "$prog" --argjson map "$map" --argjson lost $((3 * CPUS)) '
		.type == "identity" and .schema == 1 and (.boot_id | length) == 36 and
		.realtime_ns > 0 and .monotonic_ns > 0 and (.probes[0] |
		.probe == "shapes" and .variant == "default" and .links.touch == $prog and
		.maps.connections.id == $map and .maps.connections.kind == "table" and
		.maps.connections.fields["rx.packets"] == "count" and
		.maps.latency.fields.hist == "ns_hist" and .maps.losses.kind == "counter" and
		.losses == {map_full: 0, busy: $lost} and (.maps | has("scratch") | not))' identity
}

@test "recursion misses are a number where the kernel counts them, else null" {
	dump | head -1 | jq -e '.probes[0].recursion_misses.touch | . == null or . >= 0'
}

@test "by_cpu: each CPU is a row, those without numbers are none" {
	dump --map moved >moved
	jq -e -s --argjson cpus "$CPUS" '(.[0].probes[0].maps.moved | .key == ["cpu", "way"] and .labels.cpu == "number")
		and (map(select(.type == "row") | [.labels.cpu, .labels.way, .packets]) | sort)
			== ([range(1; $cpus) | [., "in", .]] + [[$cpus - 1, "out", 1]] | sort)' moved
}

@test "members that are rows may have labels of their own; those not in use are none" {
	dump --map lanes >lanes
	jq -e -s --argjson cpus "$CPUS" 'map(select(.type == "row") | [.labels.lane, .labels.comm, .hits])
		== [["fast", "a", 3 * $cpus], ["slow", "b", 0]]' lanes
}

@test "a ratio is that of the two numbers before it, null of nothing, sorted and filtered by, in per cent for eyes" {
	dump --map lanes >lanes
	jq -e -s '(.[0].probes[0].maps.lanes.fields | to_entries | map([.key, .value]))
		== [["hits", "count"], ["misses", "count"], ["hit_ratio", "ratio"]]
		and (map(select(.type == "row") | .hit_ratio) == [0.75, null])' lanes
	dump --map lanes --filter 'hit_ratio<0.8' | jq -es 'map(select(.type == "row") | .labels.comm) == ["a"]'
	dump --map lanes --sort hit_ratio | jq -es 'map(select(.type == "row") | .labels.comm) == ["a", "b"]'
	"$reader" dump --tsv --map lanes shapes | cut -f 4- >tsv
	printf 'comm\thits\tmisses\thit_ratio\na\t%d\t%d\t0.750000\nb\t0\t0\t\n' $((3 * CPUS)) "$CPUS" | diff - tsv
	"$reader" show shapes --map lanes | grep -qE '^ *fast +a +[0-9]+ +[0-9]+ +75.0%$'
	"$reader" show shapes --map lanes | grep -qE '^ *slow +b +0 +0 +-$'
	"$reader" dump --prom --map lanes shapes >prom
	grep -q '^pinscope_shapes_lanes_misses_total{' prom
	run ! grep -q ratio prom
}

@test "dump adds up per-CPU histograms over all possible CPUs" {
	dump | holds 'select(.map == "latency" and .labels.role == "client") |
		.count == 2 * '"$CPUS"' + 1 and .sum_ns == 2000 * '"$CPUS"' + 5000 and
		.max_ns == 5000 and .bounds_ns.p50 == [960,1023] and (.slots | length) == 2'
	dump | holds 'select(.map == "events") | .count == 3 * '"$CPUS"
}

@test "a histogram without values has no percentiles, and is no zero" {
	dump | holds 'select(.map == "latency" and .labels.role == "server") |
		.count == 0 and .p99_ns == null and .mean_ns == null and .slots == []'
}

@test "dump nests structs of a value and joins labels of key and value" {
	dump | holds 'select(.labels.remote == "192.0.2.1") |
		.rx == {packets: 1, bytes: 1000} and .labels.role == "server" and
		.labels.comm == "curl" and .labels.tgid == 101 and .rtt_ns == 1500000 and
		.latency.count == 2 and .latency.min_ns == 1000000 and
		.latency.max_ns == 2000000 and .latency.stddev_ns > 490000 and
		.latency.stddev_ns < 510000'
	dump | holds 'select(.labels.remote == "2001:db8::1") | .rx.packets == 5'
}

@test "R18: hostile names in a dump are valid JSON, Prometheus text and TSV" {
	dump >json
	[ "$(jq -s length json)" -eq "$(wc -l <json)" ]
	iconv -f UTF-8 -t UTF-8 json >/dev/null
	jq -r 'select(.labels.remote == "192.0.2.4") | .labels.comm' json | grep -qx 'sixteen bytes!!!'
	holds 'select(.labels.remote == "192.0.2.2") | .labels.comm == "a\"b\\c\n\u001b]52;c;x"' <json
	"$reader" dump --tsv --map connections shapes >tsv
	[ "$(wc -l <tsv)" -eq 6 ]
	[ "$(awk -F '\t' '{print NF}' tsv | sort -u | wc -l)" -eq 1 ]
	"$reader" show shapes >text
	LC_ALL=C run ! grep -q "$(printf '[\001-\011\013-\037\177\233]')" text
}

@test "R18: the Prometheus text is what promtool accepts" {
	command -v promtool >/dev/null || skip "promtool (package prometheus) is not here"
	"$reader" dump --prom shapes >prom
	promtool check metrics <prom
	[ "$(grep -c '^# TYPE' prom)" -eq "$(grep '^# TYPE' prom | sort -u | wc -l)" ]
}

@test "Prometheus: seconds, inclusive exact buckets, totals" {
	"$reader" dump --prom >prom
	grep -qx "pinscope_shapes_latency_seconds_bucket{role=\"client\",le=\"0.000001023\"} $((2 * CPUS))" prom
	grep -qx "pinscope_shapes_latency_seconds_bucket{role=\"client\",le=\"0.000008191\"} $((2 * CPUS + 1))" prom
	grep -qx "pinscope_shapes_latency_seconds_bucket{role=\"client\",le=\"68.719476735\"} $((2 * CPUS + 1))" prom
	grep -qx "pinscope_shapes_latency_seconds_bucket{role=\"client\",le=\"+Inf\"} $((2 * CPUS + 1))" prom
	grep -qx "shapes_seen_total{comm=\"x\\\\\"y\"} $((3 * CPUS))" prom
	grep -qx "pinscope_shapes_losses_total{loss=\"busy\"} $((3 * CPUS))" prom
	grep -q '^pinscope_shapes_connections_latency_seconds_sum{.*remote="192.0.2.1".*} 0.003$' prom
	grep -q '^pinscope_shapes_connections_rx_bytes_total{.*remote="192.0.2.1".*} 1000$' prom
}

@test "show draws histograms, aligns tables, and says what was lost" {
	"$reader" show shapes >text
	grep -q '^  count .* p50 .* p99.9 .* max 5.00 us$' text
	grep -q '|@@*|$' text
	grep -q '^ *NETNS  LOCAL .*RX.PACKETS' text
	grep -q '192.0.2.1:443 ' text
	grep -q '\[2001:db8::1\]:40005' text
	grep -qE "^lost: busy $((3 * CPUS))( \(|$)" text
	run ! grep -q "$(printf '\033')" text
}

@test "filters, order and number of rows" {
	rows() {
		dump --map connections "$@" | jq -c 'select(.type == "row") | .rx.packets' | tr '\n' ' '
	}
	[ "$(rows --sort rx.packets)" = '5 4 3 2 1 ' ]
	[ "$(rows --sort rx.packets --top 2)" = '5 4 ' ]
	[ "$(rows --top 1)" = '5 ' ]
	[ "$(rows --sort remote --top 1 --filter 'remote=192.0.2.0/24')" = '1 ' ]
	[ "$(rows --filter 'remote=2001:db8::/32')" = '5 ' ]
	[ "$(rows --filter 'role=client' --sort rx.packets)" = '4 2 ' ]
	[ "$(rows --filter 'latency.max_ns>=6ms' --filter 'latency.max<9ms' --sort latency.p99)" = '4 3 ' ]
	[ "$(rows --filter 'rx.bytes > 3k' --filter 'tgid != 104')" = '5 ' ]
	[ "$(dump --filter 'comm=curl' | jq -c 'select(.type == "row") | .map')" = '"connections"' ]
}

@test "set changes all values or none, and get prints what set takes" {
	"$reader" get shapes >before
	"$reader" set shapes sample=10 min_latency=1500us remote=10.0.0.0/8 port=443 enabled=off
	"$reader" get shapes >after
	printf '%s\n' enabled=off sample=10 min_latency=1500us netns=0 remote=10.0.0.0/8 port=443 | diff - after
	"$reader" get --json shapes | jq -e '. == {enabled: false, sample: 10,
		min_latency_ns: 1500000, netns: 0, remote: "10.0.0.0/8", port: 443}'
	run "$reader" set shapes sample=20 port=65536
	says 2 'cannot set port of shapes to 65536' 'nothing was changed'
	"$reader" get shapes | diff after -
	xargs "$reader" set shapes <before
	"$reader" get shapes | diff before -
	[ "$("$reader" get shapes sample)" = sample=1 ]
}

@test "set keeps the mask of filters right" {
	mask() {
		bpftool -j map dump pinned "$maps/config" |
			jq '.[0] | .formatted.value // .value | .[".data.config"][0].config.only.mask'
	}
	"$reader" set shapes port=0 remote=any netns=0
	[ "$(mask)" -eq 0 ]
	"$reader" set shapes remote=2001:db8::/32
	[ "$(mask)" -eq 2 ]
	"$reader" set shapes port=80 netns=4026531840
	[ "$(mask)" -eq 7 ]
	"$reader" set shapes port=0 remote=0 netns=0
	[ "$(mask)" -eq 0 ]
}

@test "R24: each wrong value has its sentence and changes nothing" {
	"$reader" get shapes >before
	for wrong in sample= sample=x sample=-1 sample=4294967296 sample=1.5 min_latency=10 \
		min_latency=10mm min_latency=99999999h enabled=maybe remote=10.0.0.0/33 \
		remote=nowhere port=65536 netns=99999999999 nosuch=1 only=1 mask=1 sample; do
		run "$reader" set shapes "$wrong"
		says 2
		[ "${#lines[@]}" -eq 1 ]
	done
	"$reader" get shapes | diff before -
	run "$reader" get shapes nosuch
	says 2 'it has: enabled sample min_latency netns remote port'
}

@test "a probe that is not loaded is said" {
	run "$reader" show nosuch
	says 3 'nosuch is not loaded'
	run "$reader" get ../shapes
	says 3 'is not loaded'
	PINSCOPE_BPFFS=$PINSCOPE_BPFFS/pinscope run "$reader" dump
	says 0 '"rows":0'
}

# with_object COMMAND...: the probe's object replaced by what COMMAND writes.
with_object() {
	cp "$PINSCOPE_RUN/shapes.bpf.o" kept
	"$@" >"$PINSCOPE_RUN/shapes.bpf.o"
	run "$reader" dump shapes
	cp kept "$PINSCOPE_RUN/shapes.bpf.o"
}

@test "R24: a missing or foreign object is one sentence" {
	with_object cat /bin/true
	says 4 'cannot decode with'
	with_object echo garbage
	says 4 'cannot decode with'
	with_object head -c 2000 kept
	says 4 'cannot decode with'
	with_object cat "$(fixture_build flows)"
	says 4 'no such map'
	mv "$PINSCOPE_RUN/shapes.bpf.o" away
	run "$reader" dump shapes
	mv away "$PINSCOPE_RUN/shapes.bpf.o"
	says 4 'there is no such file'
}

@test "R24: a map of another layout than its object's is refused" {
	"${CLANG:-clang}" -g -O2 -target bpf -mcpu=v2 -I"$top/headers" -DWIDER \
		-Wno-unused-parameter -c "$top/tests/fixture/shapes.bpf.c" -o wider.o
	with_object cat wider.o
	says 4 'cannot decode map connections of shapes' 'load the probe again'
}

@test "one broken probe does not hide the others" {
	mkdir -p "$PINSCOPE_BPFFS/pinscope/broken/maps"
	run --separate-stderr "$reader" dump
	rmdir "$PINSCOPE_BPFFS/pinscope/broken/maps" "$PINSCOPE_BPFFS/pinscope/broken"
	[ "$status" -eq 4 ]
	[[ $stderr == *broken.bpf.o* ]]
	echo "$output" | jq -e 'select(.type == "end") | .rows > 5'
}

@test "two dumps subtract, and a reload between them is said (R21)" {
	"$reader" dump >a
	"$reader" dump >b
	"$reader" diff --json a b | holds 'select(.type == "diff") | .seconds > 0'
	fixture_load flows again
	"$reader" dump >a
	rm -rf "$PINSCOPE_BPFFS/pinscope/again"
	fixture_load flows again
	"$reader" dump >b
	rm -rf "$PINSCOPE_BPFFS/pinscope/again"
	run "$reader" diff a b
	says 5 'again' 'loaded again'
}

# bats test_tags=slow
@test "R13: a dump ends, has every row that stays and no row twice, while rows come and go" {
	fixture_load flows flows
	table=$PINSCOPE_BPFFS/pinscope/flows/maps/flows
	rows=20000
	for _ in 1 2; do
		"$top/build/tests/churn" "$table" "$rows" 3>&- &
		pids="$pids $!"
	done
	until [ "$("$reader" dump --map flows flows | wc -l)" -gt $((rows - 100)) ]; do
		kill -0 $pids
	done
	for _ in 1 2 3; do
		timeout 60 "$reader" dump --tsv --map flows flows | awk -F '\t' 'NR > 1 {print $3}' >seen
		[ "$(wc -l <seen)" -le $((4 * rows)) ]
		[ -z "$(sort seen | uniq -d)" ]
		[ "$(awk '$1 % 2 == 0' seen | wc -l)" -eq $((rows / 2)) ]
	done
	kill $pids
	rm -rf "$PINSCOPE_BPFFS/pinscope/flows"
}

@test "R22: the kernel computes the same slot as the host at every bound" {
	fixture_load bounds bounds
	true | true # each process that ends runs the program
	"$reader" dump --tsv bounds | awk -F '\t' 'NR > 1 {print $4, $5}' >kernel
	"$(check_build hist_bounds)" print >host
	rm -rf "$PINSCOPE_BPFFS/pinscope/bounds"
	# The row whose value and slot are both 0 is not printed.
	grep -v '^0 0$' host | diff - kernel
}

@test "labels of nested structs that share a name keep their path; fields never collide" {
	fixture_load odd odd
	true | true # each process that ends makes the rows
	"$reader" dump odd >odd
	"$reader" dump --prom odd >prom
	"$reader" show odd >text
	rm -rf "$PINSCOPE_BPFFS/pinscope/odd"
	holds 'select(.map == "pairs") | .labels == {from_addr: "::", from_port: 1, to_addr: "::",
		to_port: 2, tgid: 7, value_tgid: 8, comm: "x"}' <odd
	holds 'select(.map == "pairs") | .last == {state: 12, offset: -11} and .type_ == 4 and
		.by_size == {"0": 1, "1": 2, "2": 3} and .sent_bytes == 5' <odd
	holds 'select(.map == "slots") | .labels == {key: 1} and .ns == 6' <odd
	holds 'select(.map == "moved" and .labels.direction == "tx") | .bytes == 6' <odd
	holds 'select(.map == "moved" and .labels.direction == "9") | .bytes == 6' <odd
	[ "$(jq -c 'select(.map == "nets")' odd | wc -l)" -eq 2 ]
	! command -v promtool >/dev/null || promtool check metrics <prom
	grep -q '^pinscope_odd_pairs_last_offset{.*} -11$' prom
}

@test "tail prints the records of the event stream by their own type" {
	fixture_load odd odd
	timeout 60 "$reader" tail odd >events 3>&- &
	until [ -s events ]; do
		kill -0 $!
		true | true
	done
	kill $!
	rm -rf "$PINSCOPE_BPFFS/pinscope/odd"
	head -1 events | jq -e '.type == "event" and .probe == "odd" and .event == "ended" and
		.labels.tgid == 42 and (.labels.comm | length) > 0 and .time_ns == 1000'
	run "$reader" tail odd
	says 3 'is not loaded'
}

@test "R15: a member of the group reads, and cannot write" {
	[ "$(id -u)" -eq 0 ] || skip 'needs root'
	members() {
		setpriv --reuid 65534 --regid 4321 --clear-groups "$@"
	}
	# Before 5.19 the kernel refuses whoever has no CAP_BPF.
	printf '%s\n5.19\n' "$(uname -r)" | sort -V | head -1 | grep -qx 5.19 ||
		skip "$(uname -r) lets nobody read without CAP_BPF"
	cp "$reader" "$PINSCOPE_RUN/reader"
	chmod -R a+rX "$BATS_RUN_TMPDIR"
	chmod 0750 "$PINSCOPE_BPFFS"
	run members "$PINSCOPE_RUN/reader" get shapes
	says 1 'permission denied'
	[ "${#lines[@]}" -eq 1 ]
	chgrp -R 4321 "$PINSCOPE_BPFFS"
	chmod -R g=rX,o= "$PINSCOPE_BPFFS"
	members "$PINSCOPE_RUN/reader" dump shapes >json
	head -1 json | jq -e '.probes[0] | .links.touch == null and
		.recursion_misses.touch == null and .config.sample == 1'
	[ "$(jq -s length json)" -gt 5 ]
	members "$PINSCOPE_RUN/reader" show shapes | grep -q 'not known to this user'
	run members "$PINSCOPE_RUN/reader" set shapes sample=3
	says 1 'permission denied'
	[ "$("$reader" get shapes sample)" = sample=1 ]
}

@test "on a terminal: colour unless NO_COLOR, columns that fit, rows that fit" {
	command -v script >/dev/null || skip 'script (package bsdutils) is not here'
	on_terminal() {
		script -qec "stty cols 60 rows 24; $1 '$reader' show shapes" /dev/null
	}
	on_terminal 'TERM=xterm' >colour
	on_terminal 'TERM=xterm NO_COLOR=1' >plain
	grep -q "$(printf '\033\[1m')" colour
	run ! grep -q "$(printf '\033')" plain
	grep -q 'too narrow for: .*latency.MAX' plain
	[ "$(grep NETNS plain | tr -d '\r' | wc -c)" -le 61 ]
}
