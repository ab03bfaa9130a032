// SPDX-License-Identifier: GPL-2.0-only
/* One connection: what it says next, and what is measured on the way. */
#include <errno.h>
#include <netinet/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "traffic.h"

enum outcome {
	GO,   /* on to the next state */
	WAIT, /* comes back when there is something to do */
	END,
};

static char *payload; /* a message starts with the time it was first written at, or 0 */
static char *inbox;
static int file = -1; /* the payload, for sendfile() */

/* Of the messages this end sends, and of those it gets. */
static u64 out_size(void)
{
	return opt.server ? opt.answer : opt.request;
}

static u64 in_size(void)
{
	return opt.server ? opt.request : opt.answer;
}

void conn_setup(void)
{
	payload = calloc(1, out_size() + sizeof(u64));
	inbox = malloc(opt.read + sizeof(u64));
	if (!payload || !inbox)
		fail("no memory for messages of %lu bytes", out_size() + opt.read);
	if (!opt.sendfile)
		return;
	file = memfd_create("answer", 0);
	if (file < 0 || ftruncate(file, out_size()))
		fail("no file to send from: %m");
}

/* ---- sending ---- */

static u64 unread(struct conn *c)
{
	int bytes = 0;

	ioctl(c->fd, FIONREAD, &bytes);
	return bytes;
}

/* Just after a write: what may be unread from before it, so not the answer to it. */
static u64 unread_earlier(struct conn *c)
{
	u64 earlier = c->asked * opt.answer - c->in_bytes, bytes = unread(c);

	return bytes < earlier ? bytes : earlier;
}

/* A client's turn starts (again) with each write, a server's ends with the first. */
static void note_send(struct conn *c, u64 entry, u64 exit)
{
	if (!opt.server) {
		c->turn_open = true;
		c->inner_done = false;
		c->from_entry = entry;
		c->from_exit = exit;
		c->read_since = 0;
		c->unread_after = opt.pipeline > 1 ? unread_earlier(c) : 0;
	} else if (c->turn_open) {
		series_add(&result.latency_inner, entry - c->from_exit);
		series_add(&result.latency_outer, exit - c->from_entry);
		c->turn_open = false;
	}
}

/* The other end is gone: a server goes on with the next connection. */
static enum outcome broken(struct conn *c, const char *what)
{
	if (errno != ECONNRESET && errno != EPIPE)
		fail("%s: %m", what);
	if (!opt.server)
		fail("%s after %lu of %lu requests: %m", what, c->asked, c->target);
	result.resets++;
	return END;
}

/* One write. Returns GO when something was sent. */
static enum outcome write_some(struct conn *c, u64 len)
{
	off_t offset = c->offset;
	u64 entry, stamp;
	ssize_t n;

	if (opt.pipeline > 1 && !opt.server)
		c->unread_before = unread(c);
	entry = now_ns();
	stamp = opt.sendfile ? 0 : entry;
	if (!c->offset)
		memcpy(payload, &stamp, sizeof(stamp));
	if (opt.sendfile)
		n = sendfile(c->fd, file, &offset, len);
	else
		n = send(c->fd, payload + offset, len, MSG_NOSIGNAL);
	if (n > 0) {
		note_send(c, entry, now_ns());
		result.sends++;
		result.sent_bytes += n;
		c->offset += n;
		return GO;
	}
	if (errno == EINTR)
		check_deadline();
	else if (errno != EAGAIN)
		return broken(c, "sending");
	result.refused += errno == EAGAIN;
	return loop_await(c, EPOLLOUT) ? GO : WAIT;
}

/* One message, in opt.pieces writes (or more, where the buffer is full). */
static enum outcome write_message(struct conn *c)
{
	u64 size = out_size(), piece = (size + opt.pieces - 1) / opt.pieces;

	while (c->offset < size) {
		u64 end = (c->offset / piece + 1) * piece;
		enum outcome out;

		out = write_some(c, (end < size ? end : size) - c->offset);
		if (out != GO)
			return out;
		if (c->offset < size && c->offset % piece == 0 && opt.pause[PAUSE_GAP] &&
		    !loop_pause(c, PAUSE_GAP))
			return WAIT;
	}
	c->offset = 0;
	result.sent++;
	return GO;
}

/* ---- receiving ---- */

/* Only a read that starts with a message can tell how long that was under way. */
static void note_read_delay(struct conn *c, u64 entry, u64 exit, u64 n)
{
	u64 stamp = 0;

	if (c->in_bytes % in_size())
		return;
	series_add(&result.read_delay_inner, c->ready ? entry - c->ready : 0);
	if (n >= sizeof(stamp) && in_size() >= sizeof(stamp))
		memcpy(&stamp, inbox, sizeof(stamp));
	if (stamp)
		series_add(&result.read_delay_outer, exit - stamp);
}

/*
 * A client's turn ends with the first read of something that came after its last
 * write. What was unread before that write came earlier, what was unread after it
 * may have: two candidates, the same one unless requests are pipelined.
 */
static void note_answer(struct conn *c, u64 entry, u64 exit, u64 n)
{
	c->read_since += n;
	if (!c->inner_done && c->read_since > c->unread_before) {
		series_add(&result.latency_inner, entry - c->from_exit);
		c->inner_done = true;
	}
	if (c->read_since > c->unread_after) {
		series_add(&result.latency_outer, exit - c->from_entry);
		c->turn_open = false;
	}
}

static void note_read(struct conn *c, u64 entry, u64 exit, u64 n)
{
	note_read_delay(c, entry, exit, n);
	if (opt.server) {
		c->turn_open = true;
		c->from_entry = entry;
		c->from_exit = exit;
	} else if (c->turn_open) {
		note_answer(c, entry, exit, n);
	}
	result.reads++;
	result.received_bytes += n;
	result.received += (c->in_bytes + n) / in_size() - c->in_bytes / in_size();
	c->in_bytes += n;
	c->ready = 0;
	c->delayed = false;
}

/* One read of at most `want` bytes. Returns END at the end of the stream. */
static enum outcome read_some(struct conn *c, u64 want)
{
	u64 len = want < opt.read ? want : opt.read, entry;
	ssize_t n;

	if (opt.pause[PAUSE_READ] && !c->ready)
		return loop_await(c, EPOLLIN) ? GO : WAIT;
	if (opt.pause[PAUSE_READ] && !c->delayed) {
		c->delayed = true;
		if (!loop_pause(c, PAUSE_READ))
			return WAIT;
	}
	entry = now_ns();
	if (opt.peek && recv(c->fd, inbox, len, MSG_PEEK) > 0)
		result.peeks++;
	n = recv(c->fd, inbox, len, opt.waitall ? MSG_WAITALL : 0);
	if (n > 0) {
		note_read(c, entry, now_ns(), n);
		return GO;
	}
	if (n == 0)
		return END;
	if (errno == EINTR)
		check_deadline();
	else if (errno != EAGAIN)
		return broken(c, "receiving");
	if (stopping)
		return END;
	return loop_await(c, EPOLLIN) ? GO : WAIT;
}

/* ---- client ---- */

/* Requests to send before the next answer is read. */
static u64 burst(const struct conn *c)
{
	u64 left = c->target - c->asked;

	return left < opt.pipeline ? left : opt.pipeline;
}

static enum outcome client_turn_done(struct conn *c)
{
	if (c->asked < c->target) {
		c->to_send = burst(c);
		c->state = SENDING;
		return opt.pause[PAUSE_INTERVAL] && !loop_pause(c, PAUSE_INTERVAL) ? WAIT : GO;
	}
	if (!opt.together)
		return END;
	c->state = IDLE;
	loop_idle(c);
	return WAIT;
}

static enum outcome client_send(struct conn *c)
{
	while (c->to_send) {
		enum outcome out = write_message(c);

		if (out != GO)
			return out;
		c->to_send--;
		c->asked++;
	}
	if (c->asked == c->target && opt.end == END_HALF)
		shutdown(c->fd, SHUT_WR);
	if (c->asked == c->target && opt.end == END_ABORT)
		return END;
	if (!opt.answer)
		return client_turn_done(c);
	c->state = RECEIVING;
	return GO;
}

static enum outcome client_receive(struct conn *c)
{
	while (c->in_bytes < c->asked * opt.answer) {
		enum outcome out = read_some(c, c->asked * opt.answer - c->in_bytes);

		if (out == END)
			fail("the server closed after %lu of %lu bytes of answers", c->in_bytes,
			     c->asked * opt.answer);
		if (out == WAIT)
			return out;
	}
	return client_turn_done(c);
}

/* The next opt.requests, now that all connections are ready for them. */
void conn_new_round(struct conn *c)
{
	c->target += opt.requests;
	c->to_send = opt.request ? burst(c) : 0;
	c->asked += opt.request ? 0 : opt.requests;
	c->state = opt.request ? SENDING : RECEIVING;
}

static enum outcome client_connected(struct conn *c)
{
	int error = 0;
	socklen_t len = sizeof(error), address_len = sizeof(result.local);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) || error)
		fail("connecting: %s", strerror(error ? error : errno));
	if (!result.opened++) {
		getsockname(c->fd, (void *)&result.local, &address_len);
		result.peer = opt.address;
	}
	if (opt.together) {
		c->state = IDLE;
		loop_idle(c);
		return WAIT;
	}
	conn_new_round(c);
	return GO;
}

/* ---- server ---- */

static enum outcome server_send(struct conn *c)
{
	while (c->to_send) {
		enum outcome out = write_message(c);

		if (out != GO)
			return out;
		c->to_send--;
	}
	c->state = RECEIVING;
	return GO;
}

static enum outcome server_receive(struct conn *c)
{
	for (;;) {
		enum outcome out;

		if (opt.request && c->in_bytes / opt.request > c->taken) {
			c->taken++;
			if (!opt.answer)
				continue;
			c->to_send = 1;
			c->state = SENDING;
			return !opt.pause[PAUSE_THINK] || loop_pause(c, PAUSE_THINK) ? GO : WAIT;
		}
		/* with MSG_WAITALL no more than the message will ever come */
		out = read_some(c, opt.waitall ? in_size() - c->in_bytes % in_size() : opt.read);
		if (out != GO)
			return out;
	}
}

/* ---- both ---- */

static void conn_close(struct conn *c)
{
	struct linger linger = {1, 0};

	if (opt.end == END_RESET || opt.end == END_ABORT)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(c->fd);
	result.ended++;
	loop_ended(c);
}

void conn_step(struct conn *c)
{
	enum outcome out = GO;

	while (out == GO) {
		if (c->state == CONNECTING)
			out = client_connected(c);
		else if (c->state == SENDING)
			out = opt.server ? server_send(c) : client_send(c);
		else if (c->state == RECEIVING)
			out = opt.server ? server_receive(c) : client_receive(c);
		else
			out = c->state == ENDING ? END : WAIT;
	}
	if (out == END)
		conn_close(c);
}

/* A socket, connecting or accepted, becomes a conversation. */
void conn_start(struct conn *c)
{
	int one = 1;

	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (!opt.server)
		return;
	result.opened++;
	c->to_send = opt.request ? 0 : opt.requests;
	c->state = c->to_send ? SENDING : RECEIVING;
	conn_step(c);
}
