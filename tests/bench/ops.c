// SPDX-License-Identifier: GPL-2.0-only
/*
 * One operation, many times: what a probe adds to it is its cost. Under icount (MEASURE in
 * docs/cost.md) the clock counts guest instructions, so the figure printed is
 * instructions per operation and repeats to the digit.
 *
 *   ops OPERATION COUNT      prints nanoseconds per operation
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <fcntl.h>

#define MESSAGE 16

static void die(const char *what)
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

static void report(long long started, long count)
{
	printf("%.1f\n", (double)(now() - started) / count);
}

/* Reads one whole message; 0 at the end of the stream. */
static int receive(int fd)
{
	char buf[MESSAGE];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_WAITALL);

	if (n < 0)
		die("recv");
	return n == sizeof(buf);
}

static void transmit(int fd)
{
	static const char buf[MESSAGE];

	if (send(fd, buf, sizeof(buf), 0) != sizeof(buf))
		die("send");
}

static void answer(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	while (receive(fd))
		transmit(fd);
	close(fd);
}

/* A server in a child process that answers each connection in turn; it ends with us. */
static struct sockaddr_in serve(pid_t *child)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(fd, (void *)&addr, len) || listen(fd, 128) || getsockname(fd, (void *)&addr, &len))
		die("listen on the loopback");
	*child = fork();
	if (*child == 0)
		for (;;)
			answer(accept(fd, NULL, NULL));
	close(fd);
	return addr;
}

static int dial(const struct sockaddr_in *addr)
{
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(fd, (const void *)addr, sizeof(*addr)))
		die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void stop(pid_t child)
{
	kill(child, 9);
	waitpid(child, NULL, 0);
}

static void request(long count)
{
	pid_t child;
	struct sockaddr_in addr = serve(&child);
	int fd = dial(&addr);
	long long started;

	for (long i = -100; i < count; i++) {
		if (i == 0)
			started = now();
		transmit(fd);
		receive(fd);
	}
	report(started, count);
	stop(child);
}

static void connection(long count)
{
	pid_t child;
	struct sockaddr_in addr = serve(&child);
	struct linger reset = {.l_onoff = 1};
	long long started;

	for (long i = -20; i < count; i++) {
		int fd = dial(&addr);

		if (i == 0)
			started = now();
		transmit(fd);
		receive(fd);
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, 0);
		close(fd);
	}
	report(started, count);
	stop(child);
}

static void pingpong(long count)
{
	int there[2], back[2];
	long long started;
	char c = 0;
	pid_t child;

	if (pipe(there) || pipe(back))
		die("pipe");
	child = fork();
	if (child == 0)
		for (;;)
			if (read(there[0], &c, 1) != 1 || write(back[1], &c, 1) != 1)
				_exit(0);
	for (long i = -100; i < count; i++) {
		if (i == 0)
			started = now();
		if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1)
			die("pipe");
	}
	report(started, count);
	stop(child);
}

static void cached_read(long count)
{
	char buf[4096];
	int fd = open("/proc/self/exe", O_RDONLY);
	long long started;

	for (long i = -100; i < count; i++) {
		if (i == 0)
			started = now();
		if (pread(fd, buf, sizeof(buf), 0) <= 0)
			die("read");
	}
	report(started, count);
}

static void page_fault(long count)
{
	size_t size = count * 4096;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long long started;

	if (p == MAP_FAILED || madvise(p, size, MADV_NOHUGEPAGE))
		die("map memory");
	started = now();
	for (long i = 0; i < count; i++)
		p[i * 4096] = 1;
	report(started, count);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(long count);
	} ops[] = {
		{"request", request},	      {"connection", connection}, {"pingpong", pingpong},
		{"cached_read", cached_read}, {"page_fault", page_fault},
	};
	long count = argc == 3 ? atol(argv[2]) : 0;

	for (size_t i = 0; count > 0 && i < sizeof(ops) / sizeof(*ops); i++)
		if (!strcmp(argv[1], ops[i].name)) {
			ops[i].run(count);
			return 0;
		}
	fprintf(stderr, "usage: ops request|connection|pingpong|cached_read|page_fault COUNT\n");
	return 2;
}
