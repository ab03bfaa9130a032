#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only

load reader

@test "R22: every bound of a histogram's slots is exact, one less and one more too" {
	program=$(check_build hist_bounds)
	run "$program"
	says 0
}

@test "durations, sizes, prefixes and percentiles are read and written exactly" {
	program=$(check_build units_check units out util error escape dist model)
	run "$program"
	says 0
}
