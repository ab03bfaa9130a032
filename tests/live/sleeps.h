/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include <stdio.h>
#include <string.h>

/* Whether a thread of this process is in that state of /proc: S, or D if no signal wakes it. */
static inline int sleeps(int tid, char how)
{
	char path[64], stat[512] = "", *state;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	file = fopen(path, "r");
	if (!file)
		return 0;
	if (!fgets(stat, sizeof(stat), file))
		stat[0] = 0;
	fclose(file);
	state = strrchr(stat, ')');
	return state && state[2] == how;
}
