# SPDX-License-Identifier: GPL-2.0-only
#
# What stack_tx shows, against what the kernel counts itself. Every judgement is a stream of
# sentences: what was expected, what came. None: all is well.

# By how much it is off is told, for `beyond`.
def expect($what; $want; $got): ($want - $got | fabs) as $off
	| if $off == 0 then empty else {off: $off, text: "\($what): expected \($want), got \($got)"} end;

# What runs that the kernel left out do not explain: each may be missing in each count.
def beyond($missed): if type == "object" then select(.off > $missed).text else . end;

def least($what; $want; $got): if $got >= $want then empty else "\($what): expected at least \($want), got \($got)" end;

def most($what; $want; $got): if $got <= $want then empty else "\($what): expected at most \($want), got \($got)" end;

# ---- the kernel's counters

def fields: split(" +"; null) | map(select(. != ""));

# Of /proc/net/snmp: a line of names, then one of numbers.
def snmp($protocol): [.[] | select(.[0] == $protocol)] | transpose[1:] | map({key: .[0], value: .[1] | tonumber}) | from_entries;

def counters: split("\n") | map(fields) | (snmp("Tcp:") | {OutSegs, RetransSegs}) + (snmp("Udp:") | {OutDatagrams})
	+ {Udp6OutDatagrams: (.[] | select(.[0] == "Udp6OutDatagrams")[1] | tonumber),
		packets: (.[] | select(.[0] == "ve0:")[10] | tonumber)};

def minus($b): with_entries(.value -= ($b[.key] // 0));

# ---- a dump (an array of its lines) in short, and the difference of two

def way: ["socket", "tcp", "ip", "forward", "qdisc"];

def hist: {count, sum_ns, slots: (.slots | map({key: (.[0] | tostring), value: .[1]}) | from_entries)};

def none: {count: 0, sum_ns: 0, slots: {}};

def minus_hist($b): {count: (.count - $b.count), sum_ns: (.sum_ns - $b.sum_ns), slots: (.slots
	| with_entries(.value -= ($b.slots[.key] // 0)) | with_entries(select(.value > 0)))};

def losses: map(select(.map == "losses")) | map({key: .labels.reason, value: .count}) | from_entries;

# Runs of programs that the kernel left out. (5.10 leaves none out, and says null.)
def missed: map(select(.type == "identity").probes[0].recursion_misses[]) | add // 0;

def delays: map(select(.map == "stages")) | map({key: (.labels | tojson), value: (.delay | hist)}) | from_entries;

# What happened in between: a series has the labels but `stage`, and a histogram for each stage.
def since($before): map(select(.type == "row")) as $rows | ($before | map(select(.type == "row"))) as $old
	| ($old | delays) as $b
	| {losses: ($rows | losses | minus($old | losses)),
		series: ($rows | delays | to_entries
			| map({labels: (.key | fromjson), hist: (.key as $k | .value | minus_hist($b[$k] // none))})
			| group_by(.labels | del(.stage))
			| map({labels: (.[0].labels | del(.stage)),
				stages: (map({key: .labels.stage, value: .hist}) | from_entries)}))};

def rest: map(select(.labels.interface == "rest"));

# ---- of an array of series

# Those of a namespace whose labels are these.
def of($netns; $labels): map(select(.labels.netns == $netns and (.labels | contains($labels))));

def add_hists: reduce .[] as $h (none; .count += $h.count | .sum_ns += $h.sum_ns
	| reduce ($h.slots | to_entries[]) as $s (.; .slots[$s.key] += $s.value));

def stage($name): map(.stages[$name] // none) | add_hists;

def count($name): stage($name).count;

# Upper bounds of the slots in use, ascending, each as often as there are values in it.
def values($name): stage($name).slots | to_entries | map([(.key | tonumber), .value]) | sort
	| map(.[0] as $le | range(.[1]) | $le);

def median($name): values($name) | .[length / 2 | floor] // 0;

# The stages that a packet passed add up to its total.
def adds_up: .[] | (.labels | map(tostring) | join(" ")) as $who | .stages as $s
	| expect("\($who): sum of stages"; $s.total.sum_ns // 0; [$s[way[]].sum_ns // 0] | add);

# So many packets, which have these stages and no others.
def passed($what; $n; $names): . as $of | ((way + ["total"])[] as $s
	| expect("\($what): \($s)"; if $names + ["total"] | index($s) then $n else 0 end; $of | count($s)));

# Half of the values in these stages are below that.
def quick($what; $ns; $names): . as $of | ($names[] as $s | most("\($what): \($s), median"; $ns; $of | median($s)));

# All values in this stage are above that (the slot they are in ends above it).
def slow($what; $ns; $name): least("\($what): \($name), shortest"; $ns; values($name)[0] // 0);

def longest($name): values($name) | last // 0;
