# SPDX-License-Identifier: GPL-2.0-only
#
# Judgements: streams of sentences, about what was expected and what came. None: all is well.

# An expression that has no value would make no sentence either, whatever it was to be compared with.
def one($what; f): [f] | if length == 1 then .[0] else error("\($what): \(length) values instead of one") end;

def expect($what; want; got): one($what; want) as $want | one($what; got) as $got
	| select($want != $got) | "\($what): expected \($want), got \($got)";

def between($what; least; most; got): one($what; least) as $least | one($what; most) as $most | one($what; got) as $got
	| select(([$least, $most, $got | type] | unique) != ["number"] or $got < $least or $most < $got)
	| "\($what): expected \($least)..\($most), got \($got)";
