/* SPDX-License-Identifier: GPL-2.0-only */
/* The first line of a snapshot: whose it is, and what the rows mean. */
#pragma once

#include "print.h"

#define SNAPSHOT_SCHEMA 1

void json_identity(struct print *p);
