// SPDX-License-Identifier: GPL-2.0-only
/* The command line. */
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "traffic.h"

static const char usage_text[] =
	"usage: traffic server --listen ADDR:PORT [options]\n"
	"       traffic client --connect ADDR:PORT [options]\n"
	"\n"
	"One end of a TCP conversation: requests of a fixed size one way, answers of a "
	"fixed\n"
	"size the other way. Prints one line of JSON: what it did and measured itself.\n"
	"ADDR is numeric, IPv6 in brackets; [::ffff:a.b.c.d] is IPv4 through an IPv6 "
	"socket.\n"
	"\n"
	"The conversation (the same on both ends):\n"
	"  --request BYTES    of a request (64); 0: the server speaks, unasked\n"
	"  --answer BYTES     of an answer (64); 0: there is none\n"
	"  --requests N       per connection (1); on a server only for --request 0\n"
	"  --conns N          in all (1); a server ends when so many have ended, 0: at "
	"SIGTERM\n"
	"Client:\n"
	"  --parallel N       connections at a time (all)\n"
	"  --together         ask only when all are connected, close when all are done\n"
	"  --rounds           for each line on stdin: --requests on each connection, one "
	"line of\n"
	"                     JSON (totals); closes at end of file\n"
	"  --pipeline K       K requests are sent before their answers are read (1)\n"
	"  --interval NS      pause between turns\n"
	"  --bind ADDR:PORT   own address\n"
	"  --end HOW          fin | half: half-closed before the last answer | reset: "
	"RST at the\n"
	"                     end | abort: RST instead of reading the last answer\n"
	"Server:\n"
	"  --think NS         from the request's last read to the answer's first write\n"
	"  --sendfile         the answer comes from a file\n"
	"  --ready FILE       (or fifo) gets the port number once the server listens\n"
	"Either:\n"
	"  --pieces K         writes per message (1)\n"
	"  --gap NS           pause between pieces\n"
	"  --read BYTES       at most this much per read (65536)\n"
	"  --read-delay NS    from the report of readable data to the read\n"
	"  --block            blocking calls, one connection after the other\n"
	"  --peek             MSG_PEEK before each read\n"
	"  --waitall          MSG_WAITALL (with --block)\n"
	"  --sndbuf, --rcvbuf BYTES\n"
	"  --samples N        most values listed of each measurement (0)\n"
	"  --deadline S       fails then (60)\n"
	"Signals: TERM ends it with its report, USR1 ends the pauses now running (not with "
	"--block).\n";

/* Each number option: where it goes, and the least it may be. */
static const struct number {
	const char *name;
	u64 *to;
	u64 least;
} numbers[] = {
	{"request", &opt.request, 0},
	{"answer", &opt.answer, 0},
	{"requests", &opt.requests, 1},
	{"conns", &opt.conns, 0},
	{"parallel", &opt.parallel, 1},
	{"pipeline", &opt.pipeline, 1},
	{"pieces", &opt.pieces, 1},
	{"read", &opt.read, 1},
	{"think", &opt.pause[PAUSE_THINK], 0},
	{"read-delay", &opt.pause[PAUSE_READ], 0},
	{"interval", &opt.pause[PAUSE_INTERVAL], 0},
	{"gap", &opt.pause[PAUSE_GAP], 0},
	{"sndbuf", &opt.sndbuf, 0},
	{"rcvbuf", &opt.rcvbuf, 0},
	{"samples", &opt.samples, 0},
	{"deadline", &opt.deadline, 1},
};

static const struct flag {
	const char *name;
	bool *to;
} flags[] = {
	{"together", &opt.together}, {"rounds", &opt.rounds}, {"sendfile", &opt.sendfile},
	{"block", &opt.block},	     {"peek", &opt.peek},     {"waitall", &opt.waitall},
};

__attribute__((noreturn)) static void misuse(const char *what, const char *which)
{
	fprintf(stderr, "traffic: %s%s%s\n\n%s", what, which ? ": " : "", which ? which : "",
		usage_text);
	exit(2);
}

static u64 parse_number(const char *name, const char *text, u64 least)
{
	char *end;
	u64 value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || value < least)
		misuse("not a number that fits", name);
	return value;
}

/* ADDR:PORT with IPv6 in brackets */
static socklen_t parse_address(const char *text, struct sockaddr_storage *to)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				 .ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	char *host = strdup(text), *port = strrchr(host, ':');
	size_t len;

	if (!port)
		misuse("an address is ADDR:PORT", text);
	*port++ = '\0';
	len = strlen(host);
	if (host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		memmove(host, host + 1, len - 1);
	}
	if (getaddrinfo(host, port, &hints, &found))
		misuse("not a numeric address and port", text);
	memcpy(to, found->ai_addr, found->ai_addrlen);
	len = found->ai_addrlen;
	freeaddrinfo(found);
	free(host);
	return len;
}

static enum ending parse_ending(const char *text)
{
	static const char *const names[] = {"fin", "half", "reset", "abort"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(text, names[i]))
			return i;
	misuse("--end is fin, half, reset or abort", text);
}

static bool take_number(const char *name, const char *value)
{
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (!strcmp(name, numbers[i].name)) {
			if (!value)
				misuse("needs a value", name);
			*numbers[i].to = parse_number(name, value, numbers[i].least);
			return true;
		}
	return false;
}

static bool take_flag(const char *name)
{
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		if (!strcmp(name, flags[i].name)) {
			*flags[i].to = true;
			return true;
		}
	return false;
}

static void take_text(const char *name, const char *value)
{
	if (!value)
		misuse("unknown option, or one that needs a value", name);
	if (!strcmp(name, opt.server ? "listen" : "connect"))
		opt.address_len = parse_address(value, &opt.address);
	else if (!strcmp(name, "bind"))
		opt.bind_len = parse_address(value, &opt.bind);
	else if (!strcmp(name, "ready"))
		opt.ready = value;
	else if (!strcmp(name, "end"))
		opt.end = parse_ending(value);
	else
		misuse("unknown option", name);
}

static void check(void)
{
	if (!opt.address_len)
		misuse(opt.server ? "--listen is missing" : "--connect is missing", NULL);
	if (!opt.request && !opt.answer)
		misuse("--request and --answer cannot both be 0", NULL);
	if (!opt.server && !opt.conns)
		misuse("a client needs a number of --conns", NULL);
	if (opt.waitall && !opt.block)
		misuse("--waitall has a meaning only with --block", NULL);
	if (opt.rounds && (opt.block || opt.end == END_HALF || opt.end == END_ABORT))
		misuse("--rounds does not go with --block, nor with a special last "
		       "request",
		       NULL);
	if (!opt.parallel || opt.parallel > opt.conns)
		opt.parallel = opt.conns;
	if (opt.rounds)
		opt.together = true;
	if (opt.together && opt.parallel != opt.conns)
		misuse("--together and --rounds mean all connections at a time", NULL);
}

void parse_options(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--help")) {
		fputs(usage_text, stdout);
		exit(0);
	}
	if (argc < 2 || (strcmp(argv[1], "server") && strcmp(argv[1], "client")))
		misuse("say server or client", NULL);
	opt = (struct options){.server = !strcmp(argv[1], "server"),
			       .request = 64,
			       .answer = 64,
			       .requests = 1,
			       .conns = 1,
			       .pipeline = 1,
			       .pieces = 1,
			       .read = 65536,
			       .deadline = 60};
	for (int i = 2; i < argc; i++) {
		const char *name = argv[i] + 2, *value = argv[i + 1];

		if (strncmp(argv[i], "--", 2))
			misuse("not an option", argv[i]);
		if (take_flag(name))
			continue;
		if (!take_number(name, value))
			take_text(name, value);
		i++;
	}
	check();
}
