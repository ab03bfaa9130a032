// SPDX-License-Identifier: GPL-2.0-only
/*
 * kmem: memory that the kernel allocates and frees, slabs and pages: in all, by the code that asks,
 * by process, by order; and what is outstanding.
 *
 *   totals       every allocation and free, exact
 *   sites        slab memory by the code that allocated and freed it
 *   orders       pages by order
 *   procs        by process: whatever ran then, also when an interrupt allocates
 *   outstanding  while config outstanding is N: slab memory that was allocated since, and not freed
 *                yet, by the code that allocated it, from 1 in N objects
 *
 * `requested` is what was asked for, `bytes` what it takes. All but `totals` count one in `sample`
 * events, as so many; `outstanding` chooses by the address of the object, so that its free is
 * chosen, too, and counts it as N. The memory of slabs comes from pages, so `pages` of totals
 * counts it again.
 *
 * Hooks: the kernel's tracepoints kmalloc, kfree, kmem_cache_alloc, kmem_cache_free (and
 * kmalloc_node, kmem_cache_alloc_node of 5.10), mm_page_alloc, mm_page_free, and those by which
 * processes are known (procs.bpf.h).
 *
 * Costs 333 instructions a page fault, with its one page (6.1, of 6,746, whole path,
 * docs/cost.md); not measured: slab events, a sample, outstanding. 5.4 MiB of kernel memory with
 * two processors.
 *
 * Objects that are followed have a place for each in a table, which is found by their address: no
 * memory is allocated when memory is.
 *
 * Cannot see: what the kernel allocates or frees in bulk, which passes no tracepoint: heads of
 * received packets, pages of vmalloc, what is freed by kfree_rcu (it is outstanding until its
 * place is allocated again); who asked for pages; the size of what kfree frees.
 * An allocation in an interrupt that hits these programs themselves is a recursion miss.
 *
 * Variants, the better first:
 * variant cache   -DCACHE
 * variant node
 */
#include "pinscope.bpf.h"

#define PROC_STATS                                                                                 \
	count_t slab_allocs;                                                                       \
	count_t slab_frees;                                                                        \
	bytes_t slab_bytes; /* allocated */                                                        \
	count_t pages;	    /* of 4 KiB, allocated */                                              \
	count_t pages_freed

#define LOSSES                                                                                     \
	PROC_LOSSES;                                                                               \
	count_t sites_full;   /* slab events under no row of sites */                              \
	count_t objects_full; /* objects that are not in outstanding: no room to follow them */    \
	count_t rows_full     /* the same: no row for their site */

#include "procs.bpf.h"
#include "text.bpf.h"

PROBE("mem", "slab and page allocations: by call site, process and order; outstanding bytes");

#define PAGE_SHIFT    12
#define NO_OBJECT     16 /* kmalloc(0) returns that; NULL is below it, too */
#define OBJECT_WINDOW 4
#define GOLDEN	      0x9e3779b97f4a7c15ULL

struct config {
	struct proc_filter filter;
	number_t
		sample; /* 1 in this many events is counted by site, process and order, as so many */
	number_t outstanding; /* follow 1 in this many objects; 0: none */
};

struct config config SEC(".data.config") = {
	.sample = 1,
};

struct total {
	count_t allocs;
	count_t frees;
	count_t failed; /* allocations */
	bytes_t bytes;	/* allocated */
};

struct kinds {
	struct total slab;
	struct total pages;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct kinds);
} totals SEC(".maps") LABEL("kind") HELP("all allocations and frees");

struct site {
	ksym_t site;
};

struct site_stats {
	count_t allocs;
	count_t frees;
	bytes_t requested;
	bytes_t bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct site);
	__type(value, struct site_stats);
} sites SEC(".maps") HELP("slab allocations and frees by the code that asks");

struct order {
	u32 order;
};

struct order_stats {
	count_t allocs;
	count_t frees;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 32);
	__type(key, struct order);
	__type(value, struct order_stats);
} orders SEC(".maps") HELP("page allocations and frees by order: 2^order pages each");

struct live_state {
	u64 epoch;
} INTERNAL;

struct live {
	struct live_state state;
	gauge_t objects;
	bytes_gauge_t bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, struct site);
	__type(value, struct live);
} outstanding SEC(".maps") HELP(
	"slab memory not freed yet by the code that allocated it, while config outstanding is set");

struct object {
	u64 address; /* 0: none */
	u64 site;
	u64 bytes;
	u64 epoch;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536);
	__type(key, u32);
	__type(value, struct object);
} objects SEC(".maps") INTERNAL;

static __always_inline void count_of_current(const struct stats *seen)
{
	struct stats *stats = stats_of_current();

	if (stats)
		stats_fold(stats, seen);
}

/* NULL: this event is not kept. */
static __always_inline struct kinds *totals_here(void)
{
	u32 key = 0;

	return filter_current(&config.filter) ? bpf_map_lookup_elem(&totals, &key) : NULL;
}

/* As how many an event counts: 0 if it is left out. */
static __always_inline u32 sampled(void)
{
	u32 sample = config.sample;

	if (sample <= 1)
		return 1;
	return bpf_get_prandom_u32() % sample ? 0 : sample;
}

static __noinline struct site_stats *site_make(u64 address)
{
	struct site key = {address};
	struct site_stats none = {}, *stats;

	bpf_map_update_elem(&sites, &key, &none, BPF_NOEXIST);
	stats = bpf_map_lookup_elem(&sites, &key);
	if (!stats)
		LOSE(sites_full);
	return stats;
}

static __always_inline struct site_stats *site_of(u64 address)
{
	struct site key = {address};

	return bpf_map_lookup_elem(&sites, &key) ?: site_make(address);
}

/* The row of a site, made new if it is of an older setting. */
static __noinline struct live *live_get(u64 address)
{
	struct site key = {address};
	struct live *live = bpf_map_lookup_elem(&outstanding, &key), none = {};

	none.state.epoch = config.filter.epoch;
	if (!live || live->state.epoch != none.state.epoch) {
		bpf_map_update_elem(&outstanding, &key, &none, BPF_ANY);
		live = bpf_map_lookup_elem(&outstanding, &key);
	}
	return live;
}

static __always_inline void live_add(struct live *live, s64 objects, s64 bytes)
{
	__sync_fetch_and_add(&live->objects, objects);
	__sync_fetch_and_add(&live->bytes, bytes);
}

static __always_inline u64 object_hash(u64 address)
{
	return address * GOLDEN;
}

static __always_inline bool followed(u64 hash)
{
	return config.outstanding && !((u32)(hash >> 8) % config.outstanding);
}

static __always_inline struct object *object_at(u64 hash, u32 i)
{
	u32 at = ((hash >> 32) * slots_size(&objects) >> 32) ^ i;

	return bpf_map_lookup_elem(&objects, &at);
}

static __always_inline bool object_in_use(const struct object *object)
{
	return object->address && object->epoch == config.filter.epoch;
}

/* It is no more: freed, or its place was allocated again. */
static __noinline int object_end(u64 address)
{
	u64 hash = object_hash(address);
	u32 each = config.outstanding;

	for (int i = 0; i < OBJECT_WINDOW; i++) {
		struct object *object = object_at(hash, i);
		struct live *live;

		if (!object || object->address != address || !object_in_use(object))
			continue;
		live = live_get(object->site);
		if (live)
			live_add(live, -(s64)each, -object->bytes);
		object->address = 0;
	}
	return 0;
}

/* A free place, taken. (Without compare-and-exchange, as on 5.10, two may take one.) */
static __always_inline bool object_claim(struct object *object, u64 address)
{
	u64 was __attribute__((unused)) = object->address;

	if (object_in_use(object))
		return false;
#ifdef CACHE
	return __sync_bool_compare_and_swap(&object->address, was, address);
#else
	object->address = address;
	return true;
#endif
}

static __noinline int object_begin(u64 address, u64 site, u64 bytes)
{
	struct live *live = live_get(site);
	u64 hash = object_hash(address);
	u32 each = config.outstanding;

	if (!live) {
		LOSE(rows_full);
		return 0;
	}
	for (int i = 0; i < OBJECT_WINDOW; i++) {
		struct object *object = object_at(hash, i);

		if (!object || !object_claim(object, address))
			continue;
		object->site = site;
		object->bytes = bytes * each;
		object->epoch = config.filter.epoch;
		live_add(live, each, bytes * each);
		return 0;
	}
	LOSE(objects_full);
	return 0;
}

static __always_inline int slab_alloc(u64 site, u64 address, u64 requested, u64 bytes)
{
	struct kinds *kinds = totals_here();
	struct site_stats *stats;
	u32 times;

	if (!kinds)
		return 0;
	if (address <= NO_OBJECT) {
		if (!address)
			__sync_fetch_and_add(&kinds->slab.failed, 1);
		return 0;
	}
	__sync_fetch_and_add(&kinds->slab.allocs, 1);
	__sync_fetch_and_add(&kinds->slab.bytes, bytes);
	if (followed(object_hash(address))) {
		object_end(address);
		object_begin(address, site, bytes);
	}
	times = sampled();
	if (!times)
		return 0;
	stats = site_of(site);
	if (stats) {
		__sync_fetch_and_add(&stats->allocs, times);
		__sync_fetch_and_add(&stats->requested, requested * times);
		__sync_fetch_and_add(&stats->bytes, bytes * times);
	}
	count_of_current(&(struct stats){.slab_allocs = times, .slab_bytes = bytes * times});
	return 0;
}

/* What is followed ends whoever frees it. */
static __always_inline int slab_free(u64 site, u64 address)
{
	struct site_stats *stats;
	struct kinds *kinds;
	u32 times;

	if (address <= NO_OBJECT || config.filter.paused)
		return 0;
	if (followed(object_hash(address)))
		object_end(address);
	kinds = totals_here();
	if (!kinds)
		return 0;
	__sync_fetch_and_add(&kinds->slab.frees, 1);
	times = sampled();
	if (!times)
		return 0;
	stats = site_of(site);
	if (stats)
		__sync_fetch_and_add(&stats->frees, times);
	count_of_current(&(struct stats){.slab_frees = times});
	return 0;
}

/* No tp_btf: not all kernels take a `const void *` there. */
SEC("raw_tp/kmalloc")
PROTO("void (unsigned long, const void *, size_t, size_t, gfp_t)")
int BPF_PROG(kmem_kmalloc, u64 site, u64 address, u64 requested, u64 bytes)
{
	return slab_alloc(site, address, requested, bytes);
}

#ifdef CACHE
SEC("raw_tp/kmem_cache_alloc")
PROTO("void (unsigned long, const void *, struct kmem_cache *, gfp_t)")
int BPF_PROG(kmem_cache_alloc, u64 site, u64 address, struct kmem_cache *cache)
{
	return slab_alloc(site, address, BPF_CORE_READ(cache, object_size),
			  BPF_CORE_READ(cache, size));
}
#else
SEC("raw_tp/kmem_cache_alloc")
PROTO("void (unsigned long, const void *, size_t, size_t, gfp_t)")
int BPF_PROG(kmem_cache_alloc, u64 site, u64 address, u64 requested, u64 bytes)
{
	return slab_alloc(site, address, requested, bytes);
}

SEC("raw_tp/kmalloc_node")
PROTO("void (unsigned long, const void *, size_t, size_t, gfp_t, int)")
int BPF_PROG(kmem_kmalloc_node, u64 site, u64 address, u64 requested, u64 bytes)
{
	return slab_alloc(site, address, requested, bytes);
}

SEC("raw_tp/kmem_cache_alloc_node")
PROTO("void (unsigned long, const void *, size_t, size_t, gfp_t, int)")
int BPF_PROG(kmem_cache_node, u64 site, u64 address, u64 requested, u64 bytes)
{
	return slab_alloc(site, address, requested, bytes);
}
#endif

SEC("raw_tp/kfree")
PROTO("void (unsigned long, const void *)")
int BPF_PROG(kmem_kfree, u64 site, u64 address)
{
	return slab_free(site, address);
}

SEC("raw_tp/kmem_cache_free")
PROTO("void (unsigned long, const void *)")
int BPF_PROG(kmem_cache_free, u64 site, u64 address)
{
	return slab_free(site, address);
}

static __noinline struct order_stats *order_make(u32 order)
{
	struct order_stats none = {};
	struct order key = {order};

	bpf_map_update_elem(&orders, &key, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&orders, &key);
}

static __always_inline struct order_stats *order_of(u32 order)
{
	struct order key = {order};

	return bpf_map_lookup_elem(&orders, &key) ?: order_make(order);
}

SEC("tp_btf/mm_page_alloc")
PROTO("void (struct page *, unsigned int, gfp_t, int)")
int BPF_PROG(kmem_page_alloc, u64 page, u32 order)
{
	struct kinds *kinds = totals_here();
	struct order_stats *stats;
	u32 times;

	if (!kinds)
		return 0;
	if (!page) {
		__sync_fetch_and_add(&kinds->pages.failed, 1);
		return 0;
	}
	__sync_fetch_and_add(&kinds->pages.allocs, 1);
	__sync_fetch_and_add(&kinds->pages.bytes, 1ULL << PAGE_SHIFT << order);
	times = sampled();
	if (!times)
		return 0;
	stats = order_of(order);
	if (stats)
		__sync_fetch_and_add(&stats->allocs, times);
	count_of_current(&(struct stats){.pages = (u64)times << order});
	return 0;
}

SEC("tp_btf/mm_page_free")
PROTO("void (struct page *, unsigned int)")
int BPF_PROG(kmem_page_free, u64 page, u32 order)
{
	struct kinds *kinds = totals_here();
	struct order_stats *stats;
	u32 times;

	if (!kinds)
		return 0;
	__sync_fetch_and_add(&kinds->pages.frees, 1);
	times = sampled();
	if (!times)
		return 0;
	stats = order_of(order);
	if (stats)
		__sync_fetch_and_add(&stats->frees, times);
	count_of_current(&(struct stats){.pages_freed = (u64)times << order});
	return 0;
}

/* Those of the present setting. */
SEC("iter/bpf_map_elem")
int outstanding_rows(struct bpf_iter__bpf_map_elem *ctx)
{
	struct site *key = ctx->key;
	struct live *live = ctx->value;

	if (!key || !live || !config.outstanding || live->state.epoch != config.filter.epoch)
		return 0;
	bpf_seq_write(ctx->meta->seq, key, sizeof(*key));
	bpf_seq_write(ctx->meta->seq, live, sizeof(*live));
	return 0;
}
