// SPDX-License-Identifier: GPL-2.0-only
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ops.h"

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
