#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# R18: names from outside cannot break what they land in.

bats_require_minimum_version 1.5.0
load reader

setup_file() {
	load reader
	ESCAPE=$(check_build escape_check escape out util error)
	export ESCAPE
}

hostile() {
	printf 'a"b\\c\n\033]52;c;x\007\xff\xfe \xc3\xa9\xc2\x9b\xe2\x80\xae\t\x7f{}$`\xed\xa0\x80\xf5\xc0\x80'
}

# shows KIND BYTES: whether they are in what is printed
shows() {
	hostile | "$ESCAPE" "$1" | LC_ALL=C grep -q "$2"
}

@test "R18: JSON is valid whatever is in a name, and is valid UTF-8" {
	hostile | "$ESCAPE" json >"$BATS_TEST_TMPDIR/json"
	jq -e 'type == "string"' "$BATS_TEST_TMPDIR/json"
	iconv -f UTF-8 -t UTF-8 "$BATS_TEST_TMPDIR/json"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/json")" -eq 1 ]
	[ "$(printf 'é' | "$ESCAPE" json)" = '"é"' ]
}

@test "R18: JSON keeps quotes, backslashes and newlines as they are" {
	printf 'a"b\\c\nd' | "$ESCAPE" json | jq -e '. == "a\"b\\c\nd"'
}

@test "R18: two names that are no UTF-8 stay two names" {
	[ "$(printf '\xff' | "$ESCAPE" json)" != "$(printf '\xfe' | "$ESCAPE" json)" ]
	[ "$(printf '\xff' | "$ESCAPE" prometheus)" != "$(printf '\xfe' | "$ESCAPE" prometheus)" ]
}

@test "R18: Prometheus text is valid whatever is in a name" {
	command -v promtool >/dev/null || skip "promtool (package prometheus) is not here"
	hostile | "$ESCAPE" prometheus >"$BATS_TEST_TMPDIR/prom"
	promtool check metrics <"$BATS_TEST_TMPDIR/prom"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/prom")" -eq 3 ]
}

@test "R18: a name cannot make a new cell or line in TSV" {
	[ "$(hostile | "$ESCAPE" tsv | wc -l)" -eq 1 ]
	run ! shows tsv "$(printf '\t')"
}

@test "R18: nothing reaches the terminal that it might obey" {
	# Printable ASCII and letters of UTF-8 only: no ESC, no C1, no turning of direction.
	run ! shows terminal "$(printf '[\001-\011\013-\037\177]')"
	run ! shows terminal "$(printf '\xc2\x9b')"
	run ! shows terminal "$(printf '\xe2\x80\xae')"
}

@test "R18: all bytes, one by one, are harmless in JSON" {
	for i in $(seq 1 255); do
		printf '%b' "\\x$(printf %x "$i")" | "$ESCAPE" json
	done >"$BATS_TEST_TMPDIR/all"
	[ "$(jq -s length "$BATS_TEST_TMPDIR/all")" -eq 255 ]
}
