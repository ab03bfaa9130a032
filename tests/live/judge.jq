# SPDX-License-Identifier: GPL-2.0-only
#
# Judgements: streams of sentences, about what was expected and what came. None: all is well.
#
# An expression that has no value would make no sentence either, whatever it was to be compared with. Both check
# that for themselves: jq 1.7 aborts where a module that another includes calls its own functions.

def expect($what; want; got):
	([want], [got] | select(length != 1) | error("\($what): \(length) values instead of one")),
	(want as $want | got as $got | select($want != $got) | "\($what): expected \($want), got \($got)");

def between($what; least; most; got):
	([least], [most], [got] | select(length != 1) | error("\($what): \(length) values instead of one")),
	(least as $least | most as $most | got as $got
	| select(([$least, $most, $got | type] | unique) != ["number"] or $got < $least or $most < $got)
	| "\($what): expected \($least)..\($most), got \($got)");
