# SPDX-License-Identifier: GPL-2.0-only
#
# What irq counted between two dumps, judged by the kernel's own tracer; what is printed is wrong.
#
# Input: the rows of both dumps, `before|after KIND CPU NAME COUNT SUM`, then the records of two
# tracers in order of time, `MICROSECONDS first|last CPU EVENT NAME...`. At each tracepoint one ran
# before the probe and one after it, so the probe read its clock in between, and its value lies
# between what the inner two and what the outer two say. The marks 0 to 3 stand around the dumps:
# what happened between 1 and 2 was counted, what happened before 0 or after 3 was not.

$1 == "before" { count[$2, $3, $4] -= $5; sum[$2, $3, $4] -= $6 / 1000; next }
$1 == "after" { count[$2, $3, $4] += $5; sum[$2, $3, $4] += $6 / 1000; next }

$4 == "mark" { mark[$5] = $1; next }
{ at = ($3 + 0) SUBSEP $5; event = $4 SUBSEP at }
$2 == "first" { first[event] = $1; next }
!(event in first) { next }

# ended(KIND, SINCE): one value, from the event SINCE to this one.
function ended(kind, since) {
	n++
	key[n] = kind SUBSEP at
	begin[n] = first[event]
	end[n] = $1
	least[n] = begin[n] - last[since] # may be below 0, by what the tracer rounds
	most[n] = end[n] - first_of[since]
}

# began(WHAT): this event, from which something is measured.
function began(what) {
	last[what] = $1
	first_of[what] = first[event]
}

# A raise while the entry is being traced may come before it for one of the three, and after for another.
$4 == "softirq_raise" && first["softirq_entry" SUBSEP at] > entered[at] { maybe["raised" SUBSEP at] = first[event] }
$4 == "softirq_raise" && !(("raised" SUBSEP at) in last) { began("raised" SUBSEP at) }

$4 == "softirq_entry" {
	raised = "raised" SUBSEP at
	unsure[n + 1] = (at in perhaps) && !(raised in last)
	if (at in perhaps) {
		first_of[raised] = perhaps[at]
		last[raised] = (raised in last) ? last[raised] : $1
	}
	if (raised in last)
		ended("softirqs.delay", raised)
	delete last[raised]
	delete perhaps[at]
	if (raised in maybe)
		perhaps[at] = maybe[raised]
	delete maybe[raised]
	entered[at] = first[event]
	began("entered" SUBSEP at)
}

$4 == "softirq_exit" && (("entered" SUBSEP at) in last) {
	ended("softirqs.time", "entered" SUBSEP at)
	delete last["entered" SUBSEP at]
}

$4 == "irq_handler_entry" { began("handling" SUBSEP at) }

$4 == "irq_handler_exit" && (("handling" SUBSEP at) in last) {
	ended("irqs.time", "handling" SUBSEP at)
	delete last["handling" SUBSEP at]
}

function judge(what, low, high, got) {
	if (got < low || got > high)
		printf "%s: expected %d..%d, got %d\n", what, low, high, got
}

END {
	for (i = 1; i <= n; i++) {
		if (end[i] < mark[0] || begin[i] > mark[3])
			continue
		count[key[i]] += 0
		high[key[i]]++
		high_sum[key[i]] += most[i] + 1 # the tracer rounds
		if (begin[i] <= mark[1] || end[i] >= mark[2] || unsure[i])
			continue
		low[key[i]]++
		low_sum[key[i]] += least[i] - 1
		split(key[i], part, SUBSEP)
		seen[part[1]]++
	}
	for (k in count) {
		name = k
		gsub(SUBSEP, " ", name)
		judge(name " count", low[k], high[k], count[k])
		judge(name " sum in us", low_sum[k] - 1, high_sum[k] + 1, sum[k])
	}
	for (i = 1; i <= 3; i++)
		if (seen[kinds[i]] < 50)
			printf "%s: the tracer saw only %d\n", kinds[i], seen[kinds[i]]
}

BEGIN { split("softirqs.delay softirqs.time irqs.time", kinds) }
