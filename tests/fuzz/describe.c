// SPDX-License-Identifier: GPL-2.0-only
/* Reads all that an object says of itself, without a kernel: describe OBJECT MAP... */
#include <stdio.h>
#include <stdlib.h>

#include <bpf/libbpf.h>

#include "../../pinned/describe.h"
#include "../../pinned/error.h"

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

int main(int argc, char **argv)
{
	struct object *object;
	struct config config = {};

	libbpf_set_print(silent);
	object = argc > 1 ? object_open(argv[1]) : NULL;
	if (!object)
		return complaints();
	for (int i = 2; i < argc; i++) {
		struct schema s = {};
		const char *help = object_tag(object, argv[i], "help:");

		printf("%s %d %d %s\n", argv[i], object_is_internal(object, argv[i]),
		       describe_map(object, argv[i], i % 2, &s), help ?: "");
		printf("%u labels, %u fields\n", s.n_labels, s.n_fields);
	}
	printf("config %d\n", describe_config(object, &config));
	object_close(object);
	return complaints();
}
