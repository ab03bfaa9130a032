# SPDX-License-Identifier: GPL-2.0-only
#
# What tcp_retrans counted, against the kernel's counters.

include "judge";
include "counters";

def names: ["rto", "slow_start", "fast", "tlp", "syn", "synack"];

def add_counts: sums(names + ["failed"]);

def summary: {causes: by("causes"; "cause"), remotes: rows("remotes"), rest: (rows("rest") | add_counts), losses: losses};

# Counts by cause, against the kernel's counters. What tail loss probes sent again has none there,
# and is what remains.
def like_kernel($who; $k):
	expect("\($who): RetransSegs"; $k.TcpRetransSegs; [.[names[]]] | add),
	# A timer sends one segment. (It counts for SYN-ACKs too, but a second SYN also brings one.)
	(select(.synack == 0) | expect("\($who): Timeouts"; $k.TcpExtTCPTimeouts; .rto + .syn)),
	expect("\($who): SynRetrans"; $k.TcpExtTCPSynRetrans; .syn + .synack),
	expect("\($who): RetransFail"; $k.TcpExtTCPRetransFail; .failed),
	(select(.failed == 0)
		| expect("\($who): FastRetrans"; $k.TcpExtTCPFastRetrans; .fast),
		  expect("\($who): SlowStartRetrans"; $k.TcpExtTCPSlowStartRetrans; .slow_start));

# All together are the kernel's; so are those of each namespace, when all have rows; the rows add up.
def agree($kernel):
	. as $seen
	| (([.remotes[], .rest] | add_counts)
		| like_kernel("all"; $kernel | together),
		  (names[] as $cause | expect("all of \($cause)"; $seen.causes[$cause].segments; .[$cause])),
		  expect("all that failed"; [$seen.causes[].failed] | add; .failed)),
	  (select([.rest[]] | add == 0)
		| ($ENV.NETNS_a, $ENV.NETNS_b) as $netns
		| [.remotes | at($netns; true)] | add_counts | like_kernel($netns; $kernel[$netns]));
