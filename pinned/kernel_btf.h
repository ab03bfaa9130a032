/* SPDX-License-Identifier: GPL-2.0-only */
/* The types of the running kernel. */
#pragma once

struct btf;

/* The file named by the variable PINSCOPE_BTF, where it is set; NULL: not to be had, see errno. */
struct btf *kernel_btf_read(void);
