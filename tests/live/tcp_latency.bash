# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# A conversation between namespaces a and b, and what tcp_latency made of it.

HERE=${BATS_TEST_DIRNAME:-$(dirname "${BASH_SOURCE[0]}")}
for helper in traffic net assert pinscope; do
	# shellcheck source=/dev/null
	. "$HERE/$helper.bash"
done

# converse SERVER-OPTIONS CLIENT-OPTIONS [ADDR]: b answers a.
converse() {
	local address=${3:-$ADDR2}
	# shellcheck disable=SC2086
	serve server b "$address" --samples 100000 $1
	# shellcheck disable=SC2086
	ask client a "$address:${PORT[server]}" --samples 100000 $2
	served server
}

# remember: adds what both ends said to clients.json and servers.json.
remember() {
	cat "$(result client)" >>"$(result clients)"
	cat "$(result server)" >>"$(result servers)"
}

dump() {
	"$READER" dump --json tcp_latency
}

# begin: what is judged begins here. (Each `judge` is a beginning too.)
begin() {
	dump >"$BATS_FILE_TMPDIR/before.dump"
}

# since_then FILTER [CLIENT [SERVER]]: the results of FILTER, whose input is what changed since the
# beginning. $client and $server are what the two ends say ($clients and $servers where the file
# has more than one line), $port is the server's.
since_then() {
	local client server
	client=$(result "${2:-client}")
	server=$(result "${3:-server}")
	dump >"$BATS_FILE_TMPDIR/now.dump" || return
	jq -nr -L "$HERE" --slurpfile before "$BATS_FILE_TMPDIR/before.dump" \
		--slurpfile now "$BATS_FILE_TMPDIR/now.dump" \
		--slurpfile client "$client" --slurpfile server "$server" --arg port "${PORT[server]}" '
		include "judge"; include "tcp_latency";
		$client as $clients | $client[-1] as $client
		| $server as $servers | $server[-1] as $server | ($port | tonumber) as $port
		| ($before | summary) as $before | $now | summary | minus($before)
		| def plain: plain($client; $server);
		  def turns: turns_fit($client; $server);
		  def rows($role): rows($role; $port);
		  '"$1" || return
	mv "$BATS_FILE_TMPDIR/now.dump" "$BATS_FILE_TMPDIR/before.dump"
}

# judge FILTER [CLIENT [SERVER]]: the results of FILTER are sentences about what is wrong.
judge() {
	local wrong
	wrong=$(since_then "totals_agree, ($1)" "${@:2}") || return
	[[ -z $wrong ]] || {
		printf '%s\n' "$wrong"
		head -n 1 "$BATS_FILE_TMPDIR/before.dump" | jq -c '.probes[0] | {recursion_misses, losses}'
		jq -c 'del(.latency[].samples_ns, .read_delay[].samples_ns)' \
			"$(result "${2:-client}")" "$(result "${3:-server}")"
		return 1
	} >&2
}
