// SPDX-License-Identifier: GPL-2.0-only
/*
 * locks LOCK MS ROUNDS: makes tasks wait for a lock of the kernel for a known time.
 *
 *   mutex    of a pipe: the holder writes to it from a page that is not there yet
 *   inode    of a file, a rwsem: the holder writes to the file from such a page
 *   dir      of a directory, a rwsem: the holder reads the directory into such a page, as a reader;
 *            a task that makes an entry waits for it as a writer, one that reads behind that one
 *   frozen   of the file system of the working directory, a percpu_rwsem: the holder freezes it until
 *            it has such a page; who writes to a file waits as a reader
 *   freeze   the same: the holder writes to a file there from such a page; who freezes it waits
 *
 * The page comes (userfaultfd) MS milliseconds after the last was seen to sleep; so long at least
 * have they waited. What they saw themselves of their system calls is the most.
 *
 * Prints a line for each wait: MODE LEAST MOST (in ns). MODE is `free` for the holder, who does not
 * wait, up to its page fault, and for all that comes before the first round.
 */
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sleeps.h"

#define SIZE 4096

static int fds[2];
static char directory[] = "/dev/shm/locks-XXXXXX", entry[64];
static char there[SIZE];
static char *page;     /* the one that is not there */
static int faults;     /* the userfaultfd */
static uint64_t began; /* when the holder did */

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* What is done with the lock, by the holder with the page that is not there. */
static long use_pipe(char *buffer)
{
	return write(fds[1], buffer, 1);
}

static long use_file(char *buffer)
{
	return pwrite(fds[0], buffer, 1, 0);
}

static long read_dir(char *buffer)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY);
	long n = syscall(SYS_getdents64, fd, buffer, SIZE);

	close(fd);
	return n;
}

static long make_entry(char *buffer)
{
	(void)buffer;
	return mkdir(entry, 0700) ?: rmdir(entry);
}

static long freeze(char *buffer)
{
	int fd = open(".", O_RDONLY | O_DIRECTORY);
	long ret = ioctl(fd, FIFREEZE, 0);

	*buffer = 0;
	ret |= ioctl(fd, FITHAW, 0);
	close(fd);
	return ret;
}

struct waiter {
	const char *mode;
	long (*use)(char *buffer);
	pthread_t thread;
	volatile int tid;
	volatile uint64_t took;
	int slept;
};

static const struct lock {
	const char *name;
	long (*hold)(char *buffer);
	struct waiter waiters[2]; /* as many as have a name */
} locks[] = {
	{"mutex", use_pipe, {{.mode = "mutex", .use = use_pipe}}},
	{"inode", use_file, {{.mode = "rwsem_write", .use = use_file}}},
	{"dir",
	 read_dir,
	 {{.mode = "rwsem_write", .use = make_entry}, {.mode = "rwsem_read", .use = read_dir}}},
	{"frozen", freeze, {{.mode = "percpu_read", .use = use_file}}},
	{"freeze", use_file, {{.mode = "percpu_write", .use = freeze}}},
};

static bool freezes(const struct lock *lock)
{
	return lock->hold == freeze || lock->waiters[0].use == freeze;
}

static void prepare(const struct lock *lock)
{
	if (lock->hold == use_pipe && pipe(fds))
		err(1, "pipe");
	if (freezes(lock))
		fds[0] = open("written", O_CREAT | O_RDWR, 0600);
	else if (lock->hold == use_file)
		fds[0] = memfd_create("locks", 0);
	if (!mkdtemp(directory))
		err(1, "%s", directory);
	snprintf(entry, sizeof(entry), "%s/entry", directory);
}

static void page_prepare(void)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register range = {.mode = UFFDIO_REGISTER_MODE_MISSING};

	page = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	faults = syscall(SYS_userfaultfd, O_CLOEXEC);
	range.range.start = (uintptr_t)page;
	range.range.len = SIZE;
	if (faults < 0 || ioctl(faults, UFFDIO_API, &api) || ioctl(faults, UFFDIO_REGISTER, &range))
		err(1, "userfaultfd");
}

static void page_wanted(void)
{
	struct uffd_msg msg;

	if (read(faults, &msg, sizeof(msg)) != sizeof(msg))
		err(1, "userfaultfd");
}

static void page_give(void)
{
	struct uffdio_zeropage zero = {.range = {.start = (uintptr_t)page, .len = SIZE}};

	if (ioctl(faults, UFFDIO_ZEROPAGE, &zero))
		err(1, "userfaultfd");
}

static void *hold(void *arg)
{
	const struct lock *lock = arg;

	began = now();
	if (lock->hold(page) < 0)
		err(1, "%s", lock->name);
	return NULL;
}

static void *wait_for(void *arg)
{
	struct waiter *waiter = arg;
	uint64_t begin = now();

	waiter->tid = gettid();
	if (waiter->use(there) < 0)
		err(1, "%s", waiter->mode);
	waiter->took = now() - begin;
	return NULL;
}

/* Until it sleeps, or has the lock: up to 5.11 a reader that spins may overtake a writer that sleeps. */
static void start(struct waiter *waiter)
{
	pthread_create(&waiter->thread, NULL, wait_for, waiter);
	while (!waiter->took && !waiter->slept) {
		usleep(1000);
		waiter->slept = waiter->tid && sleeps(waiter->tid, 'D');
	}
}

static void print_wait(const char *mode, uint64_t least, uint64_t most)
{
	printf("%s %llu %llu\n", mode, (unsigned long long)least, (unsigned long long)most);
}

static void round_of(struct lock lock, long ms)
{
	uint64_t seen, given;
	pthread_t holder;
	char byte;

	madvise(page, SIZE, MADV_DONTNEED);
	pthread_create(&holder, NULL, hold, &lock);
	page_wanted();
	print_wait("free", 0, now() - began);
	for (int i = 0; i < 2 && lock.waiters[i].mode; i++)
		start(&lock.waiters[i]);
	seen = now();
	usleep(ms * 1000);
	given = now();
	page_give();
	pthread_join(holder, NULL);
	for (int i = 0; i < 2 && lock.waiters[i].mode; i++) {
		pthread_join(lock.waiters[i].thread, NULL);
		print_wait(lock.waiters[i].mode, lock.waiters[i].slept ? given - seen : 0,
			   lock.waiters[i].took);
	}
	for (int i = 0; lock.hold == use_pipe && i < 2; i++)
		if (read(fds[0], &byte, 1) != 1)
			err(1, "read");
}

int main(int argc, char **argv)
{
	const struct lock *lock = NULL;
	uint64_t begin = now();

	for (size_t i = 0; argc == 4 && i < sizeof(locks) / sizeof(*locks); i++)
		if (!strcmp(argv[1], locks[i].name))
			lock = &locks[i];
	if (!lock)
		errx(2, "usage: locks mutex|inode|dir|frozen|freeze MS ROUNDS");
	prepare(lock);
	page_prepare();
	print_wait("free", 0, now() - begin);
	for (int i = 0; i < atoi(argv[3]); i++)
		round_of(*lock, atol(argv[2]));
	rmdir(directory);
	return 0;
}
