// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "error.h"
#include "out.h"
#include "util.h"

#define OUT_BUFFER (256 * 1024)

void out_open(struct out *o, int fd)
{
	*o = (struct out){.fd = fd, .size = fd < 0 ? 256 : OUT_BUFFER};
	o->buf = xmalloc(o->size);
}

void out_flush(struct out *o)
{
	size_t done = 0;

	while (o->fd >= 0 && done < o->len) {
		ssize_t n = write(o->fd, o->buf + done, o->len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			die(EXIT_FAILED, "cannot write the output: %s", strerror(errno));
		done += n;
	}
	if (o->fd >= 0)
		o->len = 0;
}

void out_close(struct out *o)
{
	out_flush(o);
	free(o->buf);
	o->buf = NULL;
}

void out_grow(struct out *o, size_t n)
{
	out_flush(o);
	while (o->size - o->len < n)
		o->size *= 2;
	o->buf = xrealloc(o->buf, o->size);
}

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324"
				  "25262728293031323334353637383940414243444546474849"
				  "50515253545556575859606162636465666768697071727374"
				  "75767778798081828384858687888990919293949596979899";

void out_u64(struct out *o, u64 v)
{
	char digits[20], *p = digits + sizeof(digits);

	while (v >= 100) {
		p -= 2;
		memcpy(p, digit_pairs + v % 100 * 2, 2);
		v /= 100;
	}
	if (v >= 10) {
		p -= 2;
		memcpy(p, digit_pairs + v * 2, 2);
	} else {
		*--p = '0' + v;
	}
	out_bytes(o, p, digits + sizeof(digits) - p);
}

void out_s64(struct out *o, s64 v)
{
	if (v < 0)
		out_char(o, '-');
	out_u64(o, v < 0 ? -(u64)v : (u64)v);
}

void out_real(struct out *o, double v, int digits)
{
	if (!isfinite(v))
		out_str(o, "null");
	else
		out_printf(o, "%.*f", digits, v);
}

void out_printf(struct out *o, const char *format, ...)
{
	va_list args, again;
	int n;

	va_start(args, format);
	va_copy(again, args);
	n = vsnprintf(NULL, 0, format, args);
	out_room(o, n + 1);
	vsnprintf(o->buf + o->len, n + 1, format, again);
	o->len += n;
	va_end(args);
	va_end(again);
}

char *out_text(struct out *o)
{
	*out_room(o, 1) = 0;
	return xstrdup(o->buf);
}
