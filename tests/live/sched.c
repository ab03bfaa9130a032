// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes whose way through the scheduler is known.
 *
 *   sched sleep N MS      sleeps N times
 *   sched migrate N       runs on another processor N times
 *   sched spin MS         two children compute side by side on processor 0
 *   sched mutex MS        the first thread waits for a lock that the second holds, asleep
 *   sched storm N US      N children, one after the other, that sleep
 *
 * Each does that when a line has come, prints its times (CLOCK_MONOTONIC, ns) and whatever belongs to
 * it on one line, and stays, asleep, until its input ends.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void rest(long long ns)
{
	struct timespec t = {ns / 1000000000, ns % 1000000000};

	nanosleep(&t, NULL);
}

static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		perror("sched: affinity");
		exit(1);
	}
}

static void until_told(void)
{
	char c;

	while (read(0, &c, 1) > 0 && c != '\n')
		;
}

static void do_sleep(long n, long ms)
{
	while (n--)
		rest(ms * 1000000);
}

static void do_migrate(long n, long unused)
{
	(void)unused;
	while (n--)
		run_on(n % 2);
}

static void compute(long ms)
{
	long long end = now() + ms * 1000000LL;

	run_on(0);
	while (now() < end)
		;
	until_told();
	_exit(0);
}

static void do_spin(long ms, long unused)
{
	pid_t child[2];

	(void)unused;
	for (int i = 0; i < 2; i++) {
		child[i] = fork();
		if (!child[i])
			compute(ms);
	}
	rest(ms * 1000000LL);
	printf("%d %d ", child[0], child[1]);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int held[2];

static void *hold(void *ms)
{
	pthread_mutex_lock(&mutex);
	if (write(held[1], "", 1) != 1)
		exit(1);
	rest((long)ms * 1000000);
	pthread_mutex_unlock(&mutex);
	return NULL;
}

static void do_mutex(long ms, long unused)
{
	long long since;
	pthread_t thread;
	char c;

	(void)unused;
	if (pipe(held) || pthread_create(&thread, NULL, hold, (void *)ms) ||
	    read(held[0], &c, 1) != 1)
		exit(1);
	since = now();
	pthread_mutex_lock(&mutex);
	printf("%lld ", now() - since);
	pthread_join(thread, NULL);
}

/* Prints how long the longest of them lived. */
static void do_storm(long n, long us)
{
	long long longest = 0, lived;

	while (n--) {
		pid_t child;

		lived = now();
		child = fork();
		if (!child) {
			prctl(PR_SET_NAME, "storm");
			rest(us * 1000);
			_exit(0);
		}
		if (child < 0 || waitpid(child, NULL, 0) != child)
			exit(1);
		lived = now() - lived;
		longest = lived > longest ? lived : longest;
	}
	printf("%lld ", longest);
}

static const struct {
	const char *name;
	void (*run)(long a, long b);
} whats[] = {
	{"sleep", do_sleep}, {"migrate", do_migrate}, {"spin", do_spin},
	{"mutex", do_mutex}, {"storm", do_storm},
};

int main(int argc, char **argv)
{
	long a = argc > 2 ? atol(argv[2]) : 0, b = argc > 3 ? atol(argv[3]) : 0;
	long long since = now();

	until_told();
	for (size_t i = 0; argc > 1 && i < sizeof(whats) / sizeof(*whats); i++) {
		if (strcmp(argv[1], whats[i].name))
			continue;
		whats[i].run(a, b);
		printf("%lld %lld\n", since, now());
		fflush(stdout);
		until_told();
		return 0;
	}
	fprintf(stderr, "sched: no such work\n");
	return 2;
}
