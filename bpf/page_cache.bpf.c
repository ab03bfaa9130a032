// SPDX-License-Identifier: GPL-2.0-only
/*
 * page_cache: how many pages of files were found in memory and how many had to be brought in, in
 * all, by process and by cgroup. All counts are pages of 4 KiB.
 *
 *   hits     pages read that were read before, or written, since they came into memory
 *   misses   pages read for the first time since they were brought in, be it for this read or
 *            ahead of it
 *   added    pages that came into memory, to be read, ahead of reading, or to be written
 *   dirtied  pages that were written and have to go to storage: the kernel's nr_dirtied
 *
 * A read (or a splice: sendfile, copy_file_range) counts each page that it touches once. So a
 * file of N pages that is read twice has N misses and then N hits, whatever was read ahead,
 * in whatever pieces, and however large the folios are. What was read ahead in vain is
 * in `added` only.
 *
 * Hooks:
 *   filemap_read (5.10: generic_file_buffered_read), and filemap_splice_read where there is one,
 *   at their return: once a call and not, as folio_mark_accessed, once a page
 *   mm_filemap_add_to_page_cache
 *   writeback_dirty_folio (5.10: writeback_dirty_page)
 *   and those by which processes are known (procs.bpf.h)
 *
 * Costs 438 instructions a read of 4 KiB that hits (6.1, of 5,926, whole path, docs/cost.md), of
 * which an empty hook at a return is 178; on 5.10 328, with by_cgroup 551, paused 77; not measured
 * with a sample. The aim, half of what
 * cachestat (libbpf-tools, dead since 5.16) takes, is missed: in the same operation it adds nothing
 * on 5.10, because the kernel does not mark a page accessed that is read again and again, so it
 * does not count such reads either. 2.5 MiB of kernel memory.
 *
 * Which pages came in and were not read yet is a bit for each, in a table with a place for each
 * stretch of 64 pages of a file. Two stretches may have the same place: the later one takes it,
 * and if pages of the other are read after all, they count as hits (losses, forgotten).
 *
 * Takes pages to be of 4 KiB. Cannot see: reads through mmap; tmpfs, which has no storage behind
 * it; file systems that do not use the kernel's own way of reading (ZFS). Pages that were in memory
 * when the probe was loaded, resumed or set otherwise count as hits. Pages written through mmap are
 * dirtied by whoever unmaps them or writes them back. 5.10 cannot set a bit atomically: two
 * processors that read the same stretch for the first time at the same moment may lose a miss to a
 * hit.
 *
 * Variants, the better first; kernels 5.12 to 5.15, which have filemap_read but no folios, have none:
 * variant splice   -DFOLIO -DSPLICE
 * variant folio    -DFOLIO
 * variant page
 */
#include "pinscope.bpf.h"

#define PROC_STATS                                                                                 \
	count_t hits;                                                                              \
	count_t misses RATIO("hit_ratio");                                                         \
	count_t added;                                                                             \
	count_t dirtied

#define LOSSES                                                                                     \
	PROC_LOSSES;                                                                               \
	count_t cgroups_full; /* events under no row of cgroups */                                 \
	count_t forgotten;    /* stretches of a file whose place was taken before all was read */  \
	count_t too_long      /* reads of more than 128 MiB: the rest of them is not counted */

#include "procs.bpf.h"
#include "folio.bpf.h"
#include "rows.bpf.h"

PROBE("mem io", "page cache: pages of files found in memory, brought in and dirtied");

#define PAGE_SHIFT    12
#define STRETCH_SHIFT 6
#define STRETCH_PAGES (1 << STRETCH_SHIFT)
#define STRETCHES_MAX 512 /* of one read: the verifier follows each */
#define GOLDEN	      0x9e3779b97f4a7c15ULL

struct config {
	struct proc_filter filter;
	number_t sample;  /* 1 in this many stretches of 64 pages is counted; 0 and 1: all */
	flag_t by_cgroup; /* count in `cgroups`, too */
};

struct config config SEC(".data.config") = {
	.sample = 1,
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct stats);
} pages SEC(".maps") HELP("pages of files, in all");

struct cgroup_key {
	cgroupid_t cgroup;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct cgroup_key);
	__type(value, struct stats);
} cgroups SEC(".maps") HELP("the same by cgroup, while config by_cgroup is on");

struct stretch {
	u64 tag; /* of which file, and where in it */
	u64 unread;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536);
	__type(key, u32);
	__type(value, struct stretch);
} stretches SEC(".maps") INTERNAL;

static __noinline struct stats *stats_of_cgroup(void)
{
	struct cgroup_key key = {bpf_get_current_cgroup_id()};
	struct stats none = {}, *stats = row_or_new(&cgroups, &key, &none);

	if (!stats)
		LOSE(cgroups_full);
	return stats;
}

static __always_inline void count(const struct stats *seen)
{
	struct stats *stats;
	u32 key = 0;

	if (!filter_current(&config.filter))
		return;
	stats = bpf_map_lookup_elem(&pages, &key);
	if (stats)
		stats_fold(stats, seen);
	stats = stats_of_current();
	if (stats)
		stats_fold(stats, seen);
	stats = config.by_cgroup ? stats_of_cgroup() : NULL;
	if (stats)
		stats_fold(stats, seen);
}

enum what {
	WHAT_ADDED,
	WHAT_READ,
	WHAT_WRITTEN,
};

static __always_inline u32 bits_set(u64 bits)
{
	bits -= bits >> 1 & 0x5555555555555555ULL;
	bits = (bits & 0x3333333333333333ULL) + (bits >> 2 & 0x3333333333333333ULL);
	bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
	return bits * 0x0101010101010101ULL >> 56;
}

static __always_inline void bits_add(u64 *to, u64 bits)
{
#ifdef FOLIO
	__sync_fetch_and_or(to, bits);
#else
	*(volatile u64 *)to |= bits;
#endif
}

static __always_inline void bits_remove(u64 *from, u64 bits)
{
#ifdef FOLIO
	__sync_fetch_and_and(from, ~bits);
#else
	*(volatile u64 *)from &= ~bits;
#endif
}

/* Different for all files, and when settings changed: what was noted before is not valid then. */
static __always_inline u64 file_tag(struct address_space *mapping)
{
	u32 low;

	/* The verifier forbids arithmetic on a pointer, but a 32-bit copy of it is a number. */
	asm volatile("%0 = %1" : "=&w"(low) : "w"((u32)(u64)mapping));
	return (mapping->host->i_ino << 32 ^ low) * GOLDEN + config.filter.epoch;
}

/* Of those of a stretch that `bits` stand for, how many were unread. */
static __always_inline u32 stretch_do(u64 tag, u64 hash, u64 bits, u32 what)
{
	u32 at = (hash >> 32) * slots_size(&stretches) >> 32;
	struct stretch *stretch = bpf_map_lookup_elem(&stretches, &at);

	if (!stretch)
		return 0;
	if (stretch->tag != tag) {
		if (what != WHAT_ADDED)
			return 0;
		if (stretch->unread)
			LOSE(forgotten);
		stretch->unread = 0;
		stretch->tag = tag;
	}
	if (what == WHAT_ADDED) {
		bits_add(&stretch->unread, bits);
		return 0;
	}
	bits &= stretch->unread;
	if (!bits)
		return 0;
	bits_remove(&stretch->unread, bits);
	return bits_set(bits);
}

/*
 * What becomes of a range within the first stretch that it touches: the number of pages, if they
 * are counted, and in the upper half how many of them were unread. Global, so that the verifier
 * looks at it once and not at each call.
 */
__noinline u64 range_begin(u64 file, u64 first, u64 last, u32 what)
{
	u64 end = first | (STRETCH_PAGES - 1), bits;
	u64 tag = file + (first >> STRETCH_SHIFT), hash = tag * GOLDEN;
	u32 count = (end < last ? end : last) - first + 1;

	if (config.sample > 1 && (u32)(hash >> 16) % config.sample)
		return 0;
	bits = ~0ULL >> (STRETCH_PAGES - count) << (first % STRETCH_PAGES);
	return count + ((u64)stretch_do(tag, hash, bits, what) << 32);
}

/* The same for all of it. */
static __always_inline u64 range_do(struct address_space *mapping, u64 first, u64 last, u32 what)
{
	u64 file = file_tag(mapping), sum = 0;

	for (int i = 0; i < STRETCHES_MAX && first <= last; i++) {
		sum += range_begin(file, first, last, what);
		first = (first | (STRETCH_PAGES - 1)) + 1;
	}
	if (first <= last)
		LOSE(too_long);
	return sum;
}

static __always_inline int was_read(struct file *file, u64 end, s64 bytes)
{
	u64 pages;
	u32 unread;

	if (bytes <= 0 || config.filter.paused)
		return 0;
	pages = range_do(file->f_mapping, (end - bytes) >> PAGE_SHIFT, (end - 1) >> PAGE_SHIFT,
			 WHAT_READ);
	unread = pages >> 32;
	if (pages)
		count(&(struct stats){.hits = (u32)pages - unread, .misses = unread});
	return 0;
}

#ifdef FOLIO
SEC("fexit/filemap_read")
PROTO("ssize_t (struct kiocb *, struct iov_iter *, ssize_t)")
#else
SEC("fexit/generic_file_buffered_read")
PROTO("ssize_t (struct kiocb *, struct iov_iter *, ssize_t)")
#endif
int BPF_PROG(page_cache_read, struct kiocb *iocb, struct iov_iter *iter, s64 before, s64 ret)
{
	return was_read(iocb->ki_filp, iocb->ki_pos, ret - before);
}

#ifdef SPLICE
SEC("fexit/filemap_splice_read")
PROTO("ssize_t (struct file *, loff_t *, struct pipe_inode_info *, size_t, unsigned int)")
int BPF_PROG(page_cache_splice, struct file *file, u64 *pos, struct pipe_inode_info *pipe,
	     size_t len, u32 flags, s64 ret)
{
	u64 end = 0;

	bpf_probe_read_kernel(&end, sizeof(end), pos);
	return was_read(file, end, ret);
}
#endif

#ifndef FOLIO
#define folio page
#endif

/* How many of its pages are counted. */
static __always_inline u32 folio_do(struct folio *folio, u32 what)
{
	u64 index = folio->index;

	if (config.filter.paused)
		return 0;
	return range_do(folio->mapping, index, index + folio_pages(folio) - 1, what);
}

static __always_inline int was_added(struct folio *folio)
{
	u32 added = folio_do(folio, WHAT_ADDED);

	if (added)
		count(&(struct stats){.added = added});
	return 0;
}

/* What was written is not read from storage. */
static __always_inline int was_dirtied(struct folio *folio)
{
	u32 dirtied = folio_do(folio, WHAT_WRITTEN);

	if (dirtied)
		count(&(struct stats){.dirtied = dirtied});
	return 0;
}

SEC("tp_btf/mm_filemap_add_to_page_cache")
#ifdef FOLIO
PROTO("void (struct folio *)")
#else
PROTO("void (struct page *)")
#endif
int BPF_PROG(page_cache_add, struct folio *folio)
{
	return was_added(folio);
}

#ifdef FOLIO
SEC("tp_btf/writeback_dirty_folio")
PROTO("void (struct folio *, struct address_space *)")
#else
SEC("tp_btf/writeback_dirty_page")
PROTO("void (struct page *, struct address_space *)")
#endif
int BPF_PROG(page_cache_dirty, struct folio *folio)
{
	return was_dirtied(folio);
}
