# SPDX-License-Identifier: GPL-2.0-only
#
# What lock_contention counted between two dumps, `probe KIND COUNT`, against the kernel's tracer,
# which saw the marks 0 to 3 around the dumps: no less than ended between 1 and 2, and no more than
# ended between 0 and 3.

$1 == "probe" { probe[$2] = $3; next }

/tracing_mark_write: mark [0-3]$/ { passed = $NF; next }

# The task and processor stand in front: `comm-TID [CPU] ...`.
match($0, /-[0-9]+ +\[[0-9]+\]/) {
	split(substr($0, RSTART + 1, RLENGTH - 1), part, / +/)
	tid = part[1]
	cpu = part[2]
}

/: contention_begin: / {
	flags = $NF
	gsub(/\(flags=|\)/, "", flags)
	kind = flags ~ /MUTEX/ ? "mutex" \
		: flags ~ /PERCPU/ ? (flags ~ /READ/ ? "percpu_read" : "percpu_write") \
		: flags ~ /RT/ ? "rtmutex" \
		: flags ~ /READ/ ? (flags ~ /SPIN/ ? "rwlock_read" : "rwsem_read") \
		: flags ~ /WRITE/ ? (flags ~ /SPIN/ ? "rwlock_write" : "rwsem_write") \
		: flags ~ /SPIN/ ? "spin" : "semaphore"
	spins = kind ~ /spin|rwlock/
	waits[spins ? cpu : tid, $(NF - 1)] = kind
}

/: contention_end: / {
	lock = $(NF - 1)
	who = (cpu, lock) in waits ? cpu : tid
	if (!((who, lock) in waits))
		next
	kind = waits[who, lock]
	delete waits[who, lock]
	most[kind]++
	if (passed == 1)
		least[kind]++
}

END {
	for (kind in probe)
		most[kind] += 0
	for (kind in most) {
		seen += least[kind]
		printf "%s: %d..%d, counted %d\n", kind, least[kind], most[kind], probe[kind]
		if (probe[kind] < least[kind] + 0 || probe[kind] > most[kind])
			wrong = 1
	}
	exit wrong || seen < 9
}
