/* SPDX-License-Identifier: GPL-2.0-only */
/* What lies at an address of the kernel. */
#pragma once

#include "cell.h"

/*
 * function+0x1f, or function+0x1f [module]. The bare number where the kernel hides its symbols from this
 * user (kptr_restrict), who by the permission to read the map has that number anyway.
 */
void print_ksym(struct out *o, u64 address, escape_fn *escape);
