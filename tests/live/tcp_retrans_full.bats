#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# tcp_retrans with 8 rows for remotes and 128 places for first transmissions: what has no place of its
# own is missing there and counted as that, and totals are right. The namespaces are drawn in tcp_retrans.bats.

# bats file_tags=once

# shellcheck disable=SC2016 # jq's variables

bats_require_minimum_version 1.5.0

setup_file() {
	load tcp_retrans.bash
	need_traffic
	net_up a b
	probe_load tcp_retrans --map-entries remotes=8 --map-entries firsts=128
	for module in sch_netem sch_ingress cls_u32 act_gact; do
		net_module "$module"
	done
}

teardown_file() {
	load tcp_retrans.bash
	net_down
	probe_unload tcp_retrans
}

setup() {
	load tcp_retrans.bash
	begin
}

teardown() {
	traffic_stop
	no_loss
}

@test "of more segments than can be remembered the later times are lost, and counted" {
	local before
	before=$(segments rto)
	drop b ingress 64 drop
	serve server b "$ADDR2" --conns 150
	ask_meanwhile client a "$ADDR2:${PORT[server]}" --conns 150
	wait_for more_than rto $((before + 149))
	no_loss
	served client server
	judge 'between("times lost"; 22; 1000; .losses.no_memory),
		expect("times"; [.causes[].segments] | add; ([.causes[].delay.count] | add) + .losses.no_memory)'
}

@test "remotes that find no row are counted in the rest" {
	local before
	before=$(segments syn)
	tc -n "$NET_ID-a" qdisc add dev lo root netem loss 100%
	background dial a bash -c 'for i in {1..12}; do (: </dev/tcp/127.0.1.$i/9) 2>/dev/null & done; wait'
	wait_for more_than syn $((before + 11))
	on a ss -K state syn-sent >/dev/null
	served dial
	tc -n "$NET_ID-a" qdisc del dev lo root
	judge 'expect("rows"; 7; [.remotes[] | select(.remote | startswith("127.0.1."))] | length),
		between("rest"; 5; 64; .rest.syn), expect("without a row"; .rest.syn; .losses.table_full)'
	assert_eq "lines of text" 9 "$(wc -l <"$(pin_root)/tcp_retrans/remotes")"
}
