/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One end of a TCP conversation that reports what it did and measured itself, so
 * that a test can hold a probe's numbers against an independent source.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

typedef uint64_t u64;

/* A wait below this is spun: a sleep would be late by more than that. */
#define SPIN_NS 200000ULL

enum ending {
	END_FIN,   /* close after the last answer */
	END_HALF,  /* shutdown(SHUT_WR) after the last request, then read its answer */
	END_RESET, /* RST after the last answer */
	END_ABORT, /* RST after the last request, its answer unread */
};

/* The waits; each has one fixed length, so a queue for each stays sorted. */
enum pause {
	PAUSE_THINK,	/* request read -> answer sent */
	PAUSE_READ,	/* data reported -> read */
	PAUSE_INTERVAL, /* answer read -> next request */
	PAUSE_GAP,	/* between two pieces of one message */
	PAUSE_KINDS,
};

struct options {
	bool server;
	struct sockaddr_storage address, bind;
	socklen_t address_len, bind_len;
	u64 request, answer;	/* bytes of a message */
	u64 requests;		/* per connection (and round) */
	u64 conns, parallel;	/* in all, at a time */
	u64 pipeline;		/* requests sent before their answers are read */
	u64 pieces;		/* writes per message */
	u64 read;		/* most bytes a read asks for */
	u64 pause[PAUSE_KINDS]; /* ns */
	u64 sndbuf, rcvbuf;	/* bytes; 0: the system's */
	u64 deadline;		/* s */
	u64 samples;		/* most values listed */
	const char *ready;
	enum ending end;
	bool block, peek, waitall, sendfile, together, rounds;
};

/* What is measured: each value brackets what any observer between can see. */
struct series {
	u64 *values;
	size_t count, room;
};

struct result {
	u64 opened, ended, resets;
	u64 sends, reads, peeks; /* calls that moved (or showed) data */
	u64 refused;		 /* sends for which there was no room */
	u64 sent_bytes, received_bytes;
	u64 sent, received; /* whole messages */
	struct series latency_inner, latency_outer;
	struct series read_delay_inner, read_delay_outer;
	u64 start, end;
	struct sockaddr_storage local, peer; /* of the first connection */
};

enum state {
	CONNECTING,
	SENDING,
	RECEIVING,
	IDLE,	/* waits for the others, or for a line on stdin */
	ENDING, /* nothing more to say */
};

struct conn {
	int fd;
	enum state state;
	struct conn *next; /* in a queue of pauses, or idle */
	u64 due;
	u64 ready;    /* when data was reported; 0: nobody asked */
	bool delayed; /* the read delay is over */
	/* sending */
	u64 to_send; /* messages left in this turn */
	u64 offset;  /* of the current message, already sent */
	u64 asked, target;
	/* receiving */
	u64 in_bytes, taken;
	/* the turn */
	bool turn_open, inner_done;
	u64 from_entry, from_exit;	 /* of the call that (re)opened the turn */
	u64 unread_before, unread_after; /* around it; since then: */
	u64 read_since;
};

extern struct options opt;
extern struct result result;
extern volatile bool stopping; /* SIGTERM: report what there is */
extern volatile bool hurried;  /* SIGUSR1: every pause now running is over */

/* main.c */
__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format, ...);
void check_deadline(void);

/* options.c */
void parse_options(int argc, char **argv);

/* report.c */
u64 now_ns(void);
void wait_until(u64 due);
void series_add(struct series *s, u64 value);
void report(void);

/* conn.c */
void conn_setup(void);
void conn_start(struct conn *c);
void conn_step(struct conn *c);
void conn_new_round(struct conn *c);

/* loop.c */
bool loop_await(struct conn *c, uint32_t events); /* true: in blocking mode, ready now */
bool loop_pause(struct conn *c, enum pause kind); /* true: already over */
void loop_idle(struct conn *c);
void loop_ended(struct conn *c);
void loop_run(void);
