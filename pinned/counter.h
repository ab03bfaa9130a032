/* SPDX-License-Identifier: GPL-2.0-only */
/* The perf event that the tag `counter:TYPE CONFIG` of a map asks for (docs/objects.md). */
#pragma once

#include <stdbool.h>

#define COUNTER_TAG "counter:"

/* Opens it for whatever runs on a processor. Negative: errno. */
int counter_open(const char *event, int cpu);
/* 0 if this machine has it, and nothing speaks against it; else errno. Needs no privilege. */
int counter_missing(const char *event);
const char *counter_reason(int err);
