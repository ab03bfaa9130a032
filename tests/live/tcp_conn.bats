#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# tcp_conn against what applications moved, what ss(8) and the kernel's counters say, and
# how connections were made to end:
#
#      namespace a                     namespace b
#    +----------------+              +----------------+
#    | traffic client |----- veth ---| traffic server |
#    |                |              |      older :7790 (one connection, open since before load)
#    +----------------+              +----------------+
#
# Namespaces c and d, with the same addresses, are drawn in net.bash.

# shellcheck disable=SC2016,SC2154 # jq's variables; exported by net.bash

bats_require_minimum_version 1.5.0

setup_file() {
	load tcp_conn.bash
	need_traffic
	net_up a b
	net_up c d
	export OLDER="$BATS_FILE_TMPDIR/older"
	serve older b "$ADDR2:7790" --conns 1 --request 1000 --answer 3000 --deadline 3600
	background older_client a "$TRAFFIC" client --connect "$ADDR2:7790" --bind "$ADDR1:7791" --deadline 3600 \
		--requests 2 --request 1000 --answer 3000 --interval 3600000000000
	wait_for has_answer
	echo "${SERVER[older]} ${SERVER[older_client]}" >"$OLDER"
	PINSCOPE_GROUP=$(getent group 65534 | cut -d: -f1) probe_load tcp_conn --map-entries conns=512
	export FENTRY=0
	[[ ! -e $(pin_root)/tcp_conn/links/tcp_accept ]] || FENTRY=1
}

has_answer() {
	on a ss -tnHOi 'sport = :7791' | grep -q ' bytes_received:3000 '
}

teardown_file() {
	load tcp_conn.bash
	local pids
	read -ra pids <"$OLDER" && kill "${pids[@]}"
	net_down
	probe_unload tcp_conn
}

setup() {
	load tcp_conn.bash
	BPFFS=${PINSCOPE_BPFFS:-/sys/fs/bpf}
	BPFFS_MODE=$(stat -c %a "$BPFFS")
}

teardown() {
	traffic_stop
	chmod "$BPFFS_MODE" "$BPFFS"
}

@test "connections that are older than the probe are there, with owner, role and bytes" {
	local pid client_pid
	read -r pid client_pid <"$OLDER"
	assert_eq "client" "[\"$ADDR1\",7791,\"$ADDR2\",7790,$NETNS_a,$client_pid,\"traffic\",\"established\",1000,3000]" \
		"$(of_port 7790 client | jq -c '[.local, .lport, .remote, .rport, .netns, .pid, .comm, .state, .bytes_sent, .bytes_received]')"
	assert_eq "server" "[\"$ADDR2\",7790,\"$ADDR1\",7791,$NETNS_b,$pid,\"traffic\",\"established\",3000,1000]" \
		"$(of_port 7790 server | jq -c '[.local, .lport, .remote, .rport, .netns, .pid, .comm, .state, .bytes_sent, .bytes_received]')"
}

# judge_moved: of the conversations in clients.json and servers.json, the rows whose bytes are not those that
# an end counted itself; with the addresses of the others.
judge_moved() {
	conns --filter state=closed | jq -nc --slurpfile clients "$(result clients)" --slurpfile servers "$(result servers)" '
		[inputs] as $rows
		| ($clients[] | {role: "client", port: .peer_port, ends: [.local, .peer]} + .),
			($servers[] | {role: "server", port: .local_port, ends: [.local, .peer]} + .)
		| . as $moved | [$rows[] | select(.role == $moved.role and (if .role == "client" then .rport else .lport end) == $moved.port)]
		| [([.[] | .local, .remote] | unique), length, (map(.bytes_sent - .bytes_retrans) | add), (map(.bytes_received) | add)]
		| select(. != [($moved.ends | map(ltrimstr("::ffff:")) | unique), $moved.conns, $moved.sent_bytes, $moved.received_bytes])
		| {$moved, rows: .}'
}

@test "bytes are what the applications moved, over IPv4, IPv6 and IPv4 through IPv6 sockets" {
	local address ports=()
	for address in "$ADDR2" "[$ADDR2_6]" "[::ffff:$ADDR2]"; do
		converse "--conns 2 --request 1000 --answer 70000" "--conns 2 --requests 3 --request 1000 --answer 70000" "$address"
		cat "$(result client)" >>"$(result clients)"
		cat "$(result server)" >>"$(result servers)"
		ports+=("${PORT[server]}")
	done
	all_closed "${ports[@]}"
	assert_eq "conversations" 3 "$(wc -l <"$(result servers)")"
	assert_nothing "rows with other bytes" judge_moved
}

# same_as_ss: the open connections to the server, at both ends, every column.
same_as_ss() {
	local ss
	ss=$(ss_says "$1" "${PORT[server]}") && [[ -n $ss ]] || return # no errexit within wait_for
	assert_eq "rows in $1" "$ss" "$(we_say "$1" "${PORT[server]}" "${ss%%$'\n'*}")"
}

@test "an open connection has the numbers that ss shows, and the retransmissions the kernel counts" {
	local before_a before_b
	before_a=$(retransmitted a)
	before_b=$(retransmitted b)
	serve server b "$ADDR2" --request 20000 --answer 60000
	ask_in_rounds client a "$ADDR2:${PORT[server]}" --requests 10 --request 20000 --answer 60000
	net_shape a netem delay 2ms loss 5%
	net_shape b netem delay 3ms loss 10% reorder 10%
	wait_for both_retransmit "$before_a" "$before_b"
	tc -n "$NET_ID-a" qdisc del dev ve0 root
	tc -n "$NET_ID-b" qdisc del dev ve0 root
	ask_again client # acknowledges the last
	wait_for same_as_ss a
	wait_for same_as_ss b
	wait_for same_windows
	assert_eq "retransmissions of a" $(($(retransmitted a) - before_a)) "$(of_port "${PORT[server]}" client | sum retrans)"
	assert_eq "retransmissions of b" $(($(retransmitted b) - before_b)) "$(of_port "${PORT[server]}" server | sum retrans)"
	ask_no_more client
	served server
}

# same_windows: what one end may receive is what the other may send.
same_windows() {
	{ of_port "${PORT[server]}" client && of_port "${PORT[server]}" server; } |
		jq -es 'length == 2 and .[0].rcv_wnd_bytes == .[1].snd_wnd_bytes and .[1].rcv_wnd_bytes == .[0].snd_wnd_bytes' >/dev/null
}

# One more round, until there were some at both ends.
both_retransmit() {
	ask_again client && (($(retransmitted a) > $1 && $(retransmitted b) > $2))
}

retransmitted() {
	on "$1" nstat -asz TcpRetransSegs | awk '$1 == "TcpRetransSegs" { print $2 }'
}

probes_sent() {
	on a nstat -asz TcpExtTCPWinProbe | awk '$1 == "TcpExtTCPWinProbe" { print $2 }'
}

two_probes() {
	(($(probes_sent) >= $1 + 2))
}

# While there may be one more.
same_probes() {
	assert_eq "probes" $(($(probes_sent) - $1)) "$(of_port "${PORT[server]}" client | jq .zero_window_probes)"
}

@test "a reader that stops: what is unread and unsent, and the probes of its window" {
	local before
	before=$(probes_sent)
	serve server b "$ADDR2" --request 3000000 --answer 0 --rcvbuf 20000 --read-delay 3600000000000
	ask_meanwhile client a "$ADDR2:${PORT[server]}" --request 3000000 --answer 0
	wait_for two_probes "$before"
	((!FENTRY)) || wait_for same_probes "$before"
	wait_for same_as_ss a
	wait_for same_as_ss b
	assert_between "unread" 1 3000000 "$(of_port "${PORT[server]}" server | jq .recv_q_bytes)"
	assert_between "not sent" 1 3000000 "$(of_port "${PORT[server]}" client | jq .notsent_bytes)"
}

@test "a delay on the cable is in the round trips and the handshake" {
	local name row column begin
	begin=${EPOCHREALTIME/[.,]/}
	net_shape b netem delay 10ms
	converse "" "--requests 3"
	tc -n "$NET_ID-b" qdisc del dev ve0 root
	all_closed
	for name in client server; do
		row=$(of_port "${PORT[server]}" "$name")
		for column in rtt_ns min_rtt_ns; do
			assert_between "$column ($name)" 10000000 "$(got "$name" .elapsed_ns)" "$(jq ".$column" <<<"$row")" "$row"
		done
		# The requests behind it take 30 ms.
		assert_between "handshake ($name)" 10000000 $(($(got client .elapsed_ns) - 30000000)) "$(jq .handshake_ns <<<"$row")" "$row"
		assert_between "lifetime ($name)" 30000000 $(((${EPOCHREALTIME/[.,]/} - begin) * 1000)) "$(jq .lifetime_ns <<<"$row")" "$row"
	done
}

@test "the owner is who connected and who accepted, in its cgroup and namespace, whoever uses it later" {
	local root cgroup
	root=$(findmnt -n -t cgroup2 -o TARGET | head -n 1)
	[[ -n $root ]] || skip "no cgroup2 is mounted"
	mkdir "$root/pinscope-test-$$"
	cgroup=$(stat -c %i "$root/pinscope-test-$$")
	serve server d "$ADDR2"
	# The shell that connects goes into the cgroup first; its child has the last word.
	on c bash -c 'echo $$ >"$1/cgroup.procs"; echo $$; exec 3<>"/dev/tcp/$2/$3"; (printf "%64s" >&3; head -c 64 <&3 >/dev/null; exec sleep 0)' \
		bash "$root/pinscope-test-$$" "$ADDR2" "${PORT[server]}" >"$BATS_TEST_TMPDIR/pid"
	served server
	all_closed
	rmdir "$root/pinscope-test-$$"
	assert_eq "client" "[$(<"$BATS_TEST_TMPDIR/pid"),\"bash\",$cgroup,$NETNS_c,64,64]" \
		"$(of_port "${PORT[server]}" client | jq -c '[.pid, .comm, .cgroup, .netns, .bytes_sent, .bytes_received]')"
	((FENTRY)) || return 0 # the server's end was closed before anybody looked
	assert_eq "server" "[$(got server .pid),\"traffic\",$(stat -c %i "$root"),$NETNS_d]" \
		"$(of_port "${PORT[server]}" server | jq -c '[.pid, .comm, .cgroup, .netns]')"
}

# ends PORT: how its connections ended, the client's and the server's.
ends() {
	all_closed "$1"
	echo "$(of_port "$1" client | jq -r .reason) $(of_port "$1" server | jq -r .reason)"
}

# shell_connect PORT [COMMAND]: from a, as descriptor 3.
shell_connect() {
	on a bash -c "exec 3<>/dev/tcp/$ADDR2/$1 && ${2-:}" 2>/dev/null
}

@test "whoever sends the first FIN, and resets at both ends, are told apart" {
	converse "" ""
	assert_eq "client closes" "local_fin remote_fin" "$(ends "${PORT[server]}")"
	converse "" "--end reset"
	assert_eq "client resets" "aborted reset" "$(ends "${PORT[server]}")"
	serve server b "$ADDR2"
	shell_connect "${PORT[server]}" 'printf %64s >&3; read -r -t 5 -n 1 -u 3'
	served server
	assert_eq "closed with unread data" "aborted reset" "$(ends "${PORT[server]}")"
}

@test "refused, timed out and unreachable connects are told apart" {
	local before now syns
	before=$("$READER" dump --json --map totals tcp_conn)
	run -1 shell_connect 7999
	assert_eq "refused" refused "$(of_port 7999 client | jq -r .reason)"
	net_sysctl a net.ipv4.neigh.ve0.mcast_solicit=1
	net_sysctl a net.ipv4.neigh.ve0.retrans_time_ms=100
	run -1 on a bash -c 'exec 3<>/dev/tcp/10.77.0.99/7998' 2>/dev/null
	assert_eq "unreachable" unreachable "$(of_port 7998 client | jq -r .reason)"
	net_sysctl a net.ipv4.tcp_syn_retries=1
	ip -n "$NET_ID-a" neigh replace 10.77.0.98 lladdr 02:00:00:00:00:01 dev ve0
	syns=$(retransmitted a)
	run -1 on a bash -c 'exec 3<>/dev/tcp/10.77.0.98/7997' 2>/dev/null
	assert_eq "timed out" "[\"timed_out\",$(($(retransmitted a) - syns))]" "$(of_port 7997 client | jq -c '[.reason, .retrans]')"
	now=$("$READER" dump --json --map totals tcp_conn)
	assert_eq "totals" '{"error":0,"refused":1,"timed_out":1,"unreachable":1}' \
		"$(jq -Sc -n --slurpfile a <(echo "$before") --slurpfile b <(echo "$now") '
			def client: map(select(.labels.role? == "client"))[0];
			($a | client) as $a | $b | client | {error, refused, timed_out, unreachable} | with_entries(.value -= $a[.key])')"
}

# runs: how often the probe's programs ran, but for the iterator that scans.
runs() {
	pinscope status --json | jq '[.programs[] | select(.name != "conns_scan").run_cnt] | add'
}

@test "nothing runs per packet" {
	local before
	echo 1 >/proc/sys/kernel/bpf_stats_enabled
	serve server b "$ADDR2"
	ask_in_rounds client a "$ADDR2:${PORT[server]}" --requests 100
	ask_again client
	before=$(runs)
	assert_between "runs for a connection" 4 1000000 "$before"
	ask_again client
	assert_eq "runs" "$before" "$(runs)"
	assert_eq "sent" 12800 "$(of_port "${PORT[server]}" client | jq .bytes_sent)"
	ask_no_more client
	served server
	echo 0 >/proc/sys/kernel/bpf_stats_enabled
}

# bats test_tags=once
@test "members of the group need nothing but permission on the files" {
	local root
	root=$(pin_root)/tcp_conn
	chmod 0711 "$BPFFS"
	converse "" ""
	on a setpriv --reuid 65534 --regid 65534 --clear-groups cat "$root/links/conns_scan"
	on a setpriv --reuid 65534 --regid 65534 --clear-groups cat "$root/conns_rows" >"$BATS_TEST_TMPDIR/rows"
	on a setpriv --reuid 65534 --regid 65534 --clear-groups cat "$root/conns" | grep -F ":${PORT[server]} "
	assert_between "bytes of rows" 1000 10000000 "$(stat -c %s "$BATS_TEST_TMPDIR/rows")"
	run -1 on a setpriv --reuid 65533 --regid 65533 --clear-groups cat "$root/conns_rows"
}

# bats test_tags=once
@test "cat shows the rows that dump shows" {
	converse "" "--requests 3" "[$ADDR2_6]"
	all_closed
	diff <(awk '$5 == "closed" { print $1, $4, $5, $6, $7, $8, $9, $10, $11, $15 }' "$(pin_root)/tcp_conn/conns" | sort) \
		<(conns --filter state=closed | jq -r '"\(.netns) \(.role) \(.state) \(.reason) \(.pid) \(if .comm == "" then "-" else .comm end) \(.bytes_sent) \(.bytes_received) \(.retrans) \(.send_q_bytes)"' | sort)
	grep -E "^[0-9]+ \[fd77:[0:]*1\]:$(got client .local_port) \[fd77:[0:]*2\]:${PORT[server]} client closed local_fin " "$(pin_root)/tcp_conn/conns"
}

# bats test_tags=once
@test "a window clamp is what the socket says that it is" {
	serve server b "$ADDR2"
	# shellcheck disable=SC2016 # Perl's
	background clamped a perl -MSocket -e '$| = 1; socket(S, PF_INET, SOCK_STREAM, 0);
		connect(S, pack_sockaddr_in($ARGV[1], inet_aton($ARGV[0]))) && setsockopt(S, 6, 10, pack("i", 20000)) or die;
		print unpack("i", getsockopt(S, 6, 10)), "\n"; sleep 1000' "$ADDR2" "${PORT[server]}"
	wait_for test -s "$(result clamped)"
	assert_eq "clamp" "$(<"$(result clamped)")" "$(of_port "${PORT[server]}" client | jq .window_clamp_bytes)"
	assert_between "clamp" 1 20000 "$(<"$(result clamped)")"
}

# bats test_tags=once
@test "the slowest connections stand first" {
	local delay
	for delay in 1 20; do
		net_shape b netem delay "${delay}ms"
		converse "" "--bind $ADDR1:$((7700 + delay))"
	done
	tc -n "$NET_ID-b" qdisc del dev ve0 root
	# A closed row stays until its place is needed: the last one is there, and others.
	conns --sort min_rtt --filter role=client |
		jq -es 'any(.lport == 7720) and length >= 2 and (map(.min_rtt_ns) | . == (sort | reverse))'
}

# closed_rows PORT <TSV: bytes of each closed row, the first copy of each byte counted; no connection stands twice.
closed_rows() {
	awk -F'\t' -v port="$1" '
		NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
		seen[$at["local"], $at["lport"], $at["remote"], $at["rport"], $at["netns"], $at["first_seen_ns"]]++ { print "twice: " $0; exit 1 }
		$at["state"] == "closed" && ($at["lport"] == port || $at["rport"] == port) {
			print $at["bytes_sent"] - $at["bytes_retrans"], $at["bytes_received"] }'
}

# bats test_tags=once
@test "while connections come and go, each has one row, and the closed ones their final bytes" {
	local i
	serve server b "$ADDR2" --conns 0
	ask_meanwhile client a "$ADDR2:${PORT[server]}" --conns 1000000 --parallel 4
	for i in 1 2 3 4 5 6 7 8 9 10; do
		"$READER" dump --tsv --map conns tcp_conn >"$BATS_TEST_TMPDIR/$i"
		closed_rows "${PORT[server]}" <"$BATS_TEST_TMPDIR/$i" >>"$BATS_TEST_TMPDIR/closed"
	done
	assert_between "rows" 100 1000000 "$(wc -l <"$BATS_TEST_TMPDIR/closed")"
	assert_eq "their bytes" "64 64" "$(sort -u "$BATS_TEST_TMPDIR/closed")"
}

# bats test_tags=peer
@test "tcplife sees the same connections and bytes" {
	type -P tcplife >/dev/null || skip "no tcplife here"
	background tcplife - stdbuf -oL tcplife
	wait_for -t 60 tcplife_is_ready
	converse "--conns 3 --request 2048 --answer 65536" "--conns 3 --requests 2 --request 2048 --answer 65536"
	all_closed
	wait_for tcplife_has 6
	diff <(awk -v port="${PORT[server]}" '$4 == port || $6 == port { print $4, $6, $7, $8 }' "$(result tcplife)" | sort) \
		<(conns | jq -r --argjson port "${PORT[server]}" 'select(.lport == $port or .rport == $port)
			| "\(.lport) \(.rport) \((.bytes_sent - .bytes_retrans) / 1024).00 \(.bytes_received / 1024).00"' | sort)
}

tcplife_is_ready() {
	grep -q TX_KB "$(result tcplife)"
}

tcplife_has() {
	(($(awk -v port="${PORT[server]}" '$4 == port || $6 == port' "$(result tcplife)" | wc -l) == $1))
}
