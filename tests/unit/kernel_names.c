// SPDX-License-Identifier: GPL-2.0-only
/* Labels of a map's key, given as numbers, the way the reader prints them: OBJECT MAP NUMBER... */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../pinned/cell.h"
#include "../../pinned/describe.h"
#include "../../pinned/error.h"

int main(int argc, char **argv)
{
	struct object *object = argc > 3 ? object_open(argv[1]) : NULL;
	struct schema s = {};
	u8 key[256] = {};
	struct row row = {.part = {key, key}};
	struct out o;

	if (!object || describe_map(object, argv[2], false, 1, &s) != MAP_ROWS)
		return complaints() ?: 1;
	out_open(&o, STDOUT_FILENO);
	for (int i = 3; i < argc; i++) {
		const struct column *c = &s.labels[(i - 3) % s.n_labels];
		u64 number = strtoull(argv[i], NULL, 0);
		u32 half = number;

		memcpy(key + c->offset, c->size == sizeof(half) ? (void *)&half : &number, c->size);
		print_label(&o, c, &row, out_bytes_plain);
		out_char(&o, '\n');
	}
	out_close(&o);
	object_close(object);
	return 0;
}
