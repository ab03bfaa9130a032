// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes mutexes of the kernel in an order of your choice: one epoll instance that watches another takes
 * its own mutex, and then the other's, each time it is told to.
 *
 * usage: nest STEP...
 *
 *   A+B   the instance A watches B (single letters; each is made when it is first named)
 *   A-B   and no more
 *   A.    A is closed; the next time it is named it is made anew
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

static int instances[128]; /* descriptors, 0: none */

static void die(const char *step)
{
	perror(step);
	exit(1);
}

static int instance(const char *step, char name)
{
	int *fd = &instances[name & 127];

	if (!*fd)
		*fd = epoll_create1(0);
	if (*fd < 0)
		die(step);
	return *fd;
}

static void control(const char *step, int op)
{
	struct epoll_event event = {.events = EPOLLIN};

	if (epoll_ctl(instance(step, step[0]), op, instance(step, step[2]), &event))
		die(step);
}

static void end(const char *step)
{
	if (close(instance(step, step[0])))
		die(step);
	instances[step[0] & 127] = 0;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (argv[i][1] == '.')
			end(argv[i]);
		else
			control(argv[i], argv[i][1] == '+' ? EPOLL_CTL_ADD : EPOLL_CTL_DEL);
	}
	return 0;
}
