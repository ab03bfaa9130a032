// SPDX-License-Identifier: GPL-2.0-only
/*
 * The far end of a TCP connection, without a second TCP: what the kernel sends into a tun
 * device comes back with its ends exchanged, as the answer or as the next request. So the
 * kernel runs one side only, and what a probe adds is the cost on that side.
 *
 *   kernel's socket --> tun --> packet, turned round --> tun --> kernel's socket
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ops.h"

#define NEAR	     "198.18.0.1" /* of the network for benchmarks, RFC 2544 */
#define FAR	     "198.18.0.2"
#define PORT	     7

/* Where Linux puts the time stamp: behind two NOPs; in a SYN, behind MSS and SACK. */
#define STAMP	     4
#define STAMP_IN_SYN 8
#define BEHIND_STAMP 12

struct packet {
	struct iphdr ip;
	struct tcphdr tcp;
	unsigned char rest[256];
};

static int tun = -1, listener = -1;
static struct packet packet;

static unsigned int sum(const void *data, int bytes, unsigned int start)
{
	const unsigned short *word = data;

	for (; bytes > 1; bytes -= 2)
		start += *word++;
	return start;
}

static unsigned short checksum(unsigned int sum)
{
	sum = (sum >> 16) + (sum & 0xffff);
	return ~(sum + (sum >> 16));
}

static int tcp_bytes(const struct packet *p)
{
	return ntohs(p->ip.tot_len) - p->ip.ihl * 4;
}

static int payload(const struct packet *p)
{
	return tcp_bytes(p) - p->tcp.doff * 4;
}

static void put(struct packet *p)
{
	unsigned int pseudo = htons(IPPROTO_TCP) + htons(tcp_bytes(p));

	p->ip.check = 0;
	p->ip.check = checksum(sum(&p->ip, sizeof(p->ip), 0));
	p->tcp.check = 0;
	pseudo = sum(&p->ip.saddr, 8, pseudo);
	p->tcp.check = checksum(sum(&p->tcp, tcp_bytes(p), pseudo));
	if (write(tun, p, ntohs(p->ip.tot_len)) < 0)
		die("write to the tun device");
}

static void exchange(void *a, void *b, int bytes)
{
	unsigned char *x = a, *y = b, t;

	while (bytes--) {
		t = *x;
		*x++ = *y;
		*y++ = t;
	}
}

static void turn(struct packet *p)
{
	unsigned char *stamp = p->rest + (p->tcp.syn ? STAMP_IN_SYN : STAMP);
	unsigned int next = ntohl(p->tcp.seq) + payload(p) + p->tcp.syn;

	exchange(&p->ip.saddr, &p->ip.daddr, 4);
	exchange(&p->tcp.source, &p->tcp.dest, 2);
	exchange(stamp, stamp + 4, 4);
	p->tcp.seq = p->tcp.ack_seq;
	p->tcp.ack_seq = htonl(next);
}

/*
 * The next packet with a SYN or with data, its ends exchanged, so that it acknowledges what it
 * brought. Acknowledgements alone are passed over.
 */
void mirror_take(void)
{
	do {
		if (read(tun, &packet, sizeof(packet)) < 0)
			die("read the kernel's packet from the tun device");
	} while (packet.ip.version != 4 || packet.ip.protocol != IPPROTO_TCP ||
		 (!packet.tcp.syn && !payload(&packet)));
	turn(&packet);
}

static void set_address(void)
{
	struct ifreq ifr = {.ifr_name = "mirror"};
	struct sockaddr_in *addr = (void *)&ifr.ifr_addr;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	addr->sin_family = AF_INET;
	addr->sin_addr.s_addr = inet_addr(NEAR);
	if (ioctl(fd, SIOCSIFADDR, &ifr))
		die("give the tun device an address");
	addr->sin_addr.s_addr = inet_addr("255.255.255.252");
	if (ioctl(fd, SIOCSIFNETMASK, &ifr))
		die("give the tun device a network");
	ifr.ifr_flags = IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &ifr))
		die("bring the tun device up");
	close(fd);
}

void mirror_begin(void)
{
	struct ifreq ifr = {.ifr_name = "mirror", .ifr_flags = IFF_TUN | IFF_NO_PI};
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(PORT)};

	tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
	if (tun < 0 || ioctl(tun, TUNSETIFF, &ifr))
		die("make a tun device");
	set_address();
	listener = tcp_socket();
	if (bind(listener, (void *)&addr, sizeof(addr)) || listen(listener, 128))
		die("listen");
}

void mirror_end(void)
{
	close(listener);
	close(tun);
}

int mirror_connect(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	int fd = tcp_socket();

	addr.sin_addr.s_addr = inet_addr(FAR);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (!connect(fd, (void *)&addr, sizeof(addr)) || errno != EINPROGRESS)
		die("connect to the mirror");
	mirror_take();
	packet.tcp.ack = 1;
	put(&packet);
	return fd;
}

static void put_syn(void)
{
	/* MSS 1460, SACK, time stamp, window scale */
	static const unsigned char options[] = {2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0,
						0, 1, 0,    0,	  0, 0, 1, 3,  3, 7};
	static unsigned short port = 1024;

	port = port < 60000 ? port + 1 : 1024;
	packet = (struct packet){
		.ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP},
		.tcp = {.syn = 1, .doff = 10, .window = 0xffff},
	};
	packet.ip.tot_len = htons(sizeof(packet.ip) + sizeof(packet.tcp) + sizeof(options));
	packet.ip.saddr = inet_addr(FAR);
	packet.ip.daddr = inet_addr(NEAR);
	packet.tcp.source = htons(port);
	packet.tcp.dest = htons(PORT);
	memcpy(packet.rest, options, sizeof(options));
	put(&packet);
}

int mirror_accept(void)
{
	int fd;

	put_syn();
	mirror_take();
	packet.tcp.syn = 0;
	put(&packet);
	fd = accept(listener, NULL, NULL);
	if (fd < 0)
		die("accept from the mirror");
	return fd;
}

void mirror_put(void)
{
	packet.tcp.psh = 1;
	packet.ip.tot_len = htons(sizeof(packet.ip) + packet.tcp.doff * 4 + MESSAGE);
	put(&packet);
}

/* Puts a segment without data that acknowledges all before `ack`, with so many words of options. */
static void put_ack(unsigned int ack, int options)
{
	packet.tcp.ack_seq = htonl(ack);
	packet.tcp.doff = 5 + options;
	packet.ip.tot_len = htons(sizeof(packet.ip) + packet.tcp.doff * 4);
	put(&packet);
}

void mirror_lose(int messages)
{
	unsigned int *sack = (void *)(packet.rest + BEHIND_STAMP);
	unsigned int lost, next;

	mirror_take();
	lost = ntohl(packet.tcp.ack_seq) - MESSAGE;
	while (--messages)
		mirror_take();
	next = ntohl(packet.tcp.ack_seq);
	sack[0] = htonl(0x01010000 | 5 << 8 | 10); /* two NOPs, SACK of ten bytes */
	sack[1] = htonl(lost + MESSAGE);
	sack[2] = htonl(next);
	put_ack(lost, 3 + 3);
	mirror_take();
	put_ack(next, 3);
}
