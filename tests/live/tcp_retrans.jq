# SPDX-License-Identifier: GPL-2.0-only
#
# What tcp_retrans saw of an interval (the lines of `diff --json`), against the kernel's counters.
# Every judgement is a stream of sentences: what was expected, what came. None: all is well.

def names: ["rto", "slow_start", "fast", "tlp", "syn", "synack"];

def add_counts: . as $rows
	| reduce (names + ["failed"])[] as $name ({}; .[$name] = ([$rows[][$name]] | add // 0));

# Of each cause, of each namespace, of the remotes, of those without a row; the losses.
def summary:
	map(select(.type == "diff" or .type == "row") | select(.map)) as $rows
	| {
		causes: ([$rows[] | select(.map == "causes") | {(.labels.cause): .}] | add),
		remotes: [$rows[] | select(.map == "remotes") | .labels + .],
		rest: ([$rows[] | select(.map == "rest")] | add_counts),
		losses: ([$rows[] | select(.map == "losses") | {(.labels.reason): .count}] | add)
	};

def counted($was; $is): $is | with_entries(.key as $netns | .value |= with_entries(.value -= ($was[$netns][.key] // 0)));

def expect($what; $want; $got): select($want != $got) | "\($what): expected \($want), got \($got)";

def between($what; $least; $most; $got):
	select(($got | type) != "number" or $got < $least or $most < $got)
	| "\($what): expected \($least)..\($most), got \($got)";

def lossless: expect("losses"; 0; .losses | add);

def at($netns): [.remotes[] | select(.netns == ($netns | tonumber))] | add_counts;

# Counts by cause, against the kernel's counters.
def like_kernel($who; $k):
	expect("\($who): RetransSegs"; $k.TcpRetransSegs; [.[names[]]] | add),
	expect("\($who): SynRetrans"; $k.TcpExtTCPSynRetrans; .syn + .synack),
	expect("\($who): RetransFail"; $k.TcpExtTCPRetransFail; .failed),
	(select(.failed == 0)
		| expect("\($who): FastRetrans"; $k.TcpExtTCPFastRetrans; .fast),
		  expect("\($who): SlowStartRetrans"; $k.TcpExtTCPSlowStartRetrans; .slow_start));

# All together are the kernel's; so are those of each namespace, when all have rows; the rows add up.
def agree($kernel):
	. as $seen
	| (([.remotes[], .rest] | add_counts)
		| like_kernel("all"; $kernel | [.[] | to_entries[]] | group_by(.key) | map({key: .[0].key, value: map(.value) | add}) | from_entries),
		  (names[] as $cause | expect("all of \($cause)"; $seen.causes[$cause].segments; .[$cause])),
		  expect("all that failed"; [$seen.causes[].failed] | add; .failed)),
	  (select([.rest[]] | add == 0)
		| ($ENV.NETNS_a, $ENV.NETNS_b) as $netns | at($netns) | like_kernel($netns; $kernel[$netns]));
