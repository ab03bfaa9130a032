# SPDX-License-Identifier: GPL-2.0-only
#
# What tcp_window counted, against the kernel's counters.

include "judge";
include "counters";

def add_stats: sums(["closed", "clamped", "peer_closed", "probes", "closed_time_ns"]);

def summary: {durations: by("durations"; "window"), conns: rows("conns"), rest: (rows("rest") | add_stats), losses: losses};

# The kernel counts what rode on data, too. Of many windows one in ten may be such (not proved: 8 of 9 and
# 20 of 21 were seen, twice); of fewer than ten none.
def nearly($what; $k; $seen): between($what; $k - ($k / 10 | floor); $k; $seen);

def like_kernel($who; $k):
	nearly("\($who): ToZeroWindowAdv"; $k.TcpExtTCPToZeroWindowAdv; .closed),
	expect("\($who): WinProbe"; $k.TcpExtTCPWinProbe; .probes);

def agree($kernel):
	. as $seen
	| (([.conns[], .rest] | add_stats)
		| like_kernel("all"; $kernel | together),
		  expect("all that was closed"; .closed; $seen.durations.closed.count),
		  expect("time closed"; .closed_time_ns; $seen.durations.closed.sum_ns),
		  expect("all probes"; .probes; $seen.durations.probed.count)),
	  (select([.rest[]] | add == 0)
		| ($ENV.NETNS_a, $ENV.NETNS_b) as $netns
		| [.conns | at($netns; true)] | add_stats | like_kernel($netns; $kernel[$netns]));

# Each of our windows was opened again before its connection ended.
def reopened($kernel): nearly("FromZeroWindowAdv"; $kernel | together.TcpExtTCPFromZeroWindowAdv; .durations.closed.count);
