// SPDX-License-Identifier: GPL-2.0-only
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ops.h"

#define HELD 5

int tcp_socket(void)
{
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		die("socket");
	return fd;
}

void tcp_close(int fd)
{
	struct linger reset = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
}

void transmit(int fd)
{
	static const char buf[MESSAGE];

	if (send(fd, buf, sizeof(buf), 0) != sizeof(buf))
		die("send");
}

int receive(int fd)
{
	char buf[MESSAGE];

	return recv(fd, buf, sizeof(buf), MSG_WAITALL) == sizeof(buf);
}

void hold_packets(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	socklen_t len = sizeof(addr);
	static int fd = -1;
	int listener;

	if (fd < 0) {
		fd = tcp_socket();
		listener = tcp_socket();
		addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		if (bind(listener, (void *)&addr, len) || listen(listener, 1) ||
		    getsockname(listener, (void *)&addr, &len) || connect(fd, (void *)&addr, len) ||
		    accept(listener, NULL, NULL) < 0)
			die("connect on the loopback");
	}
	for (int i = 0; i < HELD; i++)
		transmit(fd);
}
