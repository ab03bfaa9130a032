# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Connections between namespaces, and the rows tcp_conn has of them.

HERE=${BATS_TEST_DIRNAME:-$(dirname "${BASH_SOURCE[0]}")}
for helper in traffic net assert pinscope; do
	# shellcheck source=/dev/null
	. "$HERE/$helper.bash"
done

# conns [OPTION...]: the rows, one JSON object each, flat.
conns() {
	"$READER" dump --json --map conns "$@" tcp_conn |
		jq -c 'select(.type == "row") | .labels + del(.type, .probe, .map, .labels)'
}

# of_port PORT ROLE [OPTION...]: the rows of one end of the connections to that port.
of_port() {
	local at=$1 role=$2 side=lport
	[[ $role == server ]] || side=rport
	shift 2
	conns --filter "$side=$at" --filter "role=$role" "$@"
}

# field MAP ROLE NAME: of `rest` or `totals`.
field() {
	"$READER" dump --json --map "$1" --filter "role=$2" tcp_conn | jq "select(.type == \"row\").$3"
}

# sum NAME: over the rows on stdin.
sum() {
	jq -s "map(.$1) | add // 0"
}

none_open() {
	conns --filter 'state!=closed' |
		jq -se '[.[] | select([.lport, .rport] | any(tostring | IN($ARGS.positional[])))] == []' --args "$@" >/dev/null
}

# all_closed [PORT...]: when the kernel has ended every connection to those ports.
all_closed() {
	(($#)) || set -- "${PORT[server]}"
	wait_for none_open "$@"
}

# shellcheck disable=SC2016 # jq's variables
# Lines of `ss -tanHOie` as rows with tcp_conn's names; ss leaves out what is 0.
SS='
	def text($name): (capture("(^| )" + $name + "[: ](?<v>[0-9./]+)") // {v: "0"}).v;
	def number($name): text($name) | tonumber;
	def ns: tonumber * 1000000 | round;
	def endpoint: capture("^\\[?(::ffff:)?(?<address>.*?)\\]?:(?<port>[0-9]+)$") | [.address, (.port | tonumber)];
	[splits(" +")] as $words | ($words[3] | endpoint) as $local | ($words[4] | endpoint) as $remote
	| (text("rtt") | split("/")) as $rtt
	| {local: $local[0], lport: $local[1], remote: $remote[0], rport: $remote[1],
		state: {"ESTAB": "established", "CLOSE-WAIT": "close_wait", "FIN-WAIT-2": "fin_wait2"}[$words[0]],
		congestion: [$words[] | select(IN("cubic", "reno", "bbr"))][0],
		recv_q_bytes: ($words[1] | tonumber), send_q_bytes: ($words[2] | tonumber),
		rtt_ns: ($rtt[0] | ns), rttvar_ns: ($rtt[1] | ns), min_rtt_ns: (text("minrtt") | ns),
		rcv_rtt_ns: (text("rcv_rtt") | ns), delivery_rate_bytes: (number("delivery_rate") / 8),
		retrans: (text("retrans") | split("/") | last | tonumber), mss_bytes: number("mss"),
		notsent_bytes: number("notsent"), snd_wnd_bytes: number("snd_wnd"), ssthresh: (number("ssthresh") | if . == 0 then 2147483647 else . end)}
	+ (. as $line | ["cwnd", "bytes_sent", "bytes_acked", "bytes_received", "bytes_retrans", "segs_out", "segs_in",
		"data_segs_out", "data_segs_in", "unacked", "lost", "dsack_dups", "reord_seen", "rcv_ooopack"]
		| map({(.): (. as $name | $line | number($name))}) | add)'

# ss_says NAMESPACE PORT: the open connections to or from that port.
ss_says() {
	on "$1" ss -tanHOie "( sport = :$2 or dport = :$2 )" | grep -v '^LISTEN' | jq -SRc "$SS" | sort
}

# we_say NAMESPACE PORT LIKE: the same rows, with the columns of LIKE. ss has times in whole us.
we_say() {
	conns --filter "netns=$(netns_of "$1")" --filter 'state!=closed' | jq -Sc --argjson port "$2" --argjson like "$3" '
		select(.lport == $port or .rport == $port) | with_entries(select(.key as $key | $like | has($key)))
		| with_entries(if .key | endswith("_ns") then .value |= (. / 1000 | floor) * 1000 else . end)' | sort
}
