// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "counter.h"
#include "error.h"

/* Pinned: always on the processor, or not at all, so that what it reads is exact. */
static bool read_event(const char *event, struct perf_event_attr *attr)
{
	unsigned long long config;
	unsigned int type;

	if (sscanf(event, "%u %lli", &type, (long long *)&config) != 2)
		return false;
	*attr = (struct perf_event_attr){.size = sizeof(*attr), .type = type, .config = config};
	attr->pinned = 1;
	return true;
}

static int perf_event_open(struct perf_event_attr *attr, pid_t pid, int cpu)
{
	return syscall(SYS_perf_event_open, attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

int counter_open(const char *event, int cpu)
{
	struct perf_event_attr attr;
	unsigned long long count;
	int fd;

	if (!read_event(event, &attr))
		return -EINVAL;
	fd = perf_event_open(&attr, -1, cpu);
	if (fd < 0)
		return -errno;
	/* A pinned event that found no free counter reads as the end of a file. */
	if (read(fd, &count, sizeof(count)) == sizeof(count))
		return fd;
	close(fd);
	return -EBUSY;
}

int counter_missing(const char *event)
{
	struct perf_event_attr attr;
	int fd;

	if (!read_event(event, &attr))
		return EINVAL;
	attr.exclude_kernel = attr.exclude_hv = 1;
	fd = perf_event_open(&attr, 0, -1);
	if (fd < 0)
		return errno == EACCES || errno == EPERM ? 0 : errno;
	close(fd);
	return 0;
}

const char *counter_reason(int err)
{
	switch (err) {
	case ENOENT:
	case EINVAL:
	case EOPNOTSUPP:
		return "this machine has no such counter (virtual machines often have none)";
	case EBUSY:
		return "all counters of the processor are in use (the NMI watchdog takes one, perf "
		       "others)";
	}
	return reason(err);
}
