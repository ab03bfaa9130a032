// SPDX-License-Identifier: GPL-2.0-only
/*
 * block_io: how long block I/O waits and how long the device takes, by disk and operation.
 *
 *   queue    from the request's allocation until it is given to the driver: scheduler, a full
 *            device, a flush that goes first
 *   device   until the driver says that it is done
 *   total    both
 *
 * What is counted are requests, as in /proc/diskstats: after merging, each once, however many
 * parts it is completed in. The bytes are those completed, so their sum is that of diskstats
 * (sectors x 512), and so are the merges; its writes are `write` and `flush_wait` together.
 *
 *   flush        what the device is asked to do; one may serve many
 *   flush_wait   a request without data that asks for it (fsync) and waits: diskstats counts it as
 *                a write of 0 sectors. It has a total only.
 *   other        zone operations, secure erase, commands past the file systems
 *
 * disks.depth is how many requests the driver has now (that begun since the disk was first seen),
 * depth_max the most there were (it may lag when two processors race for it). `sequential` are
 * reads and writes given to the driver that begin where the one before them, of that disk, ended.
 *
 * Hooks: block_rq_issue and block_rq_complete; only at what they are named after block_rq_requeue,
 * block_bio_backmerge, block_bio_frontmerge, block_rq_merge.
 *
 * The kernel notes when a request was allocated (queue/iostats) and, for write-back throttling and
 * some schedulers, when it was issued (queue/wbt_lat_usec). What it notes is used; for disks for
 * which it does not note the second, this probe does, by the request's address.
 *
 * Costs 691 instructions a read (6.1), 464 paused; biolatency 1,401, or 2,004 by disk and operation
 * with the queue, as here. 512 KiB a possible CPU.
 *
 * Cannot see: the wait for a free request (queue/nr_requests) before the allocation; disks without
 * requests (dm, md, zram, brd, multipath of NVMe): what they do shows at the disks below them, and for
 * zram and brd there is none; merged discards (a
 * merge, but of no tracepoint); the first request of a disk, if it was under way when the probe was
 * loaded, is in the rest. Up to 15 characters tell disks apart. From 6.9 on the kernel reads the
 * clock once for requests that are submitted together, so their queue includes the time to the
 * submission of the first. A run missed by recursion may leave depth off by one.
 *
 * variant status
 * variant errno   -DERRNO
 */
#define LOSSES                                                                                     \
	count_t table_full;  /* a disk or operation without rows of its own: it is in the rest */  \
	count_t untimed;     /* the kernel noted no allocation: neither queue nor total known */   \
	count_t overwritten; /* another request took its place: neither queue nor device known */  \
	count_t backwards    /* an end before its start: not recorded */

#include "pinscope.bpf.h"
#include "hist.bpf.h"
#include "loss.bpf.h"
#include "config.bpf.h"
#include "slots.bpf.h"
#include "since.bpf.h"

PROBE("io default", "block I/O (not of dm, md, zram): time in queue and device, sizes, depth, by "
		    "disk, operation");

enum op {
	OP_READ, /* these four are the kernel's numbers */
	OP_WRITE,
	OP_FLUSH,
	OP_DISCARD,
	OP_WRITE_ZEROES,
	OP_FLUSH_WAIT,
	OP_OTHER,
	OPS,

	OP_ANY, /* of the rest */
};

#define REQ_OP_WRITE_ZEROES 9 /* on all kernels; WRITE_SAME and ZONE_APPEND share a number */

#ifdef ERRNO
#define COMPLETE_PROTO PROTO("void (struct request *, int, unsigned int)")
#define BIO_PROTO      PROTO("void (struct request_queue *, struct request *, struct bio *)")
#define BIO_ARGS       struct request_queue *q, struct request *rq, struct bio *bio
#define BIO_DISK       bio->bi_disk
typedef int error_t;
#else
#define COMPLETE_PROTO PROTO("void (struct request *, blk_status_t, unsigned int)")
#define BIO_PROTO      PROTO("void (struct bio *)")
#define BIO_ARGS       struct bio *bio
#define BIO_DISK       bio->bi_bdev->bd_disk
typedef u8 error_t;
#endif

struct config {
	flag_t paused;
};

struct config config CONFIG = {};

struct disk_state {
	u64 since;	 /* requests allocated later are counted in depth */
	u64 next_sector; /* behind the request issued last */
	u32 stamped;	 /* the kernel notes when its requests are issued */
	u32 series[OPS]; /* and one more; 0: none yet */
} INTERNAL;

struct disk {
	struct slot slot;
	struct disk_state state;
	char disk[16];
	gauge_t depth;
	gauge_t depth_max;
	count_t sequential;
	count_t requeues;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 128);
	__type(key, u32);
	__type(value, struct disk);
} disks SEC(".maps") ROW("disk") HELP("requests that the driver has, now and at most");

CLAIMS(disk_claims, 128);

struct seen {
	u64 row;
} INTERNAL;

struct whose {
	char disk[16];
	enum op op;
};

struct io {
	struct seen seen; /* 0: not used */
	struct whose whose;
	u32 pad;
	bytes_hist_t size;
	count_t errors;
	count_t merges;
};

#define SERIES 32

/* A row for each operation of each disk; 0 is the rest, 1.. are the places of `series`. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SERIES);
	__type(key, u32);
	__type(value, struct io);
} io SEC(".maps") ROW("disk op")
	HELP("requests completed, by size; those that failed; merges into them");

struct row {
	struct seen seen;
	struct whose whose;
	u32 pad;
	nsec_hist_t delay;
};

struct stages {
	struct row queue;
	struct row device;
	struct row total;
};

/* The stages of each of these: together, so that one find does for all. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SERIES);
	__type(key, u32);
	__type(value, struct stages);
} latency SEC(".maps") LABEL("stage") STAGED
	HELP("time of requests in each stage, by disk and operation");

PLACES(series, SERIES - 1);
CLAIMS(series_claims, SERIES);

/* When requests were issued, of disks for which the kernel does not note it. */
SINCES(issues, 16384);

static __always_inline struct gendisk *disk_of(struct request *rq)
{
	if (bpf_core_field_exists(rq->rq_disk))
		return rq->rq_disk;
	return rq->q->disk;
}

/* The name, of which few disks need the second half, mixed. */
static __always_inline u64 disk_owner(struct gendisk *gendisk)
{
	const u64 *name = (const u64 *)gendisk->disk_name;
	u64 first = name[0], owner = first * 0x9e3779b97f4a7c15ULL;

	if (first >> 56)
		owner ^= name[1];
	return owner ^ owner >> 32;
}

static __noinline int disk_make(struct gendisk *gendisk)
{
	u64 owner = disk_owner(gendisk);
	struct disk *disk = slot_claim_shared(&disks, &disk_claims, owner);

	if (!disk)
		return 0;
	disk->state.since = bpf_ktime_get_ns();
	disk->state.next_sector = ~0ULL;
	bpf_probe_read_kernel_str(disk->disk, sizeof(disk->disk), gendisk->disk_name);
	disk->slot.owner = owner;
	return 0;
}

static __always_inline struct disk *disk_find(struct gendisk *gendisk)
{
	return slot_find(&disks, disk_owner(gendisk));
}

static __always_inline u32 op_of(u32 cmd_flags)
{
	u32 op = cmd_flags & REQ_OP_MASK;

	if (op <= OP_DISCARD)
		return op;
	return op == REQ_OP_WRITE_ZEROES ? OP_WRITE_ZEROES : OP_OTHER;
}

/* Where something is recorded. */
struct place {
	struct disk *disk; /* NULL: it has no row */
	u32 op;
	u32 series; /* 0: the rest */
};

static __noinline u32 series_make(struct disk *disk, u32 op)
{
	u64 owner = (u64)disk->slot.index * OPS + op + 1;
	struct slot *made = slot_claim_shared(&series, &series_claims, owner << 6);
	u32 number = made ? made->index + 1 : 0;

	barrier_var(op);
	if (op < OPS)
		disk->state.series[op] = number + 1;
	return number;
}

static __always_inline struct place place_of(struct gendisk *gendisk, u32 op)
{
	struct place place = {.disk = disk_find(gendisk), .op = op};

	barrier_var(op);
	if (!place.disk || op >= OPS)
		return place;
	place.series = place.disk->state.series[op];
	place.series = place.series ? place.series - 1 : series_make(place.disk, op);
	return place;
}

static __always_inline void name(struct whose *whose, const struct place *place)
{
	if (place->series && place->disk) {
		__builtin_memcpy(whose->disk, place->disk->disk, sizeof(whose->disk));
		whose->op = place->op;
	} else {
		__builtin_memcpy(whose->disk, "rest", 5);
		whose->op = OP_ANY;
	}
}

static __always_inline struct io *io_at(const struct place *place)
{
	u32 at = place->series;
	struct io *row = bpf_map_lookup_elem(&io, &at);

	if (row && !row->seen.row) {
		name(&row->whose, place);
		row->seen.row = 1;
	}
	return row;
}

static __always_inline void record(struct row *row, const struct place *place, u64 from, u64 to)
{
	if (to < from) {
		LOSE(backwards);
		return;
	}
	if (!row->seen.row) {
		name(&row->whose, place);
		row->seen.row = 1;
	}
	hist_add(&row->delay, hist_slot(to - from), to - from);
}

/*
 * A write that needs a flush before or behind it is said to be completed twice: its data, while
 * the kernel has put a function of its own in end_io, and the whole. One without data only once.
 */
enum part {
	PART_ALL,
	PART_DATA,
	PART_WHOLE,
	PART_WAIT,
};

static __always_inline u32 part_of(struct request *rq, u32 op)
{
	if (op != OP_WRITE)
		return PART_ALL;
	if (rq->__data_len) /* a request of multipath has end_io_data, too */
		return rq->end_io && !rq->end_io_data ? PART_DATA : PART_ALL;
	return rq->nr_phys_segments ? PART_WHOLE : PART_WAIT;
}

/* When it was issued; 0: that is not known. */
static __always_inline u64 issued_at(struct request *rq, struct disk *disk, u64 allocated)
{
	u64 noted = rq->io_start_time_ns;

	if (noted || !disk) {
		if (disk)
			disk->state.stamped = noted != 0;
		return noted;
	}
	disk->state.stamped = 0;
	noted = since_of(&issues, rq);
	/* An older one is of an earlier use of the request. */
	return noted == SINCE_LOST || noted < allocated ? 0 : noted;
}

static __always_inline void record_data(struct request *rq, struct stages *stages,
					const struct place *place, u64 allocated, u64 now)
{
	u64 issued = issued_at(rq, place->disk, allocated);

	if (!issued) {
		LOSE(overwritten);
		return;
	}
	if (allocated)
		record(&stages->queue, place, allocated, issued);
	record(&stages->device, place, issued, now);
}

static __always_inline void record_all(struct request *rq, const struct place *place, u32 part,
				       u64 allocated)
{
	u32 at = place->series;
	struct stages *stages = bpf_map_lookup_elem(&latency, &at);
	u64 now = bpf_ktime_get_ns();

	if (!stages)
		return;
	if (part == PART_ALL || part == PART_DATA)
		record_data(rq, stages, place, allocated, now);
	if (part == PART_DATA)
		return;
	if (allocated)
		record(&stages->total, place, allocated, now);
	else
		LOSE(untimed);
}

/* Its completion is seen too, because that program was attached before this one. */
static __always_inline bool in_depth(const struct disk *disk, u64 allocated)
{
	return allocated >= disk->state.since;
}

static __always_inline void leave(struct disk *disk, u64 allocated)
{
	if (disk && in_depth(disk, allocated))
		__sync_fetch_and_add(&disk->depth, -1);
}

static __always_inline int completed(struct request *rq, bool failed, u32 bytes)
{
	struct gendisk *gendisk = disk_of(rq);
	u32 op = op_of(rq->cmd_flags), part = part_of(rq, op);
	u64 allocated = rq->start_time_ns;
	bool last = bytes >= rq->__data_len;
	struct place place;
	struct io *io;

	if (!gendisk)
		return 0;
	place = place_of(gendisk, part == PART_WAIT ? OP_FLUSH_WAIT : op);
	/* One that fails, or only waits for a flush, may never have been issued. */
	if (last && part != PART_WHOLE &&
	    !((failed || part == PART_WAIT) && rq->state == MQ_RQ_IDLE))
		leave(place.disk, allocated);
	io = config.paused ? NULL : io_at(&place);
	if (!io)
		return 0;
	if (failed && part != PART_DATA)
		__sync_fetch_and_add(&io->errors, 1);
	if (!last) {
		__sync_fetch_and_add(&io->size.sum, bytes);
		return 0;
	}
	if (!place.series && part != PART_WHOLE)
		LOSE(table_full);
	if (part != PART_WHOLE)
		hist_add(&io->size, hist_slot(bytes), bytes);
	record_all(rq, &place, part, allocated);
	return 0;
}

SEC("tp_btf/block_rq_complete")
COMPLETE_PROTO
int BPF_PROG(block_rq_complete, struct request *rq, error_t error, unsigned int bytes)
{
	return completed(rq, error, bytes);
}

/* Given back by the driver: it will be issued again. */
SEC("tp_btf/block_rq_requeue")
PROTO("void (struct request *)")
int BPF_PROG(block_rq_requeue, struct request *rq)
{
	struct gendisk *gendisk = disk_of(rq);
	struct disk *disk = gendisk ? disk_find(gendisk) : NULL;

	if (!disk)
		return 0;
	if (rq->state != MQ_RQ_IDLE)
		leave(disk, rq->start_time_ns);
	if (!config.paused)
		__sync_fetch_and_add(&disk->requeues, 1);
	return 0;
}

static __always_inline int merged(struct gendisk *gendisk, u32 cmd_flags)
{
	struct place place;
	struct io *io;

	if (!gendisk || config.paused)
		return 0;
	place = place_of(gendisk, op_of(cmd_flags));
	io = io_at(&place);
	if (io)
		__sync_fetch_and_add(&io->merges, 1);
	return 0;
}

SEC("tp_btf/block_rq_merge")
PROTO("void (struct request *)")
int BPF_PROG(block_rq_merge, struct request *rq)
{
	return merged(disk_of(rq), rq->cmd_flags);
}

SEC("tp_btf/block_bio_backmerge")
BIO_PROTO
int BPF_PROG(block_bio_backmerge, BIO_ARGS)
{
	return merged(BIO_DISK, bio->bi_opf);
}

SEC("tp_btf/block_bio_frontmerge")
BIO_PROTO
int BPF_PROG(block_bio_frontmerge, BIO_ARGS)
{
	return merged(BIO_DISK, bio->bi_opf);
}

static __always_inline void follow(struct disk *disk, struct request *rq)
{
	u64 sector = rq->__sector;

	if (sector == disk->state.next_sector && !config.paused)
		__sync_fetch_and_add(&disk->sequential, 1);
	disk->state.next_sector = sector + (rq->__data_len >> 9);
}

/* After the others: what begins once this is attached ends under their eyes. */
SEC("tp_btf/block_rq_issue")
PROTO("void (struct request *)")
int BPF_PROG(block_rq_issue, struct request *rq)
{
	struct gendisk *gendisk = disk_of(rq);
	struct disk *disk;

	if (!gendisk)
		return 0;
	disk = disk_find(gendisk);
	if (!disk) {
		disk_make(gendisk);
		disk = disk_find(gendisk);
	}
	if (!disk)
		return 0;
	if (in_depth(disk, rq->start_time_ns)) {
		__sync_fetch_and_add(&disk->depth, 1);
		if (disk->depth > disk->depth_max)
			disk->depth_max = disk->depth;
	}
	if ((rq->cmd_flags & REQ_OP_MASK) <= OP_WRITE)
		follow(disk, rq);
	if (!disk->state.stamped)
		since_note(&issues, rq, bpf_ktime_get_ns());
	return 0;
}
