// SPDX-License-Identifier: GPL-2.0-only
/*
 * One operation, many times: what a probe adds to it is its cost. Under icount
 * (docs/cost.md) the clock counts guest instructions.
 *
 *   ops OPERATION...   prints a line for each: OPERATION MIDDLE LOWEST HIGHEST ELSEWHERE
 *
 * MIDDLE, LOWEST and HIGHEST are nanoseconds per operation over the batches. ELSEWHERE is what
 * other tasks used meanwhile, per operation: a peer that reads events pays there.
 *
 * To repeat, both ends of a conversation run on one processor under SCHED_FIFO: each runs until
 * it waits for the other, so no wakeup is ever decided by what ran before. A sleep before
 * each batch lets the kernel's own threads do what is left over, outside the time taken;
 * batches are shorter than a tick, so half of them have none in them.
 */
#include <errno.h>
#include <glob.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "ops.h"

#define BATCHES 41
#define WARM_UP 10
#define ROUNDS	3

void die(const char *what)
{
	fprintf(stderr, "ops: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Processor time of all tasks that are not of our process group, in nanoseconds. */
static long long others(void)
{
	long long sum = 0, ns;
	glob_t tasks;
	FILE *f;

	if (glob("/proc/[0-9]*/task/*/schedstat", GLOB_NOSORT, NULL, &tasks))
		die("list the tasks");
	for (size_t i = 0; i < tasks.gl_pathc; i++) {
		if (getpgid(atoi(tasks.gl_pathv[i] + strlen("/proc/"))) == getpgrp())
			continue;
		f = fopen(tasks.gl_pathv[i], "r");
		if (f && fscanf(f, "%lld", &ns) == 1)
			sum += ns;
		if (f)
			fclose(f);
	}
	globfree(&tasks);
	return sum;
}

static void settle(void)
{
	struct sched_param priority = {.sched_priority = 1};
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	if (sched_setaffinity(0, sizeof(cpu), &cpu) || sched_setscheduler(0, SCHED_FIFO, &priority))
		die("stay on one processor, first in, first out");
	if (mlockall(MCL_CURRENT))
		die("lock memory");
}

static double batch(const struct op *op)
{
	struct timespec rest = {.tv_nsec = 50 * 1000 * 1000};
	long long started;

	op->prepare();
	nanosleep(&rest, NULL);
	started = now();
	for (int i = 0; i < op->batch; i++)
		op->once();
	return (double)(now() - started) / op->batch;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The mean of the middle half: as steady as the median, and slab pages have their share in it. */
static double middle(const double *sorted)
{
	double sum = 0;

	for (int i = BATCHES / 4; i < BATCHES - BATCHES / 4; i++)
		sum += sorted[i];
	return sum / (BATCHES - BATCHES / 4 * 2);
}

struct result {
	double middle, lowest, highest, elsewhere;
};

static struct result round_of(const struct op *op)
{
	struct result result;
	double results[BATCHES];

	op->begin();
	for (int i = 0; i < WARM_UP; i++)
		batch(op);
	result.elsewhere = others();
	for (int i = 0; i < BATCHES; i++)
		results[i] = batch(op);
	result.elsewhere = (others() - result.elsewhere) / (BATCHES * op->batch);
	op->end();
	qsort(results, BATCHES, sizeof(*results), ascending);
	result.middle = middle(results);
	result.lowest = results[0];
	result.highest = results[BATCHES - 1];
	return result;
}

/*
 * The best of some rounds. If a slab has just run out of packets, each packet takes the slow
 * way for the whole of a round; hold_packets() moves the next round elsewhere.
 */
static void measure(const struct op *op)
{
	struct result best = {}, next;

	for (int i = 0; i < ROUNDS; i++) {
		hold_packets();
		next = round_of(op);
		if (i == 0 || next.middle < best.middle)
			best = next;
	}
	printf("%s %.1f %.1f %.1f %.1f\n", op->name, best.middle, best.lowest, best.highest,
	       best.elsewhere);
	fflush(stdout);
}

static const struct op *op_find(const char *name)
{
	for (const struct op *op = ops; op->name; op++)
		if (!strcmp(op->name, name))
			return op;
	return NULL;
}

static void usage(void)
{
	fprintf(stderr, "usage: ops OPERATION...\noperations:\n");
	for (const struct op *op = ops; op->name; op++)
		fprintf(stderr, "  %-18s %s\n", op->name, op->what);
	exit(2);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!op_find(argv[i]))
			usage();
	if (argc < 2)
		usage();
	setpgid(0, 0);
	settle();
	for (int i = 1; i < argc; i++)
		measure(op_find(argv[i]));
	return 0;
}
