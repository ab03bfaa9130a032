/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include "model.h"

/* Runs an iterator whose output is of no use; does nothing where there is none. */
void rows_scan(const char *path);
/* Gives each row that an iterator writes; false where there is none. */
bool rows_read(const char *path, u32 key_size, u32 value_size,
	       void (*give)(void *arg, u8 *key, u8 *value), void *arg);
