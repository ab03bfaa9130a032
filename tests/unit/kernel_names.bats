#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# Numbers that have names in the running kernel only, against a kernel made up here.

# shellcheck disable=SC2154 # top is of reader.bash

load reader

setup_file() {
	export PINSCOPE_BTF=$BATS_FILE_TMPDIR/kernel.o PINSCOPE_KALLSYMS=$BATS_FILE_TMPDIR/kallsyms
	object kernel <<-'END'
		enum reason { PLAIN = 1, REASON_FIRST = 3, REASON_SECOND = 9 } keep;
	END
	object probe <<-'END'
		#include "pinscope.bpf.h"
		PROBE("test", "x");
		enum reason { REASON_FIRST, REASON_STALE };
		typedef u32 reason_t KERNEL_ENUM("reason");
		typedef u32 absent_t KERNEL_ENUM("absent");
		struct key { reason_t reason; absent_t absent; ksym_t place; };
		struct {
			__uint(type, BPF_MAP_TYPE_HASH);
			__uint(max_entries, 1);
			__type(key, struct key);
			__type(value, count_t);
		} m SEC(".maps");
	END
	printf '%s\n' '0000000000000800 D per_cpu' 'ffffffff81000100 T second' 'ffffffff81000000 t first' 'ffffffff81000180 D data' \
		'ffffffff81000300 t first' 'ffffffff81000200 t first' \
		$'ffffffffc0000010 t third\t[some_module]' >"$PINSCOPE_KALLSYMS"
	PROGRAM=$(check_build kernel_names cell ksyms describe layout types_btf kernel_btf model units \
		util error escape out)
	export PROGRAM
}

# object NAME: of the source on stdin.
object() {
	clang -g -O2 -target bpf -mcpu=v2 -D__TARGET_ARCH_x86 -I"$top/headers" -x c -c - -o "$BATS_FILE_TMPDIR/$1.o"
}

# named REASON ABSENT PLACE
named() {
	run "$PROGRAM" "$BATS_FILE_TMPDIR/probe.o" m "$@"
}

@test "an enum has the names of the running kernel, and the number where that has none" {
	named 3 3 0
	says 0 $'first\n3\n'
	named 9 9 0
	says 0 $'second\n9\n'
	named 1 1 0
	says 0 $'plain\n1\n'
	named 0 65536 0
	says 0 $'0\n65536\n'
}

@test "without the kernel's types there are numbers" {
	PINSCOPE_BTF=/nowhere named 3 3 0
	says 0 $'3\n3\n'
}

@test "an address is function+offset, or variable+offset, and names its module" {
	named 1 1 0xffffffff81000000
	says 0 'first+0x0'
	named 1 1 0xffffffff810000ff
	says 0 'first+0xff'
	named 1 1 0xffffffff81000190
	says 0 'data+0x10'
	named 1 1 0xffffffffc0000011
	says 0 'third+0x1 [some_module]'
	named 1 1 0x1000
	says 0 '0x1000'
	named 1 1 0xffff888000001000
	says 0 '0xffff888000001000'
}

@test "functions of one name are numbered by their addresses" {
	named 1 1 0xffffffff81000201
	says 0 'first~2+0x1'
	named 1 1 0xffffffff81000301
	says 0 'first~3+0x1'
}

@test "where the kernel hides its symbols, an address is the number" {
	PINSCOPE_KALLSYMS=$BATS_FILE_TMPDIR/hidden
	sed 's/^[0-9a-f]*/0000000000000000/' "$BATS_FILE_TMPDIR/kallsyms" >"$PINSCOPE_KALLSYMS"
	named 1 1 0xffffffff81000000
	says 0 '0xffffffff81000000'
	PINSCOPE_KALLSYMS=/nowhere named 1 1 0xffffffff81000000
	says 0 '0xffffffff81000000'
}
