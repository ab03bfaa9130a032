# SPDX-License-Identifier: GPL-2.0-only
#
# What a probe counted in an interval (the lines of `diff --json`), against the kernel's counters.

include "judge";

def rows($map): map(select(.map == $map and .type == "row") | .labels + .);

# Of a map whose label is NAME, each row under what its label says.
def by($map; $name): rows($map) | map({(.[$name]): .}) | add;

def losses: by("losses"; "reason") | map_values(.count);

def lossless: expect("losses"; 0; .losses | add);

def at($netns; which): .[] | select(.netns == ($netns | tonumber)) | select(which);

# Of rows, the sum of each of these fields.
def sums($fields): . as $rows | [$fields[] | {(.): ([$rows[][.]] | add // 0)}] | add;

# The kernel's counters by namespace, since then; and of both together.
def counted($was; $is): $is | with_entries(.key as $netns | .value |= with_entries(.value -= ($was[$netns][.key] // 0)));

def together: [.[] | to_entries[]] | group_by(.key) | map({key: .[0].key, value: (map(.value) | add)}) | from_entries;
