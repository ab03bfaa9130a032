#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# R14: what inspect foretells is what the kernel charges, map by map.

# bats file_tags=native,shelf

bats_require_minimum_version 1.5.0

setup_file() {
	load shelf.bash
	shelf_up
}

teardown_file() {
	load shelf.bash
	shelf_down
}

setup() {
	load shelf.bash
}

teardown() {
	"$PINSCOPE" unload all
}

# NAME FORETOLD CHARGED, a line for each pinned map.
charges() {
	jq -nr --arg dir "$ROOT/$1/maps/" --slurpfile maps <(bpftool -jf map show) \
		--slurpfile object <("$READER" inspect "$PINSCOPE_RUN/$1.bpf.o") '
		($maps[0] | map({key: (.pinned // [])[], value: .bytes_memlock}) | from_entries) as $charged
		| $object[0].maps[] | select(.internal | not)
		| "\(.name) \(.memory_bytes) \($charged[$dir + .name])"'
}

@test "R14: the estimate for each type of map is within 5 % of the charge, or a page" {
	local name foretold charged slack n=0
	# 5.11 to 6.3 show entries times value size instead of what they charge.
	grep -qE ' (htab_map_mem_usage|bpf_map_charge_init)$' /proc/kallsyms ||
		skip "this kernel does not tell what it charges"
	"$PINSCOPE" load load_memory
	while read -r name foretold charged; do
		slack=$((charged / 20))
		((slack >= 4096)) || ! grep -q ' bpf_map_charge_init$' /proc/kallsyms || slack=4096
		((n += 1))
		if ((foretold < charged - slack)) ||
			[[ $name != demand_* ]] && ((foretold > charged + slack)); then
			echo "$name: foretold $foretold, charged $charged" >&2
			return 1
		fi
	done < <(charges load_memory)
	((n == 16))
}
