// SPDX-License-Identifier: GPL-2.0-only
/*
 * file_io: what processes do with files: calls, bytes, failures and times, by process and by file
 * system.
 *
 *   open     open, openat, openat2, creat; those that fail are of the file system `none`
 *   close    each descriptor given up, by close, dup2, exec or exit; it has no time
 *   read     read, pread64, readv, preadv ...
 *   write    the same; bytes are those that the call returned, not those that it asked for
 *   fsync, fdatasync   the system calls (what O_SYNC does is in the time of its write)
 *
 * Sockets, pipes and the files of /proc are files, too: they are of the file systems sockfs, pipefs
 * and proc. A file system is its type and what it is mounted from (`device`: a disk, or its type
 * again), so that all tmpfs are one.
 *
 * Hooks: the entry and return of vfs_read, vfs_write, vfs_readv, vfs_writev, do_sys_openat2 and the
 * two system calls to sync (vfs_fsync_range is inlined for fdatasync), the return of filp_flush (up
 * to 6.5 filp_close). When a call began is kept in a place by the address of its task (since.bpf.h).
 *
 * `set timed=off` drops the clock, and with it the times; `sample=N` takes the time of one call in N.
 * All calls are counted.
 *
 * Costs 712 instructions a cached read (6.1), 537 with timed=off, 641 with sample=100, 363 paused;
 * vfsstat, without times and processes, 132. That is too much for the default group.
 *
 * Cannot see: mmap, sendfile and splice, copy_file_range, aio and io_uring, send and recv, what the
 * kernel reads and writes for itself (an exec, say), syncs of 32-bit programs, and which file system
 * an open was for if another thread closes the file at once.
 *
 * variant flush_int   -DFLUSH -DOPEN_RETURNS=int
 * variant flush       -DFLUSH
 * variant close
 */
#include "pinscope.bpf.h"

/* Members of a row, in the order in which they are printed. */
#define PROC_STATS                                                                                 \
	count_t opens;                                                                             \
	count_t closes;                                                                            \
	count_t reads;                                                                             \
	count_t writes;                                                                            \
	count_t fsyncs;                                                                            \
	count_t fdatasyncs;                                                                        \
	bytes_t bytes_read;                                                                        \
	bytes_t bytes_written;                                                                     \
	count_t errors;                                                                            \
	nsec_t open_time;                                                                          \
	nsec_t read_time;                                                                          \
	nsec_t write_time;                                                                         \
	nsec_t sync_time

#define LOSSES                                                                                     \
	PROC_LOSSES;                                                                               \
	count_t untimed;  /* counted, but another task took the place of its start */              \
	count_t unnamed;  /* a file system without rows of its own: it is in the rest */           \
	count_t backwards /* an end before its start: counted, but no time recorded */

#include "hist.bpf.h"
#include "procs.bpf.h"
#include "since.bpf.h"

PROBE("io", "opens, closes, reads, writes and syncs of files, by process and file system");

#ifdef FLUSH
#define CLOSE "fexit/filp_flush"
#else
#define CLOSE "fexit/filp_close"
#endif
#ifdef OPEN_RETURNS
#define OPEN_PROTO PROTO("int (int, const char *, struct open_how *)")
#else
#define OPEN_PROTO PROTO("long (int, const char *, struct open_how *)")
#endif

#define SYSCALL_PROTO PROTO("long (const struct pt_regs *)")
#ifdef __TARGET_ARCH_arm64
#define SYSCALL		     "__arm64_sys_"
#define FIRST_ARGUMENT(regs) ((regs)->regs[0])
#else
#define SYSCALL		     "__x64_sys_"
#define FIRST_ARGUMENT(regs) ((regs)->di)
#endif

enum op {
	OP_OPEN,
	OP_CLOSE,
	OP_READ,
	OP_WRITE,
	OP_FSYNC,
	OP_FDATASYNC,
	OPS,

	OP_ANY, /* of the rest */
};

struct config {
	struct proc_filter filter;
	flag_t timed;
	number_t sample; /* times are those of 1 in this many; 0 and 1: all */
};

struct config config SEC(".data.config") = {
	.timed = 1,
	.sample = 1,
};

struct seen {
	u64 row;
} INTERNAL;

struct io {
	struct seen seen; /* 0: not used */
	char fs[16];
	char device[16];
	enum op op;
	u32 pad;
	count_t calls;
	count_t errors;
	bytes_t bytes;
	nsec_hist_t time;
};

#define SERIES 128

/* A row for each operation on each file system; 0 is the rest, 1.. are the places of `series`. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SERIES);
	__type(key, u32);
	__type(value, struct io);
} filesystems SEC(".maps") ROW("fs device op")
	HELP("calls, failures, bytes and times, by file system and operation");

PLACES(series, SERIES - 1);
CLAIMS(series_claims, SERIES);

SINCES(starts, 65536);

/* What tells a file system: its type, and the name of what it is mounted from. */
struct fs {
	struct file_system_type *type; /* NULL: there is no file */
	u64 id[2];
};

static __always_inline struct fs fs_of(struct file *file)
{
	struct super_block *sb = file->f_inode->i_sb;
	const u64 *id = (const u64 *)sb->s_id;

	return (struct fs){sb->s_type, {id[0], id[1]}};
}

/* Of the file behind a descriptor of the current process. */
static __always_inline struct fs fs_of_descriptor(int fd)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct fs fs = {};
	struct super_block *sb;
	struct file *file;

	if (fd < 0 ||
	    bpf_probe_read_kernel(&file, sizeof(file), BPF_CORE_READ(task, files, fdt, fd) + fd))
		return fs;
	sb = BPF_CORE_READ(file, f_inode, i_sb);
	fs.type = BPF_CORE_READ(sb, s_type);
	bpf_core_read(&fs.id, sizeof(fs.id), &sb->s_id);
	return fs;
}

/* Different for all that differ, and well spread. */
static __always_inline u64 series_owner(const struct fs *fs, u32 op)
{
	const u64 prime = 0x9e3779b97f4a7c15ULL;
	u64 owner = slot_number((u64)fs->type) + op + 1;

	owner = (owner * prime ^ fs->id[0]) * prime ^ fs->id[1];
	owner ^= owner >> 32;
	return owner * prime;
}

static __noinline u32 series_make(u64 owner)
{
	struct slot *made = slot_claim_shared(&series, &series_claims, owner);

	if (!made) {
		LOSE(unnamed);
		return 0;
	}
	made->owner = owner;
	return made->index + 1;
}

static __always_inline void name(struct io *io, const struct fs *fs, u32 op, u32 number)
{
	struct file_system_type *type = fs->type;

	io->seen.row = 1;
	io->op = number ? op : OP_ANY;
	if (number && type) {
		bpf_probe_read_kernel_str(io->fs, sizeof(io->fs), BPF_CORE_READ(type, name));
		__builtin_memcpy(io->device, fs->id, sizeof(io->device));
	} else {
		__builtin_memcpy(io->fs, number ? "none" : "rest", 5);
	}
}

static __always_inline struct io *io_of(const struct fs *fs, u32 op)
{
	u64 owner = series_owner(fs, op);
	struct slot *found = slot_find(&series, owner);
	u32 number = found ? found->index + 1 : series_make(owner);
	struct io *io = bpf_map_lookup_elem(&filesystems, &number);

	if (io && !io->seen.row)
		name(io, fs, op, number);
	return io;
}

/* What a task can be in at once: to open or sync may read and write. */
enum call {
	CALL_IO,
	CALL_OTHER,
};

static __always_inline void *call_of(u32 call)
{
	return (void *)(bpf_get_current_task() + call * 64);
}

static __always_inline bool is_timed(void)
{
	if (!config.timed || !filter_current(&config.filter))
		return false;
	return config.sample <= 1 || bpf_get_prandom_u32() % config.sample == 0;
}

static __always_inline int begin(u32 call)
{
	since_note(&starts, call_of(call), is_timed() ? bpf_ktime_get_ns() : 0);
	return 0;
}

/* 0: it is not to be recorded. */
static __always_inline u64 took(u32 call)
{
	u64 since = config.timed ? since_of(&starts, call_of(call)) : 0, now;

	if (since == SINCE_LOST)
		LOSE(untimed);
	if (since <= SINCE_LOST)
		return 0;
	now = bpf_ktime_get_ns();
	if (now < since) {
		LOSE(backwards);
		return 0;
	}
	return now - since;
}

struct done {
	u32 op;
	s64 returned;
	u64 ns; /* 0: not known */
};

static __always_inline void count_process(struct stats *stats, const struct done *done)
{
	u32 op = done->op;
	count_t *calls = op == OP_OPEN	  ? &stats->opens
			 : op == OP_CLOSE ? &stats->closes
			 : op == OP_READ  ? &stats->reads
			 : op == OP_WRITE ? &stats->writes
			 : op == OP_FSYNC ? &stats->fsyncs
					  : &stats->fdatasyncs;
	nsec_t *time = op == OP_OPEN	? &stats->open_time
		       : op == OP_READ	? &stats->read_time
		       : op == OP_WRITE ? &stats->write_time
					: &stats->sync_time;

	__sync_fetch_and_add(calls, 1);
	if (done->ns)
		__sync_fetch_and_add(time, done->ns);
	if (done->returned < 0)
		__sync_fetch_and_add(&stats->errors, 1);
	else if (op == OP_READ)
		__sync_fetch_and_add(&stats->bytes_read, done->returned);
	else if (op == OP_WRITE)
		__sync_fetch_and_add(&stats->bytes_written, done->returned);
}

static __always_inline void count_fs(struct io *io, const struct done *done)
{
	__sync_fetch_and_add(&io->calls, 1);
	if (done->ns)
		hist_add(&io->time, hist_slot(done->ns), done->ns);
	if (done->returned < 0)
		__sync_fetch_and_add(&io->errors, 1);
	else if (done->op == OP_READ || done->op == OP_WRITE)
		__sync_fetch_and_add(&io->bytes, done->returned);
}

static __always_inline void count(const struct fs *fs, const struct done *done)
{
	struct stats *stats = stats_of_current();
	struct io *io = io_of(fs, done->op);

	if (stats)
		count_process(stats, done);
	if (io)
		count_fs(io, done);
}

static __always_inline int end(u32 op, struct file *file, s64 returned)
{
	struct done done = {.op = op, .returned = returned};
	struct fs fs;

	if (!filter_current(&config.filter))
		return 0;
	if (op != OP_CLOSE)
		done.ns = took(CALL_IO);
	fs = fs_of(file);
	count(&fs, &done);
	return 0;
}

static __noinline int end_of_descriptor(u32 op, int fd, s64 returned)
{
	struct done done = {.op = op, .returned = returned};
	struct fs fs;

	if (!filter_current(&config.filter))
		return 0;
	done.ns = took(CALL_OTHER);
	fs = fs_of_descriptor(fd);
	count(&fs, &done);
	return 0;
}

#define RW_PROTO(type) PROTO("ssize_t (struct file *, " type ", size_t, loff_t *)")
#define RWV_PROTO                                                                                  \
	PROTO("ssize_t (struct file *, const struct iovec *, unsigned long, loff_t *, rwf_t)")

SEC("fentry/vfs_read")
RW_PROTO("char *")
int BPF_PROG(read_begin)
{
	return begin(CALL_IO);
}

SEC("fentry/vfs_write")
RW_PROTO("const char *")
int BPF_PROG(write_begin)
{
	return begin(CALL_IO);
}

SEC("fentry/vfs_readv")
RWV_PROTO
int BPF_PROG(readv_begin)
{
	return begin(CALL_IO);
}

SEC("fentry/vfs_writev")
RWV_PROTO
int BPF_PROG(writev_begin)
{
	return begin(CALL_IO);
}

SEC("fentry/" SYSCALL "fsync")
SYSCALL_PROTO
int BPF_PROG(fsync_begin)
{
	return begin(CALL_OTHER);
}

SEC("fentry/" SYSCALL "fdatasync")
SYSCALL_PROTO
int BPF_PROG(fdatasync_begin)
{
	return begin(CALL_OTHER);
}

SEC("fentry/do_sys_openat2")
OPEN_PROTO
int BPF_PROG(open_begin)
{
	return begin(CALL_OTHER);
}

SEC("fexit/vfs_read")
RW_PROTO("char *")
int BPF_PROG(read_end, struct file *file, void *buf, size_t size, void *pos, s64 returned)
{
	return end(OP_READ, file, returned);
}

SEC("fexit/vfs_write")
RW_PROTO("const char *")
int BPF_PROG(write_end, struct file *file, void *buf, size_t size, void *pos, s64 returned)
{
	return end(OP_WRITE, file, returned);
}

SEC("fexit/vfs_readv")
RWV_PROTO
int BPF_PROG(readv_end, struct file *file, void *vec, u64 vlen, void *pos, int flags, s64 returned)
{
	return end(OP_READ, file, returned);
}

SEC("fexit/vfs_writev")
RWV_PROTO
int BPF_PROG(writev_end, struct file *file, void *vec, u64 vlen, void *pos, int flags, s64 returned)
{
	return end(OP_WRITE, file, returned);
}

SEC("fexit/" SYSCALL "fsync")
SYSCALL_PROTO
int BPF_PROG(fsync_end, struct pt_regs *regs, s64 returned)
{
	return end_of_descriptor(OP_FSYNC, FIRST_ARGUMENT(regs), returned);
}

SEC("fexit/" SYSCALL "fdatasync")
SYSCALL_PROTO
int BPF_PROG(fdatasync_end, struct pt_regs *regs, s64 returned)
{
	return end_of_descriptor(OP_FDATASYNC, FIRST_ARGUMENT(regs), returned);
}

SEC(CLOSE)
PROTO("int (struct file *, fl_owner_t)")
int BPF_PROG(closed, struct file *file, void *owner, int returned)
{
	return end(OP_CLOSE, file, returned);
}

SEC("fexit/do_sys_openat2")
OPEN_PROTO
int BPF_PROG(open_end, int dfd, void *name, void *how, int fd)
{
	return end_of_descriptor(OP_OPEN, fd, fd);
}
