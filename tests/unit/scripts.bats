#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# What pinscope says and where, without loading anything.

bats_require_minimum_version 1.5.0

REPO=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
PINSCOPE=$REPO/scripts/pinscope

setup() {
	export PINSCOPE_BPFFS=$BATS_TEST_TMPDIR/bpffs PINSCOPE_RUN=$BATS_TEST_TMPDIR/run
}

@test "help lists every verb, and every verb has its own" {
	local file verb
	run -0 --separate-stderr "$PINSCOPE" help
	# shellcheck disable=SC2154
	[[ -z $stderr ]]
	for file in "$REPO"/scripts/verbs/*; do
		verb=${file##*/}
		[[ $output == *$'\n'"  $verb"* ]]
		[[ $("$PINSCOPE" help "$verb") == "usage: pinscope $verb"* ]]
		[[ $("$PINSCOPE" "$verb" --help) == "usage: pinscope $verb"* ]]
	done
}

@test "misuse is a sentence and the usage, on stderr, with exit status 2" {
	local words
	for words in nosuch ../lib.bash "load --nosuch x" "load --budget" "load --budget x y" \
		"load --map-entries a=1 b c" unload "list --nosuch" "status x" "snapshot --keep x" "help nosuch"; do
		# shellcheck disable=SC2086
		run -2 --separate-stderr "$PINSCOPE" $words
		# shellcheck disable=SC2154
		[[ -z $output && ${stderr_lines[0]} == "pinscope: "* && ${stderr_lines[1]} == "usage: pinscope"* ]]
	done
}

@test "make load takes probes and groups, and builds the whole shelf" {
	run -0 make --no-print-directory -C "$REPO" -n -W bpf/oom.bpf.c load PROBES="tcp_conn io"
	[[ ${lines[-1]} == "scripts/pinscope load tcp_conn io" && $output == *" -c bpf/oom.bpf.c "* ]]
}

@test "a link to pinscope finds what belongs to it" {
	ln -s "$PINSCOPE" "$BATS_TEST_TMPDIR/link"
	run -0 "$BATS_TEST_TMPDIR/link" help
	[[ $output == usage* ]]
}

@test "installed, it looks for its parts below the same prefix" {
	local prefix=$BATS_TEST_TMPDIR/usr
	mkdir -p "$prefix/bin" "$prefix/libexec"
	cp -r "$REPO/scripts" "$prefix/libexec/pinscope"
	ln -s ../libexec/pinscope/pinscope "$prefix/bin/pinscope"
	printf '#!/bin/sh\necho ran\n' >"$prefix/libexec/pinscope/pinscope-reader"
	chmod +x "$prefix/libexec/pinscope/pinscope-reader"
	run -0 "$prefix/bin/pinscope" diff a b
	[[ $output == ran ]]
	run -1 "$prefix/bin/pinscope" list
	[[ $output == *"in $prefix/lib/pinscope/bpf"* ]]
}

@test "without a verb it lists what could be loaded, when nothing is" {
	[[ -x $REPO/build/pinscope-reader ]] || skip "needs the reader (make)"
	run -0 "$PINSCOPE"
	[[ $output == "$("$PINSCOPE" list)" ]]
}

@test "list --json is one object a probe" {
	[[ -x $REPO/build/pinscope-reader ]] || skip "needs the reader (make)"
	run -0 "$PINSCOPE" list --json
	jq -se 'length > 0 and all(.[]; .probe and .help and (.variants | length > 0) and .loaded == false)' <<<"$output"
}
