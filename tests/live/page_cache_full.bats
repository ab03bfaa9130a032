#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# page_cache with one place for what was not read yet, and with a sample. What is where is drawn in
# page_cache.bats.

# bats file_tags=once

bats_require_minimum_version 1.5.0

setup_file() {
	load page_cache.bash
	disk_up
}

teardown_file() {
	load page_cache.bash
	disk_down
}

setup() {
	load page_cache.bash
	worker_up
}

teardown() {
	worker_down
	probe_unload page_cache
}

@test "what is forgotten before it is read is a hit, and counted as forgotten" {
	local before stretches
	probe_load page_cache --map-entries stretches=1
	file crowded 2048
	have crowded
	before=$(lost forgotten)
	reading 0 2048 1048576
	stretches=$(($(lost forgotten) - before))
	before=("${MARK[@]}")
	mark
	assert_eq "read" 2048 $((MARK[0] - before[0] + MARK[1] - before[1]))
	# All but the last stretch of each of 8 reads; others may take the place, too.
	assert_between "forgotten" 24 40 "$stretches"
	assert_between "missed all the same" 1 $((8 * 64)) $((MARK[1] - before[1]))
}

@test "a sample takes the same stretches each time" {
	local before after
	probe_load page_cache
	settings sample=4
	file sampled 8192
	have sampled
	before=("${MARK[@]}")
	reading 0 8192 65536
	mark
	after=("${MARK[@]}")
	assert_eq "misses are added" $((after[2] - before[2])) $((after[1] - before[1]))
	did $((after[1] - before[1])) 0 0 0 reading 0 8192 65536
	# 128 stretches, 1/4 of them: six standard deviations are 29.
	assert_between "sampled stretches" 3 61 $(((after[1] - before[1]) / 64))
	assert_eq "a stretch whole" 0 $(((after[1] - before[1]) % 64 + after[0] - before[0]))
}
