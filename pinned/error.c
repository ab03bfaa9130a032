// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "escape.h"

static enum exit_code worst;

static void sentence(const char *format, va_list args)
{
	char text[2048];

	vsnprintf(text, sizeof(text), format, args);
	fputs("pinscope: ", stderr);
	for (const char *p = text; *p; p++)
		fputc(terminal_safe(*p) ? *p : '?', stderr);
	fputc('\n', stderr);
}

void die(enum exit_code code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	sentence(format, args);
	va_end(args);
	exit(code);
}

void complain(enum exit_code code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	sentence(format, args);
	va_end(args);
	if (code > worst)
		worst = code;
}

enum exit_code complaints(void)
{
	return worst;
}

const char *reason(int err)
{
	if ((err == EPERM || err == EACCES) && geteuid())
		return "permission denied: be root or a member of the pin root's group "
		       "(and "
		       "before Linux 5.19 unprivileged reading needs CAP_BPF)";
	return strerror(err);
}
