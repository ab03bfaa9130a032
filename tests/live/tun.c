// SPDX-License-Identifier: GPL-2.0-only
/*
 * A tun interface whose other side is slow: `tun NAME MS COUNT` makes it in this network namespace
 * and says "ready". MS milliseconds after each packet has come it reads it; after COUNT it ends.
 */
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void must(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static int tun_open(const char *name)
{
	struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR);

	must(fd >= 0, "/dev/net/tun");
	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	must(!ioctl(fd, TUNSETIFF, &request), "TUNSETIFF");
	return fd;
}

int main(int argc, char **argv)
{
	struct pollfd in = {.events = POLLIN};
	char packet[65536];

	must(argc == 4, "usage: tun NAME MS COUNT");
	in.fd = tun_open(argv[1]);
	puts("ready");
	fflush(stdout);
	for (int left = atoi(argv[3]); left; left--) {
		must(poll(&in, 1, -1) == 1, "poll");
		usleep(atoi(argv[2]) * 1000);
		must(read(in.fd, packet, sizeof(packet)) > 0, "read");
	}
	return 0;
}
