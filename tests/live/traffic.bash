# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Conversations over TCP and what their two ends say about them.
#
# Each end has a name; what it reported is in NAME.json. PLACE is where it runs: a network
# namespace of net.bash (a, b, c or d), or - for this one.

ROOT=${ROOT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)}
# shellcheck source=tests/live/quick.bash
. "$ROOT/tests/live/quick.bash"
# shellcheck source=tests/live/wait.bash
. "$ROOT/tests/live/wait.bash"
TRAFFIC=$ROOT/build/tests/traffic
declare -gA SERVER=() PORT=()
IN=()
# Emulated guests are slow, and share what they run on.
TRAFFIC_DEADLINE=${TRAFFIC_DEADLINE:-120}

need_traffic() {
	[[ -x $TRAFFIC ]] || make -s -C "$ROOT" build/tests/traffic
}

# place PLACE: IN is what to put before a command that runs there. (No function: $! would be a shell.)
place() {
	IN=()
	[[ $1 == - ]] || IN=(nsenter --net="$(netns_path "$1")" --)
}

result() {
	echo "$BATS_FILE_TMPDIR/$1.json"
}

# new_port PLACE: NEW_PORT. In a namespace it is none that was used before, because the rows of what is closed are found by their
# port, too; here (0) it is any that is free.
new_port() {
	local file=$BATS_FILE_TMPDIR/port
	NEW_PORT=0
	[[ $1 != - ]] || return 0
	NEW_PORT=20000
	[[ ! -e $file ]] || read -r NEW_PORT <"$file"
	echo $((NEW_PORT += 1)) >"$file"
}

# serve NAME PLACE ADDR[:PORT] [OPTION...]: returns when it listens, on port ${PORT[NAME]}.
serve() {
	local name=$1 where=$2 address=$3 fifo=$BATS_FILE_TMPDIR/$1.ready fd
	shift 3
	[[ $address =~ ([^:]|\]):[0-9]+$ ]] || { new_port "$where" && address+=:$NEW_PORT; }
	rm -f "$fifo" && mkfifo "$fifo"
	exec {fd}<>"$fifo"
	place "$where"
	"${IN[@]}" "$TRAFFIC" server --listen "$address" --ready "$fifo" \
		--deadline "$TRAFFIC_DEADLINE" "$@" >"$(result "$name")" 3>&- {fd}>&- &
	SERVER[$name]=$!
	read -r -t "$TRAFFIC_DEADLINE" -u "$fd" "PORT[$name]" || PORT[$name]=''
	exec {fd}>&-
	rm -f "$fifo"
	[[ -n ${PORT[$name]} ]] || { echo "server $name did not start" >&2 && return 1; }
}

# ask NAME PLACE ADDR:PORT [OPTION...]
ask() {
	local name=$1 where=$2 address=$3
	shift 3
	place "$where"
	"${IN[@]}" "$TRAFFIC" client --connect "$address" --deadline "$TRAFFIC_DEADLINE" "$@" \
		>"$(result "$name")" 3>&-
}

# background NAME PLACE COMMAND...: until it ends, `served NAME`, or the test is over; its output is NAME.json.
background() {
	local name=$1
	place "$2"
	shift 2
	"${IN[@]}" "$@" >"$(result "$name")" 3>&- &
	SERVER[$name]=$!
}

# converse SERVER-OPTIONS CLIENT-OPTIONS [ADDR]: a asks b, over IPv4 unless ADDR says otherwise.
converse() {
	local address=${3:-$ADDR2}
	# shellcheck disable=SC2086
	serve server b "$address" $1
	# shellcheck disable=SC2086
	ask client a "$address:${PORT[server]}" $2
	served server
}

# ask_meanwhile NAME PLACE ADDR:PORT [OPTION...]: as ask, in the background.
ask_meanwhile() {
	background "$1" "$2" "$TRAFFIC" client --connect "$3" --deadline "$TRAFFIC_DEADLINE" "${@:4}"
}

# served NAME...: waits for what was started.
served() {
	local name
	for name; do
		wait "${SERVER[$name]}" || { echo "server $name failed" >&2 && return 1; }
		unset "SERVER[$name]"
	done
}

# ask_in_rounds NAME PLACE ADDR:PORT [OPTION...]: a client that stays; each `ask_again NAME` is a round.
ask_in_rounds() {
	local name=$1 where=$2 address=$3 in=$BATS_FILE_TMPDIR/$1.in out=$BATS_FILE_TMPDIR/$1.out
	shift 3
	rm -f "$in" "$out" && mkfifo "$in" "$out"
	place "$where"
	"${IN[@]}" "$TRAFFIC" client --connect "$address" --deadline "$TRAFFIC_DEADLINE" --rounds "$@" \
		<"$in" >"$out" 3>&- &
	SERVER[$name]=$!
	exec {ROUND_IN}>"$in" {ROUND_OUT}<"$out"
	rm -f "$in" "$out"
}

# ask_again NAME: one round; what happened up to now is in NAME.json. (One such client at a time.)
ask_again() {
	local line
	echo >&"$ROUND_IN"
	read -r -t "$TRAFFIC_DEADLINE" -u "$ROUND_OUT" line || return
	echo "$line" >"$(result "$1")"
}

# ask_no_more NAME: it closes its connections and ends.
ask_no_more() {
	exec {ROUND_IN}>&-
	cat <&"$ROUND_OUT" >"$(result "$1")"
	exec {ROUND_OUT}<&-
	served "$1"
}

# got NAME FILTER: what that end says.
got() {
	jq -r "$2" "$(result "$1")"
}

# traffic_stop: whatever a failed test left running.
traffic_stop() {
	local name
	for name in "${!SERVER[@]}"; do
		kill "${SERVER[$name]}" 2>/dev/null || true
		wait "${SERVER[$name]}" 2>/dev/null || true
	done
	SERVER=()
}
