/* SPDX-License-Identifier: GPL-2.0-only */
/* The one way out when something is wrong, and what the exit status says. */
#pragma once

enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1, /* the system refused, or a file could not be read or written */
	EXIT_USAGE = 2,	 /* wrong arguments: unknown verb, option, field, map, key or value */
	EXIT_ABSENT = 3, /* no such probe is loaded */
	EXIT_INPUT = 4,	 /* damaged or foreign input: object, snapshot, map of another layout */
	EXIT_RESET = 5,	 /* the two snapshots do not subtract */
};

/* One sentence: what was tried, on what, why it failed, what to do. */
void die(enum exit_code code, const char *format, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

/* The same for one probe of several: go on with the others, exit with the worst code. */
void complain(enum exit_code code, const char *format, ...) __attribute__((format(printf, 2, 3)));
enum exit_code complaints(void);

/* Why a system call failed, in words that help; err is positive. */
const char *reason(int err);
