/* SPDX-License-Identifier: GPL-2.0-only */
/* How many pages a folio has, or the compound page that it was before there were folios. */
#pragma once

#include "pinscope.bpf.h"

/* By plain loads: the verifier has to know that it is a folio, or a page. */
static __always_inline unsigned long folio_flags(const void *folio)
{
	const struct folio___memdesc *newest = folio;
	const struct folio *newer = folio;
	const struct page *page = folio;

	if (bpf_core_field_exists(newest->flags.f))
		return newest->flags.f;
	return bpf_core_type_exists(struct folio) ? newer->flags : page->flags;
}

/*
 * A single page has no number of pages: something else lies there. (The number by the helper, for
 * it lies outside of what the verifier takes for a page.)
 */
static __always_inline u32 folio_pages(const void *folio)
{
	const struct page *second = folio + bpf_core_type_size(struct page);
	const struct folio___nr *older = folio;
	const struct folio *newer = folio;

	if (!(folio_flags(folio) & 1UL << bpf_core_enum_value(enum pageflags, PG_head)))
		return 1;
	if (bpf_core_field_exists(newer->_nr_pages))
		return BPF_CORE_READ(newer, _nr_pages);
	if (bpf_core_field_exists(older->_folio_nr_pages))
		return BPF_CORE_READ(older, _folio_nr_pages);
	return BPF_CORE_READ(second, compound_nr);
}
