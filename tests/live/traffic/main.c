// SPDX-License-Identifier: GPL-2.0-only
/* Start and end: signals, the deadline, errors. options.c has the usage. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "traffic.h"

struct options opt;
struct result result;
volatile bool stopping;
volatile bool hurried;
static volatile bool expired;

void fail(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "traffic %s: ", opt.server ? "server" : "client");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

/* To be called whenever a system call was interrupted. */
void check_deadline(void)
{
	if (expired)
		fail("the deadline of %lu s passed with %lu of %lu connections opened "
		     "and "
		     "%lu ended, %lu messages sent and %lu received",
		     opt.deadline, result.opened, opt.conns, result.ended, result.sent,
		     result.received);
}

static void on_signal(int signal)
{
	if (signal == SIGALRM)
		expired = true;
	else if (signal == SIGUSR1)
		hurried = true;
	else
		stopping = true;
}

static void set_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART */
	/* Again and again: the first may come just before a call that blocks. */
	struct itimerval timer = {{0, 100000}, {opt.deadline, 0}};

	sigaction(SIGALRM, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void set_limits(void)
{
	struct rlimit limit;
	rlim_t need = (opt.server ? opt.conns : opt.parallel) + 64;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max < need)
		limit.rlim_max = need;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		fail("cannot raise the limit of open files to %lu: %m", need);
}

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	prctl(PR_SET_TIMERSLACK, 1);
	set_limits();
	set_signals();
	conn_setup();
	result.start = now_ns();
	loop_run();
	result.end = now_ns();
	report();
	return 0;
}
