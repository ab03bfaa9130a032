# SPDX-License-Identifier: GPL-2.0-only
#
# What semaphore counted between two dumps, `probe COUNT SUM`, against kprobes of the tracer, which
# saw the marks 0 to 3 around the dumps: no less than ended between 1 and 2, no more than ended
# between 0 and 3. The tracer's hooks lie around or within the probe's, so times differ by what
# these take: up to 1 ms a wait in a guest whose processors are shared.

$1 == "probe" { count = $2; sum = $3 / 1000; next }
/tracing_mark_write: mark [0-3]$/ { passed = $NF; next }

match($0, /-[0-9]+ +\[[0-9]+\]/) {
	split(substr($0, RSTART + 1), part, / +/)
	tid = part[1]
	match($0, /[0-9]+\.[0-9]+: /)
	split(substr($0, RSTART, RLENGTH - 2), part, ".")
	now = part[1] * 1000000 + part[2]
}

/ begin: / { since[tid] = now }

/ end: / && (tid in since) {
	most++
	most_time += now - since[tid]
	if (passed == 1) {
		least++
		least_time += now - since[tid]
	}
	delete since[tid]
}

END {
	printf "%d..%d waits, counted %d; %d..%d us, counted %d\n", least, most, count, least_time, most_time, sum
	slack = most * 1000
	exit !(least >= 3 && count >= least && count <= most && sum >= least_time - slack && sum <= most_time + slack)
}
