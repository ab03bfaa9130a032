/* SPDX-License-Identifier: GPL-2.0-only */
/* What a map will take of the kernel's memory, known before it is made. */
#pragma once

#include <bpf/libbpf.h>

#include "fits.h"

/* Bytes when every entry is in use, for that many possible CPUs. */
unsigned long long map_charge(struct kernel *k, const struct bpf_map *map, int cpus);
