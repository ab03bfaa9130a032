// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process that takes page faults when it is told to: it says "ready", does what each line of its
 * input says, and answers "done". All memory it touches otherwise it has touched before.
 *
 *   write N        writes to each of N fresh pages
 *   read N         reads each of N fresh pages
 *   kernel N       has the kernel write to N fresh pages
 *   populate N     asks the kernel for N pages that it will write to
 *   threads T N    writes to N fresh pages in each of T threads at once
 *   file N PATH    reads each of the first N pages of a file that was put out of memory
 *   bus            reads behind the end of a file, and survives
 *   wait MS        writes to a page that arrives after so many milliseconds (userfaultfd)
 *   hold N         writes to N fresh pages and keeps them
 *   touch          reads each of them
 *   become PATH    executes another program
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096

static void must(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static volatile char *fresh(long pages, int flags)
{
	void *memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	must(memory != MAP_FAILED, "mmap");
	must(!madvise(memory, pages * PAGE, MADV_NOHUGEPAGE), "madvise");
	return memory;
}

static void give_back(volatile char *memory, long pages)
{
	must(!munmap((void *)memory, pages * PAGE), "munmap");
}

static void write_pages(volatile char *memory, long pages)
{
	for (long i = 0; i < pages; i++)
		memory[i * PAGE] = 1;
}

static char read_pages(volatile char *memory, long pages)
{
	char sum = 0;

	for (long i = 0; i < pages; i++)
		sum += memory[i * PAGE];
	return sum;
}

static void do_write(long pages)
{
	volatile char *memory = fresh(pages, 0);

	write_pages(memory, pages);
	give_back(memory, pages);
}

static void do_read(long pages)
{
	volatile char *memory = fresh(pages, 0);

	read_pages(memory, pages);
	give_back(memory, pages);
}

static void do_kernel(long pages)
{
	volatile char *memory = fresh(pages, 0);
	int fd = open("/dev/zero", O_RDONLY);

	must(read(fd, (void *)memory, pages * PAGE) == pages * PAGE, "/dev/zero");
	close(fd);
	give_back(memory, pages);
}

static void do_populate(long pages)
{
	give_back(fresh(pages, MAP_POPULATE), pages);
}

static void *thread(void *pages)
{
	do_write((long)pages);
	return NULL;
}

static void do_threads(long n, long pages)
{
	pthread_t threads[64];

	must(n <= 64, "at most 64 threads");
	for (long i = 0; i < n; i++)
		must(!pthread_create(&threads[i], NULL, thread, (void *)pages), "pthread_create");
	for (long i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

static void do_file(long pages, const char *path)
{
	int fd = open(path, O_RDONLY);
	void *memory = mmap(NULL, pages * PAGE, PROT_READ, MAP_SHARED, fd, 0);

	must(memory != MAP_FAILED, path);
	must(!madvise(memory, pages * PAGE, MADV_RANDOM), "madvise");
	must(!posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), "posix_fadvise");
	read_pages(memory, pages);
	give_back(memory, pages);
	close(fd);
}

static sigjmp_buf survived;

static void bus_error(int signal)
{
	siglongjmp(survived, signal);
}

static void do_bus(void)
{
	int fd = memfd_create("short", 0);
	volatile char *memory = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);

	must(memory != MAP_FAILED, "mmap");
	if (!sigsetjmp(survived, 1))
		read_pages(memory, 1);
	give_back(memory, 1);
	close(fd);
}

struct late {
	int fd;
	int ms;
};

/* The other side of userfaultfd. */
static void *bring(void *arg)
{
	struct late *late = arg;
	struct pollfd in = {.fd = late->fd, .events = POLLIN};
	struct uffd_msg msg;
	struct uffdio_zeropage zero = {};

	must(poll(&in, 1, -1) == 1 && read(late->fd, &msg, sizeof(msg)) == sizeof(msg), "fault");
	usleep(late->ms * 1000);
	zero.range.start = msg.arg.pagefault.address & -PAGE;
	zero.range.len = PAGE;
	must(!ioctl(late->fd, UFFDIO_ZEROPAGE, &zero), "UFFDIO_ZEROPAGE");
	return NULL;
}

static void do_wait(int ms)
{
	struct late late = {.fd = syscall(SYS_userfaultfd, O_CLOEXEC), .ms = ms};
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register range = {.mode = UFFDIO_REGISTER_MODE_MISSING};
	volatile char *memory = fresh(1, 0);
	pthread_t thread;

	range.range.start = (unsigned long)memory;
	range.range.len = PAGE;
	must(late.fd >= 0 && !ioctl(late.fd, UFFDIO_API, &api), "userfaultfd");
	must(!ioctl(late.fd, UFFDIO_REGISTER, &range), "UFFDIO_REGISTER");
	must(!pthread_create(&thread, NULL, bring, &late), "pthread_create");
	read_pages(memory, 1);
	pthread_join(thread, NULL);
	give_back(memory, 1);
	close(late.fd);
}

static volatile char *held;
static long held_pages;

static void do_hold(long pages)
{
	if (held)
		give_back(held, held_pages);
	held_pages = pages;
	held = fresh(pages, 0);
	write_pages(held, pages);
}

static void obey(const char *line)
{
	char verb[16] = "", path[4096] = "";
	long n = 0, m = 0;

	sscanf(line, "%15s %ld %ld", verb, &n, &m);
	if (!strcmp(verb, "write"))
		do_write(n);
	else if (!strcmp(verb, "read"))
		do_read(n);
	else if (!strcmp(verb, "kernel"))
		do_kernel(n);
	else if (!strcmp(verb, "populate"))
		do_populate(n);
	else if (!strcmp(verb, "threads"))
		do_threads(n, m);
	else if (!strcmp(verb, "file") && sscanf(line, "%*s %*d %4095s", path) == 1)
		do_file(n, path);
	else if (!strcmp(verb, "bus"))
		do_bus();
	else if (!strcmp(verb, "wait"))
		do_wait(n);
	else if (!strcmp(verb, "hold"))
		do_hold(n);
	else if (!strcmp(verb, "touch"))
		read_pages(held, held_pages);
	else if (!strcmp(verb, "become") && sscanf(line, "%*s %4095s", path) == 1)
		execl(path, path, NULL);
	else
		fprintf(stderr, "faults: what is %s", line);
}

static void say(const char *what)
{
	must(write(1, what, strlen(what)) == (ssize_t)strlen(what), "write");
}

int main(void)
{
	static char line[5000];

	signal(SIGBUS, bus_error);
	say("ready\n");
	while (fgets(line, sizeof(line), stdin)) {
		obey(line);
		say("done\n");
	}
	return 0;
}
