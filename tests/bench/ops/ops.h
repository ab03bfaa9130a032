/* SPDX-License-Identifier: GPL-2.0-only */
/* The operations that are measured. */
#pragma once

struct sockaddr_in;

struct op {
	const char *name;
	const char *what;
	int batch; /* operations in a batch: together shorter than a tick of 4 ms */
	void (*begin)(void);
	void (*prepare)(void); /* before each batch */
	void (*once)(void);
	void (*end)(void);
};

extern const struct op ops[]; /* ends with an empty one */

#define MESSAGE 16 /* bytes of a request, and of its answer */

void die(const char *what) __attribute__((noreturn));

/* sockets.c: the two ends of a connection, as an application sees them */
int tcp_socket(void);
void tcp_close(int fd); /* at once: no end of the connection is waited for */
void transmit(int fd);
void hold_packets(void); /* some more that nobody reads */
int receive(int fd);	 /* 0 at the end of the stream */

/* mirror.c: one end in the kernel, the other in this process */
void mirror_begin(void);
void mirror_end(void);
int mirror_connect(void);	/* the kernel's end calls */
int mirror_accept(void);	/* the kernel's end is called */
void mirror_take(void);		/* receive a message at the far end */
void mirror_put(void);		/* send one there, which acknowledges that */
void mirror_lose(int messages); /* receive so many but the first, and that when it comes again */
