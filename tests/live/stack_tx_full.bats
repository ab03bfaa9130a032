#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# stack_tx with room for 4 packets and 1 writer, and then for 2 series: what is lost is counted, and nothing
# else is lost. The namespaces are drawn in stack_tx.bats; here both have a queue, so that each packet has a stage.

# shellcheck disable=SC2016,SC2153,SC2154 # variables of jq, traffic.bash and net.bash

bats_require_minimum_version 1.5.0

setup_file() {
	load stack_tx.bash
	need_traffic
	net_up a b
	PINSCOPE_OBJECTS=$ROOT/build/fixture probe_load stack_tx_few
}

teardown_file() {
	load stack_tx.bash
	net_down
	probe_unload stack_tx
	probe_unload stack_tx_few
}

setup() {
	load stack_tx.bash
}

teardown() {
	traffic_stop
}

flood() {
	begin
	serve server b "$ADDR2" --conns 20
	ask_meanwhile client a "$ADDR2:${PORT[server]}" --conns 20 --requests 2
	datagrams a "$ADDR2" 40
	served client server
}

@test "a flood through small tables loses what it says, and no more" {
	net_shape a netem delay 100ms limit 100000
	net_shape b netem delay 1ms limit 100000
	local -x PROBE=stack_tx_few
	taskset -cp 0 $$ >/dev/null # two processors that write one place at once lose more than they can say
	flood
	judge '.losses as $losses | .series
		| expect("packets of both interfaces, timed or lost"; $of_a.packets + $of_b.packets; count("total") + $losses.untimed),
		least("lost"; 40; $losses.untimed), least("not lost"; 10; count("total")),
		most("data of which no write is known"; $losses.unwritten;
			map(select(.labels.kind == "data")) | count("total") - count("socket")),
		expect("other losses"; 0; $losses.table_full + $losses.backwards)'
}

@test "without a row a packet is in the rest" {
	probe_unload stack_tx_few
	probe_load stack_tx --map-entries series=2
	flood
	judge '.losses as $losses | .series
		# Of so many that wait in a queue, now and then two have one place.
		| expect("packets of both interfaces, timed or lost"; $of_a.packets + $of_b.packets; count("total") + $losses.untimed),
		expect("in the rest"; $losses.table_full; rest | count("total")), least("in the rest"; 1; $losses.table_full),
		expect("series"; 2; map(select(.labels.interface != "rest")) | length),
		expect("other losses"; 0; $losses.unwritten + $losses.backwards)'
}
