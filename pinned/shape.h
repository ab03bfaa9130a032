/* SPDX-License-Identifier: GPL-2.0-only */
/* Whether two builds of a probe mean the same by the bytes of a map. */
#pragma once

#include <bpf/btf.h>

/* Equal for types with the same members, names, units and enumerators. 0 for no type. */
unsigned long long shape_hash(const struct btf *btf, __u32 id);
