// SPDX-License-Identifier: GPL-2.0-only
/*
 * resize: a copy of an object with other numbers of entries in its maps. bpftool
 * loads what the object says, and a map's size is a type there:
 * `__uint(max_entries, N)` is a pointer to an array of N. So the copy gets a BTF
 * section of its own, written behind the end of the file, in which the variable of
 * the map has another struct type.
 */
#include <bpf/btf.h>
#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "util.h"
#include "verbs.h"

struct file {
	const char *path;
	char *data;
	size_t size;
};

static void read_file(struct file *f)
{
	FILE *in = fopen(f->path, "re");
	long size = -1;

	if (in && !fseek(in, 0, SEEK_END))
		size = ftell(in);
	if (size < (long)sizeof(Elf64_Ehdr))
		die(EXIT_INPUT, "cannot read the object %s: %s", f->path, strerror(errno));
	rewind(in);
	f->size = size;
	f->data = xmalloc(size);
	if (fread(f->data, 1, size, in) != f->size)
		die(EXIT_FAILED, "cannot read the object %s: %s", f->path, strerror(errno));
	fclose(in);
}

/* The header of section .BTF within f; libbpf has read the same file, so it is whole. */
static Elf64_Shdr *btf_section(const struct file *f)
{
	Elf64_Ehdr *elf = (Elf64_Ehdr *)f->data;
	Elf64_Shdr *section = (Elf64_Shdr *)(f->data + elf->e_shoff);
	const char *names = f->data + section[elf->e_shstrndx].sh_offset;
	int i;

	for (i = 0; i < elf->e_shnum; i++)
		if (!strcmp(names + section[i].sh_name, ".BTF"))
			return &section[i];
	return NULL;
}

static void write_copy(const struct file *f, const struct btf *btf, const char *to)
{
	Elf64_Shdr *section = btf_section(f);
	__u32 size;
	const void *types = btf__raw_data(btf, &size);
	static const char zero[8];
	size_t pad = -f->size % sizeof(zero);
	FILE *out = fopen(to, "we");
	bool ok = out;

	section->sh_offset = f->size + pad;
	section->sh_size = size;
	ok = ok && fwrite(f->data, 1, f->size, out) == f->size;
	ok = ok && fwrite(zero, 1, pad, out) == pad && fwrite(types, 1, size, out) == size;
	if (!ok || fclose(out))
		die(EXIT_FAILED, "cannot write the object %s: %s", to, strerror(errno));
}

static struct btf_type *find_map(const struct btf *btf, const char *name)
{
	__s32 id = btf__find_by_name_kind(btf, name, BTF_KIND_VAR);
	const struct btf_type *var = id > 0 ? btf__type_by_id(btf, id) : NULL;

	if (!var || !btf_is_struct(btf__type_by_id(btf, var->type)))
		return NULL;
	return (struct btf_type *)var;
}

/* A pointer to an array of n, which is how a map's definition says n. */
static int add_number(struct btf *btf, __u32 n)
{
	int integer = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
	int array = btf__add_array(btf, integer, integer, n);

	return array < 0 ? array : btf__add_ptr(btf, array);
}

/* Gives the map a struct of its own: its old one may be that of other maps too. */
static int resize_map(struct btf *btf, const char *name, __u32 entries)
{
	int number = add_number(btf, entries), id, i, n, err;
	struct btf_type *var = find_map(btf, name);
	__u32 old = var->type;
	const struct btf_member *m;
	const char *member;

	n = btf_vlen(btf__type_by_id(btf, old));
	id = btf__add_struct(btf, NULL, btf__type_by_id(btf, old)->size);
	for (i = 0; id > 0 && i < n; i++) { /* adding moves the types: look up anew */
		m = &btf_members(btf__type_by_id(btf, old))[i];
		member = btf__name_by_offset(btf, m->name_off);
		err = btf__add_field(btf, member,
				     strcmp(member, "max_entries") ? (int)m->type : number,
				     m->offset, 0);
		if (err)
			return err;
	}
	if (id > 0)
		find_map(btf, name)->type = id;
	return id;
}

static void resize(struct btf *btf, char *setting, const char *path)
{
	char *value = strchr(setting, '='), *end;
	unsigned long entries = value ? strtoul(value + 1, &end, 10) : 0;
	int err;

	if (!value || *end || !entries || entries > 0x7fffffff)
		die(EXIT_USAGE, "\"%s\" is not a map and its number of entries: write MAP=N",
		    setting);
	*value = '\0';
	if (!find_map(btf, setting))
		die(EXIT_USAGE, "%s has no map %s to resize: `pinscope list --json` names its maps",
		    path, setting);
	err = resize_map(btf, setting, entries);
	if (err < 0)
		die(EXIT_FAILED, "cannot resize map %s of %s: %s", setting, path, strerror(-err));
}

int cmd_resize(int argc, char **argv)
{
	struct file f = {.path = argv[0]};
	struct btf *btf;
	int i;

	if (argc < 3)
		die(EXIT_USAGE, "resize what? usage: resize OBJECT COPY MAP=N...");
	btf = btf__parse_elf(f.path, NULL);
	if (!btf)
		die(EXIT_INPUT, "cannot read the types of the object %s: %s", f.path,
		    strerror(errno));
	read_file(&f);
	for (i = 2; i < argc; i++)
		resize(btf, argv[i], f.path);
	write_copy(&f, btf, argv[1]);
	free(f.data);
	btf__free(btf);
	return EXIT_DONE;
}
