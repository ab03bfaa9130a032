#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# What inspect says of an object, checked against a kernel made up here: nothing is loaded.

bats_require_minimum_version 1.5.0

REPO=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
READER=$REPO/build/pinscope-reader

setup_file() {
	[[ -x $READER ]] || skip "needs $READER (make)"
	export PINSCOPE_BTF=$BATS_FILE_TMPDIR/kernel.o
	cat >"$BATS_FILE_TMPDIR/kernel.c" <<-'EOF'
		typedef unsigned int u32;
		typedef unsigned long long u64;
		typedef u32 named_t;
		typedef unsigned long size_t;
		typedef _Bool bool;
		typedef struct { int val; } anonymous_t;
		struct sock { union { int inside; struct { int deeper; }; }; struct { int leaf; } named;
			named_t a; size_t b; bool c; };
		struct msghdr;
		enum reason { REASON_A };
		int send(struct sock *sk, const struct msghdr *msg, u64 size) { return 0; }
		void reset(const struct sock *sk, enum reason reason) {}
		int pages(struct sock **sks, anonymous_t a, unsigned char c) { return 0; }
		void *bpf_iter_things(void) { return 0; }
		typedef void (*btf_trace_event)(void *, struct sock *, _Bool, long);
		btf_trace_event keep;
	EOF
	compile "$BATS_FILE_TMPDIR/kernel.c" "$PINSCOPE_BTF"
}

compile() {
	clang -g -O2 -target bpf -mcpu=v2 -D__TARGET_ARCH_x86 -I"$REPO/headers" -c "$1" -o "$2"
}

# verdict SECTION PROTO [TAGS]: "ok", or the reason why not.
verdict() {
	cat >"$BATS_TEST_TMPDIR/p.bpf.c" <<-EOF
		#include "pinscope.bpf.h"
		SEC("$1") PROTO("$2") ${3-} int p(u64 *ctx) { return 0; }
		PROBE("test", "p");
	EOF
	[[ $2 ]] || sed -i 's/PROTO("")//' "$BATS_TEST_TMPDIR/p.bpf.c"
	compile "$BATS_TEST_TMPDIR/p.bpf.c" "$BATS_TEST_TMPDIR/p.bpf.o"
	"$READER" inspect "$BATS_TEST_TMPDIR/p.bpf.o" | jq -r 'if .ok then "ok" else .reason end'
}

# expect REASON SECTION PROTO [TAGS]
expect() {
	local got
	got=$(verdict "${@:2}")
	[[ $got == "$1" ]] || {
		printf '%s: expected "%s", got "%s"\n' "${*:2}" "$1" "$got" >&2
		return 1
	}
}

@test "a hook is there when the kernel's BTF has it" {
	expect ok fentry/send ""
	expect ok fexit.s/send ""
	expect ok kprobe/send+8 ""
	expect ok tp_btf/event ""
	expect ok raw_tp/event ""
	expect ok tp/some/event ""
	expect ok iter/things ""
	expect ok xdp ""
	expect "this kernel has no function sendfile" fentry/sendfile ""
	expect "this kernel has no tracepoint send" tp_btf/send ""
	expect "this kernel has no iterator send" iter/send ""
}

@test "qualifiers and typedefs do not count, the struct and the size do" {
	expect ok fentry/send "int (struct sock *, struct msghdr *, size_t)"
	expect "argument 3 of send was written for loff_t, a type this kernel does not have" \
		fentry/send "int (struct sock *, struct msghdr *, loff_t)"
	expect ok fentry/send "int (const struct sock *, struct msghdr*, u64)"
	expect ok fentry/send "int (struct sock *, struct msghdr *, unsigned long)"
	expect ok fentry/send "int (struct sock *, struct msghdr *, long long int)"
	expect ok fentry/send "named_t (void *, void *, u64)"
	expect "argument 3 of send is u64 on this kernel, not u32" \
		fentry/send "int (struct sock *, struct msghdr *, u32)"
	expect "argument 1 of send is struct sock * on this kernel, not struct msghdr *" \
		fentry/send "int (struct msghdr *)"
	expect "argument 1 of send is struct sock * on this kernel, not struct sock **" \
		fentry/send "int (struct sock **)"
	expect "the return value of send is int on this kernel, not void" fentry/send "void (struct sock *)"
	expect ok fentry/pages "int (struct sock **, anonymous_t, char)"
	expect ok fentry/reset "void (struct sock *, int)"
	expect ok fentry/reset "void (struct sock *, enum unknown)"
}

@test "the tail may be left out, except for fexit" {
	expect ok fentry/send "int (struct sock *)"
	expect ok fentry/send "int (struct sock *, ...)"
	expect ok fexit/send "int (struct sock *, struct msghdr *, u64)"
	expect "send has 3 arguments on this kernel, not 2" fexit/send "int (struct sock *, struct msghdr *)"
	expect "reset has 2 arguments on this kernel, fewer than the 3 written for" \
		fentry/reset "void (struct sock *, int, int)"
}

@test "the leading argument of a tracepoint is not written" {
	expect ok tp_btf/event "void (struct sock *, bool, long)"
	expect ok tp_btf/event "void (struct sock *, _Bool, long)"
	expect "argument 2 of event is _Bool on this kernel, not long" tp_btf/event "void (struct sock *, long)"
}

@test "needs are checked, members also inside nameless structs" {
	expect ok fentry/send "" 'NEEDS("func:reset") NEEDS("field:sock.inside") NEEDS("field:sock.deeper")'
	expect ok fentry/send "" 'NEEDS("field:sock.named.leaf")'
	expect "this kernel has no function nosuch" fentry/send "" 'NEEDS("func:nosuch")'
	expect "struct sock has no member leaf on this kernel" fentry/send "" 'NEEDS("field:sock.leaf")'
	expect "this kernel has no struct nosuch" fentry/send "" 'NEEDS("field:nosuch.leaf")'
}

@test "an object is named after the probe and the variant it was built as" {
	mkdir -p "$BATS_TEST_TMPDIR/shelf/some_probe"
	verdict fentry/send "" >/dev/null
	cp "$BATS_TEST_TMPDIR/p.bpf.o" "$BATS_TEST_TMPDIR/shelf/some_probe/2-other.bpf.o"
	run -0 "$READER" inspect "$BATS_TEST_TMPDIR/shelf/some_probe/2-other.bpf.o"
	[[ $(jq -r '"\(.probe) \(.help)"' <<<"$output") == "some_probe p" ]]
}

@test "what is no object is refused with exit status 4, and a kernel without BTF with 1" {
	run -4 --separate-stderr "$READER" inspect /bin/true
	# shellcheck disable=SC2154
	[[ ${#stderr_lines[@]} == 1 && $stderr == *"/bin/true is no BPF object"* ]]
	PINSCOPE_BTF=/nonexistent run -1 --separate-stderr "$READER" inspect /bin/true
	[[ ${#stderr_lines[@]} == 1 && $stderr == *CONFIG_DEBUG_INFO_BTF* ]]
}

@test "a damaged object is refused, whatever was cut off it" {
	local size
	verdict fentry/send "" >/dev/null
	for ((size = 0; size < $(stat -c %s "$BATS_TEST_TMPDIR/p.bpf.o"); size += 97)); do
		head -c "$size" "$BATS_TEST_TMPDIR/p.bpf.o" >"$BATS_TEST_TMPDIR/cut.bpf.o"
		run "$READER" inspect "$BATS_TEST_TMPDIR/cut.bpf.o"
		((status == 4))
		run "$READER" resize "$BATS_TEST_TMPDIR/cut.bpf.o" "$BATS_TEST_TMPDIR/out.bpf.o" x=1
		((status == 4 || status == 2))
	done
}
