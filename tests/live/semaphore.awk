# SPDX-License-Identifier: GPL-2.0-only
#
# What semaphore counted between two dumps, `probe COUNT SUM`, against kprobes of the tracer, which
# saw the marks 0 to 3 around the dumps: no less than ended between 1 and 2, no more than ended
# between 0 and 3. The probe's hooks lie between those of the tracer at __down (begin, begin_end)
# and those at schedule_timeout, in which it sleeps.

$1 == "probe" { count = $2; sum = $3 / 1000; next }
/tracing_mark_write: mark [0-3]$/ { passed = $NF; next }

match($0, /-[0-9]+ +\[[0-9]+\]/) {
	split(substr($0, RSTART + 1), part, / +/)
	tid = part[1]
	match($0, /[0-9]+\.[0-9]+: /)
	split(substr($0, RSTART, RLENGTH - 2), part, ".")
	now = part[1] * 1000000 + part[2]
}

/ begin: / { since[tid] = now; delete slept[tid] }
/ sleep: / && (tid in since) && !(tid in slept) { slept[tid] = now }
/ sleep_end: / && (tid in slept) { awake[tid] = now }

/ begin_end: / && (tid in since) {
	most++
	most_time += now - since[tid] + 1 # the tracer rounds
	if (passed == 1) {
		least++
		least_time += awake[tid] - slept[tid] - 1
	}
	delete since[tid]
	delete slept[tid]
}

END {
	printf "%d..%d waits, counted %d; %d..%d us, counted %d\n", least, most, count, least_time, most_time, sum
	exit !(least >= 3 && count >= least && count <= most && sum >= least_time && sum <= most_time)
}
