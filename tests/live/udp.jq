# SPDX-License-Identifier: GPL-2.0-only
#
# What udp_traffic and packet_drop show (an array of rows), against what the sockets and the kernel say.

include "judge";

# The kernel's counters, as Udp6InDatagrams, UdpInDatagrams, from the text of snmp and snmp6.
def counters($text):
	($text | split("\n")) as $lines
	| [$lines[] | select(startswith("Udp: ")) | split(" ")[1:]] as $udp
	| [($udp | transpose[] | {key: "Udp\(.[0])", value: .[1]}),
	   ($lines[] | capture("^(?<key>Udp6\\w+)\\s+(?<value>\\d+)$"))]
	| map(.value |= tonumber) | from_entries;

def minus($now; $before): $now | with_entries(.value -= $before[.key]);

def sockets($netns; $port): map(select(.map == "sockets" and .labels.netns == $netns and .labels.lport == $port));

# The newest one with that port; its labels beside its numbers.
def row($netns; $port): sockets($netns; $port) | max_by(.labels.first_seen_ns) | . + .labels;

# An end's row says what the end did, and what $also says.
def fits($said; $name; $netns; $port; $also):
	row($netns; $port) as $row
	| ($said + $also | del(.timed) | to_entries[] | expect("\(.key) of \($name)"; .value; $row[.key])),
	  expect("delays of \($name)"; $also.timed // $row.received; $row.read_delay.count);

def loss($reason): map(select(.map == "losses" and .labels.reason == $reason))[0].count;

def lossless: map(select(.map == "losses" and .count > 0)) | expect("losses"; []; .);

# ---- packet_drop

def total: {packets: (map(.packets) | add // 0), bytes: (map(.bytes) | add // 0)};

# Drops for that reason (where the kernel has reasons) in a function whose name begins so, since $before.
def dropped($before; $reason; $place; $ethertype; $protocol):
	def these: map(select(.map == "drops" and (.labels | .ethertype == $ethertype and .protocol == $protocol
		and (.reason // $reason) == $reason and (.location | test("^(\($place))[+]0x[0-9a-f]+( \\[.*\\])?$")))));
	(these | total) as $now | ($before | these | total) as $was
	| {packets: ($now.packets - $was.packets), bytes: ($now.bytes - $was.bytes)};
