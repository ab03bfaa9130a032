# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2016 # Perl's and jq's variables
#
# A process whose allocations are known, and what kmem counts of it. Messages are allocated in
# load_msg (or alloc_msg, where the compiler keeps it apart), with a head of 48 bytes, and freed in free_msg.

HERE=${BATS_TEST_DIRNAME:-$(dirname "${BASH_SOURCE[0]}")}
for helper in traffic assert pinscope worker; do
	# shellcheck source=/dev/null
	. "$HERE/$helper.bash"
done

dump() {
	"$READER" dump --json kmem
}

# numbers FILE EXPRESSION: of a dump.
numbers() {
	jq -rs --argjson pid "${WORKER_PID:-0}" '
		def rows($map): .[] | select(.map == $map and .type == "row") | .labels + .;
		def sum(f): [f] | add // 0;
		def total($kind; $field): sum(rows("totals") | select(.kind == $kind)[$field]);
		def at($map; $site; $field): sum(rows($map) | select(.site | test("^(\($site))[.+]"))[$field]);
		def loads($field): at("sites"; "alloc_msg|load_msg"; $field);
		def unloads: at("sites"; "free_msg"; "frees");
		def live($field): at("outstanding"; "alloc_msg|load_msg"; $field);
		def mine($field): sum(rows("procs") | select(.pid == $pid and .state == "alive")[$field]);
		def lost($reason): sum(rows("losses") | select(.reason == $reason).count);
		['"$2"'] | map(tostring) | join(" ")' "$1"
}

# grown EXPRESSION COMMAND...: sets GROWN to by what its numbers grow meanwhile.
grown() {
	local before after i
	dump >"$BATS_TEST_TMPDIR/before"
	"${@:2}"
	dump >"$BATS_TEST_TMPDIR/after"
	read -ra before < <(numbers "$BATS_TEST_TMPDIR/before" "$1")
	read -ra after < <(numbers "$BATS_TEST_TMPDIR/after" "$1")
	GROWN=()
	for i in "${!after[@]}"; do
		GROWN+=($((after[i] - before[i])))
	done
}

# adds EXPECTED EXPRESSION COMMAND...
adds() {
	grown "${@:2}"
	assert_eq "$2" "$1" "${GROWN[*]}"
}

# agree WHAT TOTAL SUM SUM
agree() {
	assert_eq "$1, in all and by site or order" "$2" "$3"
	assert_eq "$1, in all and by process" "$2" "$4"
}

# settings KEY=VALUE...
settings() {
	"$READER" set kmem "$@" >/dev/null
}

# queue: a queue of messages, $QUEUE, and a message of 200 bytes in the worker's $m.
queue() {
	QUEUE=$(perl -e 'print msgget 0, 0600')
	work "\$q = $QUEUE; \$m = pack 'l! a*', 1, 'x' x 200; sub get { msgrcv \$q, \$_, 200, 0, 0 or die }"
}

queue_gone() {
	perl -e "msgctl $QUEUE, 0, 0" # IPC_RMID
}

# send N: messages. (The queue takes 81.)
send() {
	work "msgsnd \$q, \$m, 0 or die for 1..$1"
}

receive() {
	work "get for 1..$1"
}
