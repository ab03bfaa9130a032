// SPDX-License-Identifier: GPL-2.0-only
/*
 * futex ROUNDS MS: two threads hand a futex to and fro; a thread that waits is seen to sleep for MS
 * milliseconds before the other wakes it. Then as many waits that time out after MS, that a
 * signal interrupts, that find another value, and wakes of nobody; waits for a PI futex that
 * the other holds. Where there is futex_waitv (from 5.16 on), waits at a futex from which the other
 * moves them to a PI futex that is free, and waits at two, of which the second wakes.
 *
 * Prints for each futex: ADDRESS WAITS LEAST MOST TIMEOUTS INTERRUPTED AGAIN WAKES WOKEN, times
 * in ns: the least is from when the thread was seen to sleep, the most is what its system call took.
 */
#include <err.h>
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sleeps.h"

struct count {
	uint64_t waits, least, most, timeouts, interrupted, again, wakes, woken;
};

static uint32_t turn, pi, condition, moved_to, first, second; /* the futexes; whose turn it is */
static struct count at_turn, at_pi, at_condition, at_second;
static long rounds, ms;
static volatile int tids[2];
static pthread_barrier_t step;

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static long futex(uint32_t *address, int op, uint32_t value, const struct timespec *timeout)
{
	return syscall(SYS_futex, address, op | FUTEX_PRIVATE_FLAG, value, timeout, NULL, 0);
}

static void add(uint64_t *counter, uint64_t value)
{
	__atomic_fetch_add(counter, value, __ATOMIC_RELAXED);
}

static void wait_at(uint32_t value, const struct timespec *timeout)
{
	uint64_t begin = now();
	long ret = futex(&turn, FUTEX_WAIT, value, timeout);

	if (ret && errno == EAGAIN) {
		add(&at_turn.again, 1);
		return;
	}
	add(&at_turn.waits, 1);
	add(&at_turn.most, now() - begin);
	if (ret && errno == ETIMEDOUT)
		add(&at_turn.timeouts, 1);
	else if (ret && errno == EINTR)
		add(&at_turn.interrupted, 1);
	else if (ret)
		err(1, "futex");
}

static void wake(void)
{
	add(&at_turn.woken, futex(&turn, FUTEX_WAKE, 1, NULL));
	add(&at_turn.wakes, 1);
}

/* For MS more: what the other sleeps for is `count`. */
static void let_sleep(int tid, struct count *count)
{
	uint64_t seen;

	while (!sleeps(tid, 'S'))
		usleep(500);
	seen = now();
	usleep(ms * 1000);
	add(&count->least, now() - seen);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu % sysconf(_SC_NPROCESSORS_ONLN), &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "sched_setaffinity");
}

/* Each waits for its turn, lets the other sleep, and hands over. */
static void play(uint32_t me)
{
	for (long i = 0; i < rounds; i++) {
		while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != me)
			wait_at(!me, NULL);
		if (me == 0 || i < rounds - 1)
			let_sleep(tids[!me], &at_turn);
		__atomic_store_n(&turn, !me, __ATOMIC_RELEASE);
		wake();
	}
}

static long requeue_wait(void)
{
	return syscall(SYS_futex, &condition, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, NULL, &moved_to, 0)
		       ?: futex(&moved_to, FUTEX_UNLOCK_PI, 0, NULL);
}

static long requeue(void)
{
	return syscall(SYS_futex, &condition, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, 0, &moved_to, 0) !=
	       1;
}

static long wait_at_two(void)
{
	struct futex_waitv both[] = {
		{.uaddr = (uintptr_t)&first, .flags = FUTEX_32 | FUTEX_PRIVATE_FLAG},
		{.uaddr = (uintptr_t)&second, .flags = FUTEX_32 | FUTEX_PRIVATE_FLAG}};

	return syscall(SYS_futex_waitv, both, 2, 0, NULL, CLOCK_MONOTONIC) != 1;
}

static long wake_second(void)
{
	at_second.wakes++;
	at_second.woken++;
	return futex(&second, FUTEX_WAKE, 1, NULL) != 1;
}

static int has_waitv(void)
{
	return syscall(SYS_futex_waitv, NULL, 0, 0, NULL, 0) && errno != ENOSYS;
}

static void waits(long (*wait)(void), struct count *count)
{
	for (long i = 0; i < rounds; i++) {
		uint64_t begin = now();

		if (wait())
			err(1, "wait");
		count->waits++;
		count->most += now() - begin;
		pthread_barrier_wait(&step);
	}
}

static void ends(long (*end)(void), struct count *count)
{
	for (long i = 0; i < rounds; i++) {
		let_sleep(tids[1], count);
		if (end())
			err(1, "end of a wait");
		pthread_barrier_wait(&step);
	}
}

static void on_signal(int signal)
{
	(void)signal;
}

static void *other(void *arg)
{
	pin(1);
	tids[1] = gettid();
	pthread_barrier_wait(&step);
	play(1);
	/* Interrupted. */
	for (long i = 0; i < rounds; i++) {
		wait_at(turn, NULL);
		pthread_barrier_wait(&step);
	}
	/* The PI futex. */
	for (long i = 0; i < rounds; i++) {
		uint64_t begin;

		pthread_barrier_wait(&step);
		begin = now();
		if (futex(&pi, FUTEX_LOCK_PI, 0, NULL))
			err(1, "FUTEX_LOCK_PI");
		at_pi.waits++;
		at_pi.most += now() - begin;
		if (futex(&pi, FUTEX_UNLOCK_PI, 0, NULL))
			err(1, "FUTEX_UNLOCK_PI");
		pthread_barrier_wait(&step);
	}
	if (has_waitv()) {
		waits(requeue_wait, &at_condition);
		waits(wait_at_two, &at_second);
	}
	return arg;
}

static void interrupt(pthread_t thread)
{
	let_sleep(tids[1], &at_turn);
	pthread_kill(thread, SIGUSR1);
	pthread_barrier_wait(&step);
}

static void hold_pi(void)
{
	pi = tids[0];
	pthread_barrier_wait(&step);
	let_sleep(tids[1], &at_pi);
	if (futex(&pi, FUTEX_UNLOCK_PI, 0, NULL))
		err(1, "FUTEX_UNLOCK_PI");
	pthread_barrier_wait(&step);
}

static void print(uint32_t *address, const struct count *c)
{
	printf("0x%lx %lu %lu %lu %lu %lu %lu %lu %lu\n", (unsigned long)address, c->waits,
	       c->least, c->most, c->timeouts, c->interrupted, c->again, c->wakes, c->woken);
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct timespec timeout;
	pthread_t thread;

	if (argc != 3)
		errx(2, "usage: futex ROUNDS MS");
	rounds = atol(argv[1]);
	ms = atol(argv[2]);
	timeout = (struct timespec){.tv_nsec = ms * 1000000};
	sigaction(SIGUSR1, &action, NULL);
	pthread_barrier_init(&step, NULL, 2);
	pin(0);
	tids[0] = gettid();
	pthread_create(&thread, NULL, other, NULL);
	pthread_barrier_wait(&step);
	play(0);
	while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != 0)
		wait_at(1, NULL);
	for (long i = 0; i < rounds; i++)
		interrupt(thread);
	for (long i = 0; i < rounds; i++) {
		wait_at(turn, &timeout);
		at_turn.least += timeout.tv_nsec;
		wait_at(!turn, NULL);
		wake();
	}
	for (long i = 0; i < rounds; i++)
		hold_pi();
	if (has_waitv()) {
		ends(requeue, &at_condition);
		ends(wake_second, &at_second);
	}
	pthread_join(thread, NULL);
	print(&turn, &at_turn);
	print(&pi, &at_pi);
	if (has_waitv()) {
		print(&condition, &at_condition);
		print(&second, &at_second);
	}
	return 0;
}
