/* SPDX-License-Identifier: GPL-2.0-only */
/* Compares a prototype written down ("int (struct sock *, size_t)") with one in BTF. */
#pragma once

#include <bpf/btf.h>
#include <stdbool.h>
#include <stddef.h>

struct prototype {
	const char *name; /* of the hook, for what is said about it */
	const char *text; /* as written: RET (TYPE, TYPE, ...) */
	const struct btf *btf;
	__u32 id;   /* the kernel's FUNC_PROTO */
	int hidden; /* leading arguments that text leaves out */
	bool whole; /* text must name all arguments */
	/* looks a type up by name in the kernel */
	bool (*find)(void *types, int kind, const char *name, const struct btf **btf, __u32 *id);
	void *types;
};

/* Otherwise why is a sentence fragment. */
bool prototype_fits(const struct prototype *p, char *why, size_t size);
