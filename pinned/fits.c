// SPDX-License-Identifier: GPL-2.0-only
/* The requirements of an object, checked against the BTF of a kernel and its modules. */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "fits.h"
#include "kernel_btf.h"
#include "prototype.h"
#include "util.h"

#define BTF_DIR	    "/sys/kernel/btf"
#define HASH_SLOTS  (1 << 16)
#define MODULES_MAX 512

struct kernel {
	struct btf *btf; /* vmlinux */
	/* vmlinux has some 100,000 types and dozens of them are asked for: chains by name. */
	__u32 *first, *next;
	struct btf *modules[MODULES_MAX];
	int modules_n;
	bool modules_read;
};

/* A type of the kernel: modules share the ids of vmlinux and add their own behind them. */
struct place {
	const struct btf *btf;
	__u32 id; /* 0: not found */
};

static const char *type_name(const struct btf *btf, __u32 id)
{
	return btf__name_by_offset(btf, btf__type_by_id(btf, id)->name_off);
}

static void index_names(struct kernel *k)
{
	__u32 n = btf__type_cnt(k->btf), id, *slot;

	k->first = xcalloc(HASH_SLOTS, sizeof(*k->first));
	k->next = xcalloc(n, sizeof(*k->next));
	for (id = n - 1; id; id--) { /* from the back: the first of a name leads its chain */
		slot = &k->first[hash_text(type_name(k->btf, id)) % HASH_SLOTS];
		k->next[id] = *slot;
		*slot = id;
	}
}

struct kernel *kernel_open(void)
{
	const char *file = getenv("PINSCOPE_BTF");
	struct kernel *k = xcalloc(1, sizeof(*k));

	k->btf = kernel_btf_read();
	k->modules_read = file;
	if (!k->btf)
		die(EXIT_FAILED,
		    "cannot read the types of the kernel from %s (%s): it needs a kernel "
		    "built with CONFIG_DEBUG_INFO_BTF=y",
		    file ?: BTF_DIR "/vmlinux", strerror(errno));
	index_names(k);
	return k;
}

void kernel_close(struct kernel *k)
{
	while (k->modules_n)
		btf__free(k->modules[--k->modules_n]);
	btf__free(k->btf);
	free(k->first);
	free(k->next);
	free(k);
}

static void read_modules(struct kernel *k)
{
	DIR *dir = opendir(BTF_DIR);
	struct dirent *file;
	char path[512];
	struct btf *btf;

	k->modules_read = true;
	while (dir && (file = readdir(dir)) && k->modules_n < MODULES_MAX) {
		if (file->d_name[0] == '.' || !strcmp(file->d_name, "vmlinux"))
			continue;
		snprintf(path, sizeof(path), BTF_DIR "/%s", file->d_name);
		btf = btf__parse_split(path, k->btf);
		if (btf)
			k->modules[k->modules_n++] = btf;
	}
	if (dir)
		closedir(dir);
}

static __u32 find_in_vmlinux(const struct kernel *k, int kind, const char *name)
{
	__u32 id;

	for (id = k->first[hash_text(name) % HASH_SLOTS]; id; id = k->next[id])
		if (btf_kind(btf__type_by_id(k->btf, id)) == kind &&
		    !strcmp(type_name(k->btf, id), name))
			return id;
	return 0;
}

static struct place find(struct kernel *k, int kind, const char *name)
{
	struct place at = {k->btf, find_in_vmlinux(k, kind, name)};
	int i;

	if (at.id)
		return at;
	if (!k->modules_read)
		read_modules(k);
	for (i = 0; i < k->modules_n; i++) {
		__u32 id = btf__type_cnt(k->btf), n = btf__type_cnt(k->modules[i]);

		for (; id < n; id++)
			if (btf_kind(btf__type_by_id(k->modules[i], id)) == kind &&
			    !strcmp(type_name(k->modules[i], id), name))
				return (struct place){k->modules[i], id};
	}
	return at;
}

size_t kernel_sizeof(struct kernel *k, const char *name, size_t otherwise)
{
	__u32 id = find_in_vmlinux(k, BTF_KIND_STRUCT, name);

	return id ? btf__type_by_id(k->btf, id)->size : otherwise;
}

/* What stands before the slash of a section name, and the BTF that hook has. */
static const struct hook {
	const char *section;
	const char *prefix; /* of the name in BTF */
	int kind;
	const char *what;
	int hidden; /* leading arguments a proto does not write */
	bool whole; /* all arguments must be named: the return value stands behind them */
} hooks[] = {
	{"tp_btf", "btf_trace_", BTF_KIND_TYPEDEF, "tracepoint", 1, false},
	{"raw_tp", "btf_trace_", BTF_KIND_TYPEDEF, "tracepoint", 1, false},
	{"raw_tracepoint", "btf_trace_", BTF_KIND_TYPEDEF, "tracepoint", 1, false},
	{"tp", "btf_trace_", BTF_KIND_TYPEDEF, "tracepoint", 1, false},
	{"tracepoint", "btf_trace_", BTF_KIND_TYPEDEF, "tracepoint", 1, false},
	{"fentry", "", BTF_KIND_FUNC, "function", 0, false},
	{"fexit", "", BTF_KIND_FUNC, "function", 0, true},
	{"fmod_ret", "", BTF_KIND_FUNC, "function", 0, true},
	{"kprobe", "", BTF_KIND_FUNC, "function", 0, false},
	{"kretprobe", "", BTF_KIND_FUNC, "function", 0, false},
	{"iter", "bpf_iter_", BTF_KIND_FUNC, "iterator", 0, false},
	{"lsm", "bpf_lsm_", BTF_KIND_FUNC, "security hook", 0, false},
};

/* "fexit.s/NAME" -> the row of fexit, and NAME. NULL: a hook that BTF does not know of (xdp, tc). */
static const struct hook *find_hook(const char *section, const char **name)
{
	const char *slash = strchr(section, '/');
	size_t i, len;

	if (!slash)
		return NULL;
	len = slash - section;
	if (len > 2 && !strncmp(slash - 2, ".s", 2))
		len -= 2;
	for (i = 0; i < sizeof(hooks) / sizeof(*hooks); i++)
		if (strlen(hooks[i].section) == len && !strncmp(hooks[i].section, section, len)) {
			/* tp/CATEGORY/NAME: a tracepoint's name is unique without its category */
			*name = strrchr(slash, '/') + 1;
			return &hooks[i];
		}
	return NULL;
}

static struct place func_proto(struct place at)
{
	const struct btf_type *t = btf__type_by_id(at.btf, at.id);

	while (!btf_is_func_proto(t)) { /* FUNC -> PROTO, or TYPEDEF -> PTR -> PROTO */
		at.id = t->type;
		t = btf__type_by_id(at.btf, at.id);
	}
	return at;
}

/* The names of types in a proto are looked up in the kernel. */
static bool find_type(void *kernel, int kind, const char *name, const struct btf **btf, __u32 *id)
{
	struct place at = find(kernel, kind, name);

	*btf = at.btf;
	*id = at.id;
	return at.id;
}

bool kernel_has_hook(struct kernel *k, const char *section, const char *proto, char *why,
		     size_t size)
{
	char in_btf[256];
	const struct hook *hook;
	const char *name;
	struct place at;

	if (*section == '?')
		section++;
	hook = find_hook(section, &name);
	if (!hook)
		return true;
	snprintf(in_btf, sizeof(in_btf), "%s%.*s", hook->prefix, (int)strcspn(name, "+"), name);
	at = find(k, hook->kind, in_btf);
	if (!at.id) {
		snprintf(why, size, "this kernel has no %s %s", hook->what, name);
		return false;
	}
	if (!proto)
		return true;
	at = func_proto(at);
	return prototype_fits(
		&(struct prototype){
			.name = name,
			.text = proto,
			.btf = at.btf,
			.id = at.id,
			.hidden = hook->hidden,
			.whole = hook->whole,
			.find = find_type,
			.types = k,
		},
		why, size);
}

/* A member by name, also inside anonymous structs and unions; 0: none, else its type. */
static __u32 find_member(const struct btf *btf, __u32 id, const char *name, size_t len)
{
	const struct btf_type *t;
	const struct btf_member *m;
	const char *member;
	int i;

	while ((t = btf__type_by_id(btf, id)) && (btf_is_mod(t) || btf_is_typedef(t)))
		id = t->type;
	if (!t || !btf_is_composite(t))
		return 0;
	for (i = 0, m = btf_members(t); i < btf_vlen(t); i++, m++) {
		member = btf__name_by_offset(btf, m->name_off);
		if (!*member) {
			id = find_member(btf, m->type, name, len);
			if (id)
				return id;
		} else if (strlen(member) == len && !strncmp(member, name, len)) {
			return m->type;
		}
	}
	return 0;
}

static bool has_field(struct kernel *k, const char *path, char *why, size_t size)
{
	size_t len = strcspn(path, ".");
	struct place at;
	char name[128];

	snprintf(name, sizeof(name), "%.*s", (int)len, path);
	at = find(k, BTF_KIND_STRUCT, name);
	if (!at.id) {
		snprintf(why, size, "this kernel has no struct %s", name);
		return false;
	}
	while (path[len]) {
		const char *member = path + len + 1;
		size_t n = strcspn(member, ".");

		at.id = find_member(at.btf, at.id, member, n);
		if (!at.id) {
			snprintf(why, size, "struct %.*s has no member %.*s on this kernel",
				 (int)len, path, (int)n, member);
			return false;
		}
		len += 1 + n;
	}
	return true;
}

bool kernel_has_need(struct kernel *k, const char *need, char *why, size_t size)
{
	if (!strncmp(need, "func:", 5)) {
		if (find(k, BTF_KIND_FUNC, need + 5).id)
			return true;
		snprintf(why, size, "this kernel has no function %s", need + 5);
		return false;
	}
	if (!strncmp(need, "field:", 6))
		return has_field(k, need + 6, why, size);
	snprintf(why, size, "it needs %s, which this pinscope does not know of", need);
	return false;
}
