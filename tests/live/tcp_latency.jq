# SPDX-License-Identifier: GPL-2.0-only
# What tcp_latency shows, against what both ends of a conversation measured themselves.

# ---- a dump (an array of its lines) in short

def nothing: {count: 0, sum_ns: 0, slots: []};

def hist: {count, sum_ns, slots};

def stats: {sends, segments, reads, outliers, latency: (.latency | hist), read_delay: (.read_delay | hist)};

def row: .labels + .stats + {latency: .stats.latency, read_delay: .stats.read_delay};

def add_slots: add | group_by(.[0]) | map([.[0][0], (map(.[1]) | add)]);

def add_hists: {count: (map(.count) | add), sum_ns: (map(.sum_ns) | add), slots: (map(.slots) | add_slots)};

def add_stats:
	if length == 0 then {sends: 0, segments: 0, reads: 0, outliers: 0, latency: nothing, read_delay: nothing}
	else {
		sends: (map(.sends) | add), segments: (map(.segments) | add), reads: (map(.reads) | add),
		outliers: (map(.outliers) | add),
		latency: (map(.latency) | add_hists), read_delay: (map(.read_delay) | add_hists)
	} end;

# The histograms by kind; all connections by role, those without a row among them; each row.
def summary:
	map(select(.type == "row")) as $rows
	| [$rows[] | select(.map == "conns")] as $conns
	| [$rows[] | select(.map == "rest")] as $rest
	| {
		kinds: ([$rows[] | select(.map == "latency") | {(.labels.kind): hist}] | add),
		roles: ([("client", "server") as $role | {($role):
			[($conns[] | select(.labels.role == $role) | .stats | stats),
			 ($rest[] | select(.labels.role == $role) | stats)] | add_stats}] | add),
		rest: ([$rest[] | {(.labels.role): stats}] | add),
		losses: ([$rows[] | select(.map == "losses") | {(.labels.reason): .count}] | add),
		conns: [$conns[] | row]
	};

# ---- the difference of two

def minus_slots($old):
	($old | map({key: (.[0] | tostring), value: .[1]}) | from_entries) as $was
	| map([.[0], .[1] - ($was[.[0] | tostring] // 0)]) | map(select(.[1] != 0));

def minus($old):
	if type == "object" then
		with_entries(.key as $key | .value |=
			if $key == "conns" then . elif $key == "slots" then minus_slots($old[$key] // [])
			else minus($old[$key]) end)
	else . - ($old // 0) end;

# ---- judging

def at_most($x): map(select(. <= $x)) | length;

def slots_at_most($x): map(select(.[0] <= $x) | .[1]) | add // 0;

# A sentence for each slot that cannot be right. Each latency lies between an inner and an
# outer measurement, so at every bound the histogram has no more below it than the inner
# ones and no fewer than the outer ones. $slack: the clock a probe reads (ktime_get_mono_fast_ns)
# may be off by some nanoseconds against the one of clock_gettime while time is being adjusted.
def sandwich($inner; $outer; $slack):
	.slots as $slots | $slots[] | .[0] as $bound
	| ($slots | slots_at_most($bound)) as $seen
	| ($inner | at_most($bound + $slack)) as $most
	| ($outer | at_most($bound - $slack)) as $least
	| select($seen > $most or $seen < $least)
	| "at most \($bound) ns: expected \($least)..\($most), got \($seen)";

# The same of the sum; $measured is {inner, outer} of an end.
def sum_between($measured; $slack):
	($slack * .count) as $slack
	| select(.sum_ns < $measured.inner.sum_ns - $slack or .sum_ns > $measured.outer.sum_ns + $slack)
	| "sum: expected \($measured.inner.sum_ns)..\($measured.outer.sum_ns), got \(.sum_ns)";

def misfit($measured; $slack):
	sandwich($measured.inner.samples_ns; $measured.outer.samples_ns; $slack),
	sum_between($measured; $slack);
