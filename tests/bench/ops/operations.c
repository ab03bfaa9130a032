// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ops.h"

#define PAGE	 4096
#define PAGES	 128
#define MESSAGES 5 /* of which the first is lost: enough others to show it */

static pid_t child;
static int fd = -1;

static void nothing(void)
{
}

static void stop(void)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

/* Both ends on the loopback: a server in a child process answers each connection in turn. */

static struct sockaddr_in server;

static void serve(int listener)
{
	for (;;) {
		int peer = accept(listener, NULL, NULL);

		while (receive(peer))
			transmit(peer);
		close(peer);
	}
}

static void loopback_begin(void)
{
	socklen_t len = sizeof(server);
	int listener = tcp_socket();

	server = (struct sockaddr_in){.sin_family = AF_INET};
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (void *)&server, len) || listen(listener, 128) ||
	    getsockname(listener, (void *)&server, &len))
		die("listen on the loopback");
	child = fork();
	if (!child)
		serve(listener);
	close(listener);
}

static void dial(void)
{
	fd = tcp_socket();
	if (connect(fd, (void *)&server, sizeof(server)))
		die("connect");
}

static void request(void)
{
	transmit(fd);
	if (!receive(fd))
		die("receive an answer");
}

static void request_begin(void)
{
	loopback_begin();
	dial();
}

static void request_end(void)
{
	tcp_close(fd);
	stop();
}

static void connection(void)
{
	dial();
	request();
	tcp_close(fd);
}

/* One end: see mirror.c. */

static void client_request(void)
{
	transmit(fd);
	mirror_take();
	mirror_put();
	if (!receive(fd))
		die("receive an answer");
}

static void server_request(void)
{
	mirror_put();
	if (!receive(fd))
		die("receive a request");
	transmit(fd);
	mirror_take();
}

static void client_begin(void)
{
	mirror_begin();
	fd = mirror_connect();
}

static void server_begin(void)
{
	mirror_begin();
	fd = mirror_accept();
}

static void one_side_end(void)
{
	tcp_close(fd);
	mirror_end();
}

static void client_connection(void)
{
	fd = mirror_connect();
	client_request();
	tcp_close(fd);
}

static void server_connection(void)
{
	fd = mirror_accept();
	server_request();
	tcp_close(fd);
}

/* In a new connection each time: losses make the congestion window small. */
static void retransmission(void)
{
	fd = mirror_connect();
	for (int i = 0; i < MESSAGES; i++)
		transmit(fd);
	mirror_lose(MESSAGES);
	tcp_close(fd);
}

/* A socket that talks to itself. */

static void datagram_begin(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	socklen_t len = sizeof(addr);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || bind(fd, (void *)&addr, len) || getsockname(fd, (void *)&addr, &len) ||
	    connect(fd, (void *)&addr, len))
		die("connect a datagram socket to itself");
}

static void datagram_end(void)
{
	close(fd);
}

/* A look at data that stays: the cheapest way to one run of a hook on a socket. */

static void peek_begin(void)
{
	client_begin();
	transmit(fd);
	mirror_take();
	mirror_put();
}

static void peek(void)
{
	char c;

	if (recv(fd, &c, 1, MSG_PEEK) != 1)
		die("look at what came");
}

static int there[2], back[2];

static void pingpong_begin(void)
{
	char c;

	if (pipe(there) || pipe(back))
		die("pipe");
	child = fork();
	while (!child)
		if (read(there[0], &c, 1) != 1 || write(back[1], &c, 1) != 1)
			_exit(0);
}

static void pingpong(void)
{
	char c = 0;

	if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1)
		die("pipe");
}

/* Whose turn it is: 1 is the child's. */
static uint32_t *turn;

static void await_turn(uint32_t mine)
{
	while (__atomic_load_n(turn, __ATOMIC_ACQUIRE) != mine)
		syscall(SYS_futex, turn, FUTEX_WAIT, !mine, NULL, NULL, 0);
}

static void pass_turn(uint32_t to)
{
	__atomic_store_n(turn, to, __ATOMIC_RELEASE);
	syscall(SYS_futex, turn, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void futex_begin(void)
{
	turn = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (turn == MAP_FAILED)
		die("map memory");
	child = fork();
	while (!child) {
		await_turn(1);
		pass_turn(0);
	}
}

static void futex(void)
{
	pass_turn(1);
	await_turn(0);
}

static void read_begin(void)
{
	fd = open("/proc/self/exe", O_RDONLY);
}

static void cached_read(void)
{
	char buf[PAGE];

	if (pread(fd, buf, sizeof(buf), 0) <= 0)
		die("read");
}

/* Of a device that is done at once (module null_blk): what is left is the kernel's block layer. */

static void block_begin(void)
{
	fd = open("/dev/nullb0", O_RDONLY | O_DIRECT);
	if (fd < 0)
		die("open the null device");
}

static void block_read(void)
{
	static char buf[PAGE] __attribute__((aligned(PAGE)));

	if (pread(fd, buf, sizeof(buf), 0) != sizeof(buf))
		die("read a block");
}

static char *memory, *page;

static void fault_begin(void)
{
	memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	if (memory == MAP_FAILED || madvise(memory, PAGES * PAGE, MADV_NOHUGEPAGE))
		die("map memory");
}

static void fault_prepare(void)
{
	if (madvise(memory, PAGES * PAGE, MADV_DONTNEED))
		die("give pages back");
	page = memory;
}

static void page_fault(void)
{
	*page = 1;
	page += PAGE;
}

static void fault_end(void)
{
	munmap(memory, PAGES * PAGE);
}

const struct op ops[] = {
	{"request", "request and answer, both ends here", 32, request_begin, nothing, request,
	 request_end},
	{"client_request", "the same, only the end that asks", 64, client_begin, nothing,
	 client_request, one_side_end},
	{"server_request", "the same, only the end that answers", 64, server_begin, nothing,
	 server_request, one_side_end},
	{"connection", "connect, one request, close, both ends here", 24, loopback_begin, nothing,
	 connection, stop},
	{"client_connection", "the same, only the end that connects", 40, mirror_begin, nothing,
	 client_connection, mirror_end},
	{"server_connection", "the same, only the end that accepts", 40, mirror_begin, nothing,
	 server_connection, mirror_end},
	{"retransmission", "connect, five messages of which one is lost, close", 24, mirror_begin,
	 nothing, retransmission, mirror_end},
	{"datagram", "a UDP datagram sent and read, both ends here", 64, datagram_begin, nothing,
	 request, datagram_end},
	{"peek", "a look at a received byte", 256, peek_begin, nothing, peek, one_side_end},
	{"pingpong", "a byte there and back through pipes", 128, pingpong_begin, nothing, pingpong,
	 stop},
	{"futex", "a futex there and back between two processes", 64, futex_begin, nothing, futex,
	 stop},
	{"cached_read", "4 KiB from the page cache", 256, read_begin, nothing, cached_read,
	 nothing},
	{"block_read", "4 KiB from a block device, past the page cache", 128, block_begin, nothing,
	 block_read, nothing},
	{"page_fault", "first touch of a page", PAGES, fault_begin, fault_prepare, page_fault,
	 fault_end},
	{0},
};
