/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

struct verb {
	const char *name;
	const char *operands;
	const char *options; /* letters of the options it takes, see options.c */
	const char *help;
	int (*run)(int argc, char **argv); /* argv[0] is the first after the verb */
};
extern const struct verb verbs[];

int cmd_dump(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_get(int argc, char **argv);
int cmd_set(int argc, char **argv);
int cmd_diff(int argc, char **argv);
int cmd_tail(int argc, char **argv);
int cmd_inspect(int argc, char **argv);
int cmd_resize(int argc, char **argv);
int cmd_iterate(int argc, char **argv);
int cmd_counters(int argc, char **argv);
int cmd_links(int argc, char **argv);
