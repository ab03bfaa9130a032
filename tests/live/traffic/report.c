// SPDX-License-Identifier: GPL-2.0-only
/* Clock, waits, and the one line of JSON. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "traffic.h"

u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

void wait_until(u64 due)
{
	struct timespec ts = {due / 1000000000, due % 1000000000};
	u64 now = now_ns();

	if (due >= now + SPIN_NS)
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL))
			check_deadline();
	while (now_ns() < due)
		;
}

void series_add(struct series *s, u64 value)
{
	if (s->count == s->room) {
		s->room = s->room ? s->room * 2 : 1024;
		s->values = realloc(s->values, s->room * sizeof(*s->values));
		if (!s->values)
			fail("no memory for %zu measurements", s->room);
	}
	s->values[s->count++] = value;
}

static int compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/* [inclusive upper bound, values], one for each power of two in use */
static void print_log2(const struct series *s)
{
	const char *comma = "";
	size_t i = 0, n;

	printf(",\"log2\":[");
	for (u64 bound = 1; i < s->count; bound = bound * 2 + 1) {
		for (n = 0; i < s->count && s->values[i] <= bound; i++)
			n++;
		if (n)
			printf("%s[%lu,%zu]", comma, bound, n);
		if (n)
			comma = ",";
	}
	printf("]");
}

/* All values, sorted; or opt.samples of them, evenly spaced by rank. */
static void print_samples(const struct series *s)
{
	size_t n = s->count < opt.samples ? s->count : opt.samples;
	size_t step = n > 1 ? n - 1 : 1;

	printf(",\"samples_ns\":[");
	for (size_t i = 0; i < n; i++)
		printf("%s%lu", i ? "," : "", s->values[i * (s->count - 1) / step]);
	printf("]");
}

static void print_series(const char *name, struct series *s)
{
	static const struct {
		const char *name;
		unsigned int per_mille;
	} percentiles[] = {{"p50", 500}, {"p90", 900}, {"p99", 990}, {"p999", 999}};
	u64 sum = 0;

	if (s->count)
		qsort(s->values, s->count, sizeof(*s->values), compare);
	for (size_t i = 0; i < s->count; i++)
		sum += s->values[i];
	printf("\"%s\":{\"count\":%zu,\"sum_ns\":%lu,\"min_ns\":%lu,\"max_ns\":%lu", name, s->count,
	       sum, s->count ? s->values[0] : 0, s->count ? s->values[s->count - 1] : 0);
	for (size_t i = 0; i < sizeof(percentiles) / sizeof(*percentiles); i++) {
		/* the smallest value with at least that share at or below it */
		size_t rank = (s->count * percentiles[i].per_mille + 999) / 1000;

		printf(",\"%s_ns\":%lu", percentiles[i].name, s->count ? s->values[rank - 1] : 0);
	}
	print_log2(s);
	print_samples(s);
	printf("}");
}

static void print_address(const char *name, const struct sockaddr_storage *address)
{
	const struct sockaddr_in *v4 = (const void *)address;
	const struct sockaddr_in6 *v6 = (const void *)address;
	char text[INET6_ADDRSTRLEN] = "";

	if (address->ss_family == AF_INET)
		inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
	else if (address->ss_family == AF_INET6)
		inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
	/* the port is at the same place in both */
	printf("\"%s\":\"%s\",\"%s_port\":%u,", name, text, name, ntohs(v4->sin_port));
}

void report(void)
{
	printf("{\"mode\":\"%s\",\"pid\":%d,", opt.server ? "server" : "client", getpid());
	print_address("local", &result.local);
	print_address("peer", &result.peer);
	printf("\"conns\":%lu,\"ended\":%lu,\"resets\":%lu,", result.opened, result.ended,
	       result.resets);
	printf("\"turns\":%zu,\"messages_sent\":%lu,\"messages_received\":%lu,",
	       result.latency_outer.count, result.sent, result.received);
	printf("\"sends\":%lu,\"refused\":%lu,\"reads\":%lu,\"peeks\":%lu,", result.sends,
	       result.refused, result.reads, result.peeks);
	printf("\"sent_bytes\":%lu,\"received_bytes\":%lu,", result.sent_bytes,
	       result.received_bytes);
	printf("\"start_ns\":%lu,\"elapsed_ns\":%lu,\"latency\":{", result.start,
	       (result.end ? result.end : now_ns()) - result.start);
	print_series("inner", &result.latency_inner);
	printf(",");
	print_series("outer", &result.latency_outer);
	printf("},\"read_delay\":{");
	print_series("inner", &result.read_delay_inner);
	printf(",");
	print_series("outer", &result.read_delay_outer);
	printf("}}\n");
	fflush(stdout);
}
