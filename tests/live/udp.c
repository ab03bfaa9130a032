// SPDX-License-Identifier: GPL-2.0-only
/*
 * UDP sockets do what the arguments say, one after the other; what each of them did is printed as JSON.
 *
 *   udp STEP...      STEP: SOCKET.VERB[=ARGUMENT[,ARGUMENT]]
 *
 * SOCKET is a letter. One process may have sockets in several namespaces, so that a test says in one line
 * what both ends do, and in which order:
 *
 *   udp s.in=/run/netns/b s.open=4 s.bind=10.0.0.2,7000 \
 *       c.in=/run/netns/a c.open=4 c.to=10.0.0.2,7000 c.send=100,64 s.recv=100
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct end {
	int fd;
	struct sockaddr_in6 to;
	long sent, sent_bytes, failed, received, received_bytes;
};

static struct end ends['z' - 'a' + 1];
static char buf[65536];

static void die(const char *what)
{
	fprintf(stderr, "udp: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void must(int ok, const char *what)
{
	if (!ok)
		die(what);
}

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long number(const char *text)
{
	must(text && *text, "an argument is missing");
	return strtol(text, NULL, 10);
}

static struct sockaddr_in6 address(const char *host, const char *port)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(number(port))};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = six.sin6_port};

	if (inet_pton(AF_INET, host, &four.sin_addr) == 1)
		memcpy(&six, &four, sizeof(four));
	else
		must(inet_pton(AF_INET6, host, &six.sin6_addr) == 1, host);
	return six;
}

static socklen_t length(const struct sockaddr_in6 *addr)
{
	return addr->sin6_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(*addr);
}

static void option(struct end *e, int level, int name, int value)
{
	must(!setsockopt(e->fd, level, name, &value, sizeof(value)), "setsockopt");
}

static void verb_in(struct end *e, char **arg)
{
	int fd = open(arg[0], O_RDONLY);

	(void)e;
	must(fd >= 0 && !setns(fd, CLONE_NEWNET), arg[0]);
	close(fd);
}

static void verb_open(struct end *e, char **arg)
{
	e->fd = socket(number(arg[0]) == 4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0);
	must(e->fd >= 0, "socket");
}

static void verb_bind(struct end *e, char **arg)
{
	struct sockaddr_in6 addr = address(arg[0], arg[1]);

	must(!bind(e->fd, (void *)&addr, length(&addr)), "bind");
}

static void verb_connect(struct end *e, char **arg)
{
	struct sockaddr_in6 addr = address(arg[0], arg[1]);

	must(!connect(e->fd, (void *)&addr, length(&addr)), "connect");
}

static void verb_to(struct end *e, char **arg)
{
	e->to = address(arg[0], arg[1]);
}

static int transmit(struct end *e, long size, int flags)
{
	struct sockaddr *to = e->to.sin6_family ? (void *)&e->to : NULL;
	int ret = sendto(e->fd, buf, size, flags, to, to ? length(&e->to) : 0);

	if (ret < 0)
		e->failed++;
	else
		e->sent_bytes += ret;
	return ret;
}

/* COUNT,SIZE */
static void verb_send(struct end *e, char **arg)
{
	for (long n = number(arg[0]); n > 0; n--) {
		must(transmit(e, number(arg[1]), 0) >= 0, "send");
		e->sent++;
	}
}

/* COUNT,SIZE: sends that the kernel refuses */
static void verb_fail(struct end *e, char **arg)
{
	for (long n = number(arg[0]); n > 0; n--)
		must(transmit(e, number(arg[1]), MSG_DONTWAIT) < 0, "a send did not fail");
}

/* SIZE: the beginning of a datagram, that the next send completes */
static void verb_more(struct end *e, char **arg)
{
	must(transmit(e, number(arg[0]), MSG_MORE) >= 0, "send");
}

/* COUNT,PORT: datagrams from that port whose checksum is wrong (IPv4, to where `to` says) */
static void verb_spoil(struct end *e, char **arg)
{
	struct udphdr header = {.source = htons(number(arg[1])), .len = htons(200), .check = 1};
	struct sockaddr_in to;
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_UDP);

	memcpy(&to, &e->to, sizeof(to));
	header.dest = to.sin_port;
	memcpy(buf, &header, sizeof(header));
	to.sin_port = 0;
	for (long n = number(arg[0]); n > 0; n--)
		must(sendto(fd, buf, 200, 0, (void *)&to, sizeof(to)) == 200, "send a raw packet");
	close(fd);
	memset(buf, 0, sizeof(header));
}

static void got(struct end *e, int ret)
{
	e->received++;
	e->received_bytes += ret;
}

/* COUNT[,SIZE]: of each no more than SIZE bytes */
static void verb_recv(struct end *e, char **arg)
{
	long size = arg[1] ? number(arg[1]) : (long)sizeof(buf);

	for (long n = number(arg[0]); n > 0; n--) {
		int ret = recv(e->fd, buf, size, 0);

		must(ret >= 0, "recv");
		got(e, ret);
	}
}

/* MILLISECONDS: reads until nothing has come for so long */
static void verb_drain(struct end *e, char **arg)
{
	struct pollfd wait = {.fd = e->fd, .events = POLLIN};

	while (poll(&wait, 1, number(arg[0])) == 1) {
		int ret = recv(e->fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (ret >= 0)
			got(e, ret);
		else
			must(errno == EAGAIN, "recv");
	}
}

static void verb_peek(struct end *e, char **arg)
{
	(void)arg;
	must(recv(e->fd, buf, sizeof(buf), MSG_PEEK) >= 0, "peek");
}

static void verb_pause(struct end *e, char **arg)
{
	(void)e;
	usleep(number(arg[0]) * 1000);
}

/* FILE: tells whoever waits for that file that it has come so far */
static void verb_tell(struct end *e, char **arg)
{
	FILE *f = fopen(arg[0], "w");

	(void)e;
	must(f && fputs("here\n", f) >= 0 && !fclose(f), arg[0]);
}

/* FILE: waits until there is that file */
static void verb_await(struct end *e, char **arg)
{
	(void)e;
	while (access(arg[0], F_OK))
		usleep(10000);
}

/* SENDERS,COUNT: so many processes send so many datagrams each, while this one goes on */
static void verb_crowd(struct end *e, char **arg)
{
	for (long senders = number(arg[0]); senders > 0; senders--) {
		if (fork())
			continue;
		for (long n = number(arg[1]); n > 0; n--)
			must(transmit(e, 10, 0) >= 0, "send");
		_exit(0);
	}
}

static void verb_rcvbuf(struct end *e, char **arg)
{
	option(e, SOL_SOCKET, SO_RCVBUF, number(arg[0]));
}

static void verb_reuse(struct end *e, char **arg)
{
	(void)arg;
	option(e, SOL_SOCKET, SO_REUSEPORT, 1);
}

static void verb_broadcast(struct end *e, char **arg)
{
	(void)arg;
	option(e, SOL_SOCKET, SO_BROADCAST, 1);
}

static void verb_segment(struct end *e, char **arg)
{
	option(e, IPPROTO_UDP, UDP_SEGMENT, number(arg[0]));
}

static void verb_gro(struct end *e, char **arg)
{
	(void)arg;
	option(e, IPPROTO_UDP, UDP_GRO, 1);
}

static void verb_close(struct end *e, char **arg)
{
	(void)arg;
	close(e->fd);
}

static const struct {
	const char *name;
	void (*run)(struct end *e, char **arg);
} verbs[] = {
	{"in", verb_in},
	{"open", verb_open},
	{"bind", verb_bind},
	{"to", verb_to},
	{"connect", verb_connect},
	{"send", verb_send},
	{"fail", verb_fail},
	{"spoil", verb_spoil},
	{"more", verb_more},
	{"recv", verb_recv},
	{"drain", verb_drain},
	{"peek", verb_peek},
	{"pause", verb_pause},
	{"tell", verb_tell},
	{"await", verb_await},
	{"crowd", verb_crowd},
	{"rcvbuf", verb_rcvbuf},
	{"reuse", verb_reuse},
	{"broadcast", verb_broadcast},
	{"gro", verb_gro},
	{"segment", verb_segment},
	{"close", verb_close},
};

static void step(char *text)
{
	struct end *e = &ends[(*text - 'a') & 31];
	char *verb = text + 2, *args = strchr(text, '='), *arg[2] = {};

	if (args) {
		*args++ = 0;
		arg[0] = strtok(args, ",");
		arg[1] = strtok(NULL, ",");
	}
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (text[0] >= 'a' && text[0] <= 'z' && text[1] == '.' &&
		    !strcmp(verbs[i].name, verb))
			return verbs[i].run(e, arg);
	errno = EINVAL;
	die(text);
}

int main(int argc, char **argv)
{
	long long started = now();

	alarm(120);
	for (int i = 1; i < argc; i++)
		step(argv[i]);
	printf("{\"pid\":%d,\"elapsed_ns\":%lld", getpid(), now() - started);
	for (struct end *e = ends; e < ends + sizeof(ends) / sizeof(*ends); e++)
		if (e->fd)
			printf(",\"%c\":{\"sent\":%ld,\"sent_bytes\":%ld,\"send_errors\":%ld,"
			       "\"received\":%ld,\"received_bytes\":%ld}",
			       (char)('a' + (e - ends)), e->sent, e->sent_bytes, e->failed,
			       e->received, e->received_bytes);
	printf("}\n");
	return 0;
}
