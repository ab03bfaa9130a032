// SPDX-License-Identifier: GPL-2.0-only
/* Writes a text, given by the name of a format, the way the reader would: FORMAT < text */
#include <stdio.h>
#include <unistd.h>

#include "../../pinned/escape.h"

int main(int argc, char **argv)
{
	const char *format = argc > 1 ? argv[1] : "";
	char text[65536];
	size_t n = fread(text, 1, sizeof(text), stdin);
	struct out o;

	out_open(&o, STDOUT_FILENO);
	if (!strcmp(format, "json")) {
		out_char(&o, '"');
		escape_json(&o, text, n);
		out_str(&o, "\"\n");
	} else if (!strcmp(format, "prometheus")) {
		out_str(&o, "# HELP a_total ");
		escape_help(&o, text, n);
		out_str(&o, "\n# TYPE a_total counter\na_total{name=\"");
		escape_prometheus(&o, text, n);
		out_str(&o, "\"} 1\n");
	} else if (!strcmp(format, "tsv")) {
		escape_tsv(&o, text, n);
		out_char(&o, '\n');
	} else {
		escape_terminal(&o, text, n);
		out_char(&o, '\n');
	}
	out_close(&o);
	return 0;
}
