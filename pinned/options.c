// SPDX-License-Identifier: GPL-2.0-only
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "options.h"
#include "units.h"
#include "util.h"
#include "verbs.h"

/* Each option once: its letter is how the verb table names it. */
static const struct described_option {
	struct option option;
	const char *value, *help;
} described[] = {
	{{"json", no_argument, NULL, 'j'}, "", "one JSON object a line"},
	{{"tsv", no_argument, NULL, 't'}, "", "tab-separated, a header line for each map"},
	{{"prom", no_argument, NULL, 'p'}, "", "Prometheus text"},
	{{"map", required_argument, NULL, 'm'}, " NAME", "this map only; may be repeated"},
	{{"sort", required_argument, NULL, 's'}, " FIELD", "numbers from the highest, text from A"},
	{{"top", required_argument, NULL, 'n'}, " N", "the first N rows of each map; 0: all"},
	{{"filter", required_argument, NULL, 'f'},
	 " EXPR",
	 "FIELD OP VALUE, OP one of = != < <= > >=, as 'latency.p99 > 10ms'; may be "
	 "repeated"},
	{{"help", no_argument, NULL, 'h'}, "", "this text"},
};
#define N_OPTIONS (sizeof(described) / sizeof(*described))

static const struct verb *find_verb(const char *name)
{
	const struct verb *verb = verbs;

	while (verb->name && strcmp(verb->name, name))
		verb++;
	return verb;
}

static void verb_usage(FILE *to, const struct verb *verb)
{
	fprintf(to, "usage: pinscope %s%s%s\n%s\n", verb->name,
		*verb->options ? " [OPTION]..." : "", verb->operands, verb->help);
	for (size_t i = 0; i < N_OPTIONS; i++) {
		const struct described_option *d = &described[i];
		char name[32];

		if (d->option.val != 'h' && !strchr(verb->options, d->option.val))
			continue;
		snprintf(name, sizeof(name), "--%s%s", d->option.name, d->value);
		fprintf(to, "  %-16s %s\n", name, d->help);
	}
}

static void __attribute__((noreturn)) die_with_usage(const char *verb)
{
	verb_usage(stderr, find_verb(verb));
	exit(EXIT_USAGE);
}

void misused(const char *verb, const char *operands)
{
	complain(EXIT_USAGE, "%s takes %s", verb, operands);
	die_with_usage(verb);
}

/* word: the last that was looked at. */
static void take_option(struct options *o, const char *verb, int letter, const char *word)
{
	const char *why;

	switch (letter) {
	case 'j':
		o->how = OUTPUT_JSON;
		break;
	case 't':
		o->how = OUTPUT_TSV;
		break;
	case 'p':
		o->how = OUTPUT_PROMETHEUS;
		break;
	case 'm':
		*APPEND(o->query.maps, o->query.n_maps) = optarg;
		break;
	case 's':
		o->query.sort = optarg;
		break;
	case 'n':
		why = parse_whole(optarg, UNIT_COUNT, &o->query.top);
		o->query.limited = true;
		if (!o->query.top)
			o->query.top = ~0ULL;
		if (why)
			die(EXIT_USAGE, "cannot take the top %s: %s", optarg, why);
		break;
	case 'f':
		query_add_filter(&o->query, optarg);
		break;
	case 'h':
		verb_usage(stdout, find_verb(verb));
		exit(EXIT_DONE);
	case ':':
		complain(EXIT_USAGE, "%s of %s takes a value", word, verb);
		die_with_usage(verb);
	default:
		complain(EXIT_USAGE, "%s has no option %s", verb, word);
		die_with_usage(verb);
	}
}

struct options parse_options(const char *verb, int *argc, char ***argv)
{
	const char *allowed = find_verb(verb)->options;
	struct options options = {.query.top = ~0ULL};
	struct option known[N_OPTIONS + 1] = {};
	unsigned int count = 0;
	int letter;

	for (size_t i = 0; i < N_OPTIONS; i++)
		if (described[i].option.val == 'h' || strchr(allowed, described[i].option.val))
			known[count++] = described[i].option;
	/* getopt starts behind argv[0], which is the verb here. */
	optind = 1;
	while ((letter = getopt_long(*argc + 1, *argv - 1, ":", known, NULL)) != -1)
		take_option(&options, verb, letter, (*argv - 1)[optind - 1]);
	*argv += optind - 1;
	*argc -= optind - 1;
	return options;
}
