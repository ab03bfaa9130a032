// SPDX-License-Identifier: GPL-2.0-only
/* Many connections in one thread: what is ready, and what is due. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "traffic.h"

struct queue {
	struct conn *head, *tail;
};

static struct queue pauses[PAUSE_KINDS], idle;
static int epoll_fd = -1, listener = -1;
static u64 active, idle_count;

static void push(struct queue *q, struct conn *c)
{
	c->next = NULL;
	if (q->tail)
		q->tail->next = c;
	else
		q->head = c;
	q->tail = c;
}

static struct conn *pop(struct queue *q)
{
	struct conn *c = q->head;

	if (c && !(q->head = c->next))
		q->tail = NULL;
	return c;
}

/* ---- what connections ask of the loop ---- */

bool loop_await(struct conn *c, uint32_t events)
{
	struct epoll_event event = {.events = events | EPOLLONESHOT, .data.ptr = c};
	struct pollfd pfd = {.fd = c->fd, .events = events == EPOLLIN ? POLLIN : POLLOUT};

	if (!opt.block) {
		if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &event))
			fail("epoll: %m");
		return false;
	}
	while (poll(&pfd, 1, -1) < 0)
		check_deadline();
	c->ready = now_ns();
	return true;
}

bool loop_pause(struct conn *c, enum pause kind)
{
	u64 due = now_ns() + opt.pause[kind];

	if (opt.block || opt.pause[kind] < SPIN_NS) {
		wait_until(due);
		return true;
	}
	c->due = due;
	push(&pauses[kind], c);
	return false;
}

void loop_idle(struct conn *c)
{
	push(&idle, c);
	idle_count++;
}

void loop_ended(struct conn *c)
{
	active--;
	free(c);
}

/* ---- opening ---- */

static struct conn *new_conn(int fd)
{
	struct conn *c = calloc(1, sizeof(*c));
	struct epoll_event event = {.events = EPOLLONESHOT, .data.ptr = c};

	if (!c)
		fail("no memory for another connection");
	c->fd = fd;
	active++;
	if (opt.block) {
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
		return c;
	}
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event))
		fail("epoll: %m");
	return c;
}

static int new_socket(void)
{
	int fd = socket(opt.address.ss_family, SOCK_STREAM, 0);
	int one = 1, sndbuf = opt.sndbuf, rcvbuf = opt.rcvbuf;

	if (fd < 0)
		fail("no socket: %m");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (sndbuf) /* an accepted socket has those of its listener */
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	if (rcvbuf)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
	if (opt.bind_len && bind(fd, (void *)&opt.bind, opt.bind_len))
		fail("cannot bind to that address: %m");
	return fd;
}

static void open_one(void)
{
	struct conn *c = new_conn(new_socket());
	bool pending = false;

	while (connect(c->fd, (void *)&opt.address, opt.address_len)) {
		if (errno == EISCONN)
			break;
		pending = errno == EINPROGRESS;
		if (pending)
			break;
		if (errno != EINTR && errno != EALREADY)
			fail("connecting: %m");
		check_deadline();
	}
	conn_start(c);
	if (pending)
		loop_await(c, EPOLLOUT);
	else
		conn_step(c);
}

static void open_more(void)
{
	static u64 started;

	while (started < opt.conns && active < opt.parallel && !stopping) {
		started++;
		open_one();
	}
}

static void tell_ready(void)
{
	struct sockaddr_storage own;
	socklen_t len = sizeof(own);
	FILE *file;

	getsockname(listener, (void *)&own, &len);
	result.local = own;
	if (!opt.ready)
		return;
	file = fopen(opt.ready, "w");
	if (!file)
		fail("cannot write %s: %m", opt.ready);
	/* sin_port and sin6_port are at the same place, in network order */
	fprintf(file, "%u\n", ((uint8_t *)&own)[2] * 256U + ((uint8_t *)&own)[3]);
	fclose(file);
}

static void open_listener(void)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

	listener = new_socket();
	if (bind(listener, (void *)&opt.address, opt.address_len) || listen(listener, 4096))
		fail("cannot listen there: %m");
	if (!opt.block) {
		fcntl(listener, F_SETFL, O_NONBLOCK);
		if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event))
			fail("epoll: %m");
	}
	tell_ready();
}

/* All that wait; in blocking mode the next one. */
static void accept_some(void)
{
	while (!opt.conns || result.opened < opt.conns) {
		struct sockaddr_storage peer;
		socklen_t len = sizeof(peer);
		int fd = accept(listener, (void *)&peer, &len);

		if (fd < 0 && (errno == EAGAIN || stopping))
			return;
		if (fd < 0 && errno == EINTR)
			check_deadline();
		else if (fd < 0 && errno != ECONNABORTED)
			fail("accepting: %m");
		if (fd < 0)
			continue;
		if (!result.opened) {
			len = sizeof(result.local);
			getsockname(fd, (void *)&result.local, &len);
			result.peer = peer;
		}
		conn_start(new_conn(fd));
	}
	close(listener);
	listener = -1;
}

/* ---- rounds ---- */

/* False at the end of stdin. */
static bool next_line(void)
{
	char c;

	for (;;) {
		ssize_t n = read(STDIN_FILENO, &c, 1);

		if (n == 1 && c == '\n')
			return true;
		if (n == 0 || stopping)
			return false;
		if (n < 0)
			check_deadline();
	}
}

/* All connections have met: the next round, or the end. */
static void next_round(void)
{
	static u64 rounds;
	struct queue met = idle;
	struct conn *c;
	bool more;

	if (rounds && opt.rounds)
		report();
	more = opt.rounds ? next_line() : !rounds;
	rounds++;
	idle = (struct queue){};
	idle_count = 0;
	while ((c = pop(&met))) {
		if (more)
			conn_new_round(c);
		else
			c->state = ENDING;
		conn_step(c);
	}
}

/* ---- the loop ---- */

static u64 next_due(void)
{
	u64 due = ~0ULL;

	for (int i = 0; i < PAUSE_KINDS; i++)
		if (pauses[i].head && pauses[i].head->due < due)
			due = pauses[i].head->due;
	return due;
}

/* Until something is ready or due; or a while, as a signal may have come just before. */
static void sleep_until_next(void)
{
	struct pollfd pfd = {.fd = epoll_fd, .events = POLLIN};
	u64 due = next_due(), now = now_ns(), left = due > now ? due - now : 0;
	struct timespec timeout = {left / 1000000000, left % 1000000000};

	if (ppoll(&pfd, 1, due == ~0ULL ? NULL : &timeout, NULL) < 0)
		check_deadline();
}

static void run_ready(void)
{
	struct epoll_event events[64];
	int n = epoll_wait(epoll_fd, events, 64, 0);

	for (int i = 0; i < n; i++) {
		struct conn *c = events[i].data.ptr;

		if (!c) {
			accept_some();
			continue;
		}
		c->ready = events[i].events & EPOLLIN ? now_ns() : 0;
		conn_step(c);
	}
}

static void run_due(void)
{
	bool all = hurried;

	hurried = false;
	for (int i = 0; i < PAUSE_KINDS; i++)
		while (pauses[i].head && (all || pauses[i].head->due <= now_ns()))
			conn_step(pop(&pauses[i]));
}

static bool unfinished(void)
{
	if (stopping)
		return false;
	return active || (opt.server ? listener >= 0 : result.ended < opt.conns);
}

void loop_run(void)
{
	if (!opt.block && (epoll_fd = epoll_create1(0)) < 0)
		fail("epoll: %m");
	if (opt.server)
		open_listener();
	while (unfinished()) {
		if (!opt.server)
			open_more();
		else if (opt.block)
			accept_some();
		if (opt.block)
			continue;
		if (!opt.server && active && idle_count == opt.conns) {
			next_round();
			continue;
		}
		sleep_until_next();
		run_ready();
		run_due();
	}
}
