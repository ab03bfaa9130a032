# SPDX-License-Identifier: GPL-2.0-only
#
# What tcp_latency shows, against what both ends of a conversation measured themselves.

include "judge";

# ---- a dump (an array of its lines) in short

def hist: {count, sum_ns, slots};

def stats: {sends, segments, reads, outliers, latency: (.latency | hist), read_delay: (.read_delay | hist)};

def add_slots: add | group_by(.[0]) | map([.[0][0], (map(.[1]) | add)]);

def add_hists: {count: (map(.count) | add), sum_ns: (map(.sum_ns) | add), slots: (map(.slots) | add_slots)};

def no_stats:
	{count: 0, sum_ns: 0, slots: []} as $none
	| {sends: 0, segments: 0, reads: 0, outliers: 0, latency: $none, read_delay: $none};

def add_stats: . + [no_stats] | {
	sends: (map(.sends) | add), segments: (map(.segments) | add), reads: (map(.reads) | add),
	outliers: (map(.outliers) | add),
	latency: (map(.latency) | add_hists), read_delay: (map(.read_delay) | add_hists)
};

# The histograms by kind; all connections by role, those without a row among them; each row.
def summary:
	# null: this kernel (before 5.12) skips no program
	(.[0].probes[0].recursion_misses | map_values(. // 0)) as $missed
	| map(select(.type == "row")) as $rows
	| [$rows[] | select(.map == "conns")] as $conns
	| [$rows[] | select(.map == "rest")] as $rest
	| {
		missed: $missed,
		kinds: ([$rows[] | select(.map == "latency") | {(.labels.kind): hist}] | add),
		roles: ([("client", "server") as $role | {($role):
			[($conns[] | select(.labels.role == $role) | stats),
			 ($rest[] | select(.labels.role == $role) | stats)] | add_stats}] | add),
		losses: ([$rows[] | select(.map == "losses") | {(.labels.reason): .count}] | add),
		conns: [$conns[] | .labels + stats]
	};

# ---- the difference of two; the rows stay as they are

def minus_slots($old):
	($old | map({key: (.[0] | tostring), value: .[1]}) | from_entries) as $was
	| map([.[0], .[1] - ($was[.[0] | tostring] // 0)] | select(.[1] != 0));

def minus($old):
	if type == "object" then
		with_entries(.key as $key | .value |=
			if $key == "conns" then . elif $key == "slots" then minus_slots($old[$key] // [])
			else minus($old[$key]) end)
	else . - ($old // 0) end;

# ---- judging

def slots_at_most($x): map(select(.[0] <= $x)[1]) | add // 0;

# Number of the sorted values that are at most $x.
def at_most($x): bsearch($x + 0.5) | -1 - .;

# $slack: the clock a probe reads (ktime_get_mono_fast_ns) may be off by some nanoseconds
# against the one of clock_gettime while the kernel adjusts time.
def slack: 1000;

# The kernel skips a program that has interrupted itself, or preempted itself on a CPU, and
# counts that. Each event missed costs one value of each number at most.
def missed: .missed | add;

def expect_but($what; $want; $missed; $got): between($what; $want - $missed; $want; $got);

def recorded($what; $want; $got): expect_but($what; $want; missed; $got);

# Each latency lies between an inner and an outer measurement; so at every bound of the
# histogram no more of it may be below than of the inner ones, and no fewer than of the outer.
def fits($what; $measured; $missed):
	.slots as $slots
	| ($measured.inner.samples_ns | sort) as $inner | ($measured.outer.samples_ns | sort) as $outer
	| expect_but("\($what), number"; $measured.outer.count; $missed; .count),
	between("\($what), sum of \(.count)";
		$measured.inner.sum_ns - .count * slack - $missed * ($measured.inner.max_ns // 0);
		$measured.outer.sum_ns + .count * slack; .sum_ns),
	($slots[][0] as $bound | between("\($what), at most \($bound) ns";
		($outer | at_most($bound - slack)) - $missed; $inner | at_most($bound + slack);
		$slots | slots_at_most($bound)));

def both_measured($a; $b): {
	inner: {sum_ns: ($a.inner.sum_ns + $b.inner.sum_ns), max_ns: ([$a, $b | .inner.max_ns] | max), samples_ns: ($a.inner.samples_ns + $b.inner.samples_ns)},
	outer: {sum_ns: ($a.outer.sum_ns + $b.outer.sum_ns), samples_ns: ($a.outer.samples_ns + $b.outer.samples_ns),
		count: ($a.outer.count + $b.outer.count)}
};

# Rows, and what has none, add up to the histograms.
def same_totals($name):
	expect("\($name) rows, number"; .kinds[$name].count; .roles[$name].latency.count),
	expect("\($name) rows, sum"; .kinds[$name].sum_ns; .roles[$name].latency.sum_ns);

def totals_agree:
	same_totals("client", "server"),
	expect("rows of reads, number"; .kinds.read.count; .roles.client.read_delay.count + .roles.server.read_delay.count),
	expect("rows of reads, sum"; .kinds.read.sum_ns; .roles.client.read_delay.sum_ns + .roles.server.read_delay.sum_ns);

def lossless: .losses | to_entries[] | expect("lost (\(.key))"; 0; .value);

def client_fits($client): missed as $missed | .kinds.client | fits("client latency"; $client.latency; $missed);

def server_fits($server): missed as $missed | .kinds.server | fits("server latency"; $server.latency; $missed);

def turns_fit($client; $server): client_fits($client), server_fits($server);

# Where each message was one segment and one read at either end.
def plain($client; $server):
	turns_fit($client; $server),
	(missed as $missed | .kinds.read | fits("read delay"; both_measured($client.read_delay; $server.read_delay); $missed)),
	expect("sends"; $client.sends + $server.sends; .missed.tcp_send + (.roles | .client.sends + .server.sends)),
	expect("segments"; $client.reads + $server.reads; .missed.tcp_segment + (.roles | .client.segments + .server.segments)),
	expect("reads"; $client.reads + $server.reads; .missed.tcp_read + (.roles | .client.reads + .server.reads));

# The rows of one role whose server is at that port.
def rows($role; $port): .conns | map(select(.role == $role and (if $role == "client" then .rport else .lport end) == $port));
