# SPDX-License-Identifier: GPL-2.0-only
#
# What stack_rx counted between two dumps, and sentences about what is wrong with it.

include "judge";

def rows($map): map(select(.type == "row" and .map == $map));

# The ways: "NETNS INTERFACE FAMILY PROTOCOL" -> STAGE -> {count, sum}.
def ways:
	[rows("stages")[] | .labels as $l | {
		way: "\($l.netns) \($l.interface) \($l.family) \($l.protocol)", stage: $l.stage,
		count: .delay.count, sum: .delay.sum_ns, max: .delay.max_ns, slots: .delay.slots}]
	| group_by(.way) | map({key: .[0].way, value: (map({key: .stage, value: del(.way, .stage)}) | from_entries)})
	| from_entries;

def losses: [rows("losses")[] | {(.labels.reason): .count}] | add;

def summary: {ways: ways, losses: losses};

def median: (map(.[1]) | add) as $n | reduce .[] as [$le, $count] ({seen: 0};
	.seen += $count | if .at == null and .seen * 2 >= $n then .at = $le else . end) | .at;

# What came since; stages and ways without anything are not there. max is of all time.
def minus($before):
	.losses |= with_entries(.value -= $before.losses[.key])
	| .ways |= (with_entries(.key as $way
		| .value |= (with_entries(.key as $stage
			| .value.count -= ($before.ways[$way][$stage].count // 0)
			| .value.sum -= ($before.ways[$way][$stage].sum // 0)
			| ($before.ways[$way][$stage].slots // [] | map({key: "\(.[0])", value: .[1]}) | from_entries) as $old
			| .value.p50 = (.value.slots | map([.[0], .[1] - ($old["\(.[0])"] // 0)]) | median)
			| del(.value.slots))
			| with_entries(select(.value.count > 0))))
		| with_entries(select(.value | length > 0)));

def lossless: .losses | to_entries[] | expect(.key; 0; .value);

def counts: map_values(.count);

# Every stage of a way that all its packets went to the end, and how many did: the stages make the total.
def complete($way; $stages; $count):
	.ways[$way] // {}
	| expect("\($way): stages"; [($stages | split(" "))[] | {(.): $count}] + [{total: $count}] | add; counts),
	  expect("\($way): sum of the stages"; .total.sum; [to_entries[] | select(.key != "total").value.sum] | add);
