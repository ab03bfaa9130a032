/* SPDX-License-Identifier: GPL-2.0-only */
/* Does a kernel, known by its BTF, have what an object asks for? docs/objects.md has the rules. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct kernel;

/* The running kernel, or the one whose BTF the variable PINSCOPE_BTF names. */
struct kernel *kernel_open(void);
void kernel_close(struct kernel *k);

/*
 * Each is true when the kernel has it; else why becomes a sentence fragment.
 * section: that of a program. proto: what it was written for, or NULL.
 */
bool kernel_has_hook(struct kernel *k, const char *section, const char *proto, char *why,
		     size_t size);
/* need: "func:NAME" or "field:STRUCT.MEMBER". */
bool kernel_has_need(struct kernel *k, const char *need, char *why, size_t size);

/* Size of a kernel struct, or otherwise when its BTF does not have it. */
size_t kernel_sizeof(struct kernel *k, const char *name, size_t otherwise);
