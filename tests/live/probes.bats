#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# What holds for every probe there is, all of them loaded together, with traffic across the
# namespaces drawn in net.bash. A new probe is in here by being in bpf/.

# bats file_tags=native

bats_require_minimum_version 1.5.0

setup_file() {
	load traffic.bash
	load net.bash
	load pinscope.bash
	need_traffic
	net_up a b
	kernel_has >"$BATS_FILE_TMPDIR/before"
	pinscope load all >"$BATS_FILE_TMPDIR/loaded" 2>&1 || true # judged by the first test
	for address in "$ADDR2" "$ADDR2_6"; do
		serve server b "$address" --conns 4
		ask client a "$address:${PORT[server]}" --conns 4 --requests 10
		served server
	done
}

teardown_file() {
	load traffic.bash
	load net.bash
	load pinscope.bash
	traffic_stop
	net_down
	pinscope unload all
}

setup() {
	load pinscope.bash
	load assert.bash
	cd "$BATS_TEST_TMPDIR" || return
}

# not_here PROBE: this kernel lacks what every variant hooks or reads, or allows no fentry at all.
not_here() {
	grep -E "(^$1: passed over|cannot load $1 on this kernel): variant .*( has no |not available|Operation not permitted)" \
		"$BATS_FILE_TMPDIR/loaded"
}

@test "load all loads every probe, or says why this kernel cannot run it" {
	local probe loaded=0
	for probe in "$ROOT"/build/bpf/*/; do
		probe=$(basename "$probe")
		[[ -d $(pin_root)/$probe ]] && ((loaded += 1)) || not_here "$probe"
	done
	((loaded))
}

# The kernel drops the names (BTF) of what it does not like. bpftool takes minutes for a large table, so one is dumped.
@test "bpftool has names for every map" {
	"$READER" dump --json | jq -s '.[0].probes[].maps[].id' >ids
	bpftool -j map show | jq -e --slurpfile ours ids '
		map(select(.id as $id | $ours | index($id))) | length == ($ours | length) and length > 0 and all(.btf_id > 0)'
	bpftool -j map dump pinned "$(pin_root)/packet_drop/maps/losses" | jq -e '.[0].formatted.values[0].value | has("table_full")'
}

@test "every table of text has as many columns in its rows as in its heading" {
	local table tables=0
	for table in "$(pin_root)"/*/*; do
		[[ -f $table && $table != *_rows ]] || continue
		cat "$table" >text
		awk -v table="$table" 'NR == 1 { n = NF } NF != n { print table ": " $0; bad = 1 }
			END { exit bad || !NR }' text
		((tables += 1))
	done
	((tables))
}

# `busy`: in the rest, because the row was just being made. block_io's `backwards`: on a
# busy 6.18 the kernel's own times of one request ran backwards, in one of six runs; why is not known.
@test "JSON: a kind for every field, no row twice, nothing lost" {
	"$READER" dump --json >all.json
	# shellcheck disable=SC2016 # jq's variables
	assert_nothing "what is wrong" jq -rs '
		(.[0].probes | map({key: .probe, value: .maps}) | from_entries) as $maps
		| def key: .labels as $l | $maps[.probe][.map].key // [] | map($l[.]);
		map(select(.type == "row")) as $rows
		| ($rows[] | . as $row | $maps[.probe][.map]
			| select(. == null or (.key - ($row.labels | keys) | length > 0)) | "no kind of a field: \($row)"),
		($rows | group_by([.probe, .map, key])[] | select(length > 1) | "twice: \(.[0] | {probe, map, labels})"),
		(.[0].probes[] | .probe as $probe | .losses | del(.busy) | to_entries[]
			| select(.value != 0 and [$probe, .key] != ["block_io", "backwards"]) | "\($probe) lost \(.value): \(.key)"),
		(select($rows == [] or .[-1].type != "end") | "no rows, or no end")' all.json
}

@test "R17: Prometheus text is what promtool accepts, and each metric has its help" {
	command -v promtool >/dev/null || skip "promtool (package prometheus) is not here"
	"$READER" dump --prom >all.prom
	promtool check metrics <all.prom
}

@test "TSV: each row has its heading's columns" {
	"$READER" dump --tsv >all.tsv
	awk -F '\t' '/^#/ { n = NF; next } NF != n { print; bad = 1 } END { exit bad || !NR }' all.tsv
}

@test "show and status end well, on a pipe and on 80 columns" {
	local probes=("$(pin_root)"/*)
	"$READER" show "${probes[@]##*/}" >shown
	[[ -s shown ]]
	COLUMNS=80 "$READER" show "${probes[@]##*/}" >shown
	pinscope status >lines
	[[ $(wc -l <lines) -ge 2 ]]
}

@test "every probe that can be paused says that it is" {
	local probe paused=0
	for probe in "$(pin_root)"/*/; do
		probe=$(basename "$probe")
		"$READER" get "$probe" | grep -q '^paused=off' || continue
		"$READER" set "$probe" paused=on
		"$READER" get "$probe" | grep -qx 'paused=on'
		((paused += 1))
	done
	((paused))
}

nothing_new() {
	! kernel_has | grep -qvxFf "$BATS_FILE_TMPDIR/before"
}

@test "R5: unload all leaves no file, program, map or link" {
	run ! nothing_new
	pinscope unload all
	[[ ! -e $(pin_root) && ! -e ${PINSCOPE_RUN:-/run/pinscope} ]]
	load traffic.bash
	wait_for nothing_new
}
