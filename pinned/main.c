// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "error.h"
#include "verbs.h"

const struct verb verbs[] = {
	{"show", " PROBE...", "msnf", "Histograms and tables, for eyes.", cmd_show},
	{"dump", " [PROBE]...", "jtpmsnf",
	 "All rows of what is loaded, for pipes: JSON unless told.", cmd_dump},
	{"diff", " BEFORE AFTER", "jtmsnf",
	 "What happened between two snapshots (outputs of `dump --json`; - is stdin).", cmd_diff},
	{"get", " PROBE [KEY]...", "j", "The live configuration, as `set` takes it.", cmd_get},
	{"set", " PROBE KEY=VALUE...", "",
	 "Changes the live configuration: all of the values, or none if one is wrong.", cmd_set},
	{"tail", " PROBE", "", "The event stream, one JSON object a record, until interrupted.",
	 cmd_tail},
	{"inspect", " OBJECT...", "j", "What an object needs of the kernel, and what it declares.",
	 cmd_inspect},
	{"resize", " OBJECT COPY MAP=N...", "", "A copy of an object, with other map sizes.",
	 cmd_resize},
	{"iterate", " PROGRAM MAP FILE", "", "Pins an iterator: cat FILE prints the map.",
	 cmd_iterate},
	{"counters", " OBJECT DIRECTORY", "",
	 "Opens the perf events that an object counts, and leaves them to its pinned maps.",
	 cmd_counters},
	{"links", " DIRECTORY", "", "The links pinned in a directory.", cmd_links},
	{},
};

static int usage(FILE *to)
{
	fputs("usage: pinscope-reader VERB [OPTION]... (VERB --help says more)\n", to);
	for (const struct verb *verb = verbs; verb->name; verb++)
		if (verb->run)
			fprintf(to, "  %-8s %s\n", verb->name, verb->help);
	fputs("exit status:\n"
	      "  0 done            3 no such probe is loaded\n"
	      "  1 failed          4 damaged or foreign input\n"
	      "  2 wrong usage     5 the snapshots do not subtract\n",
	      to);
	return to == stdout ? EXIT_DONE : EXIT_USAGE;
}

/* What libbpf would say is said by whoever called it. */
static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

int main(int argc, char **argv)
{
	libbpf_set_print(silent);
	if (argc < 2)
		return usage(stderr);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help"))
		return usage(stdout);
	for (const struct verb *verb = verbs; verb->name; verb++)
		if (verb->run && !strcmp(argv[1], verb->name))
			return verb->run(argc - 2, argv + 2);
	complain(EXIT_USAGE, "there is no verb %s", argv[1]);
	return usage(stderr);
}
