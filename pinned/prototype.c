// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prototypes are compared by structure: the same struct behind as many pointers, a
 * number of the same size. Qualifiers and typedefs do not count; void * takes any pointer.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "prototype.h"

#define NAME_LEN 128

/* A type without its qualifiers and typedefs. */
struct shape {
	enum {
		SHAPE_VOID,
		SHAPE_NUMBER,
		SHAPE_STRUCT,
		SHAPE_OTHER
	} kind;
	int stars;
	__u32 size;	     /* of a number */
	char name[NAME_LEN]; /* of a struct; of others only to be printed */
};

static void set_name(struct shape *s, const struct btf *btf, const struct btf_type *t)
{
	const char *name = btf__name_by_offset(btf, t->name_off);

	if (*name)
		snprintf(s->name, sizeof(s->name), "%s", name);
}

/* Adds to what s already has: stars, or the name of a typedef on the way. */
static void shape_of_btf(struct shape *s, const struct btf *btf, __u32 id)
{
	const struct btf_type *t;

	for (; id; id = t->type) {
		t = btf__type_by_id(btf, id);
		if (btf_is_ptr(t))
			s->stars++;
		else if (btf_is_typedef(t))
			set_name(s, btf, t);
		else if (!btf_is_mod(t) && !btf_is_type_tag(t))
			break;
	}
	s->kind = SHAPE_VOID;
	if (!id)
		return;
	s->kind = SHAPE_OTHER;
	if (btf_is_composite(t) || btf_is_fwd(t)) {
		s->kind = SHAPE_STRUCT;
		set_name(s, btf, t);
	} else if (btf_is_int(t) || btf_is_any_enum(t) || btf_is_float(t)) {
		s->kind = SHAPE_NUMBER;
		s->size = t->size;
		if (!*s->name)
			set_name(s, btf, t);
	}
}

/* Size of a number spelled in C's own words ("unsigned long"), 0 if it is not. */
static __u32 size_of_words(const char *text)
{
	static const struct {
		const char *word;
		__u32 size;
	} words[] = {
		{"unsigned", 4}, {"signed", 4},		 {"int", 4}, {"short", 2}, {"char", 1},
		{"_Bool", 1},	 {"long", sizeof(long)},
	};
	__u32 size = 0;
	size_t i, n;

	while (*text) {
		n = strcspn(text, " ");
		for (i = 0; i < sizeof(words) / sizeof(*words); i++)
			if (strlen(words[i].word) == n && !strncmp(text, words[i].word, n))
				break;
		if (i == sizeof(words) / sizeof(*words))
			return 0;
		if (!size || words[i].size != 4)
			size = words[i].size; /* "long int": long decides */
		text += n + strspn(text + n, " ");
	}
	return size;
}

/* Without const, volatile and stars, single spaces between words. */
static void clean(struct shape *s, const char *text, size_t len, char *out, size_t size)
{
	size_t n = 0, i, word;

	for (i = 0; i < len && n + 1 < size;) {
		if (!isalnum((unsigned char)text[i]) && text[i] != '_') {
			s->stars += text[i++] == '*';
			continue;
		}
		for (word = i; i < len && (isalnum((unsigned char)text[i]) || text[i] == '_');)
			i++;
		if ((i - word == 5 && !strncmp(text + word, "const", 5)) ||
		    (i - word == 8 && !strncmp(text + word, "volatile", 8)))
			continue;
		n += snprintf(out + n, size - n, "%s%.*s", n ? " " : "", (int)(i - word),
			      text + word);
	}
	out[n < size ? n : size - 1] = '\0';
}

static bool shape_of_text(const struct prototype *p, struct shape *s, const char *text, size_t len)
{
	const struct btf *btf;
	char type[NAME_LEN] = "";
	__u32 id;

	clean(s, text, len, type, sizeof(type));
	s->kind = SHAPE_NUMBER;
	snprintf(s->name, sizeof(s->name), "%s", type);
	if (!strcmp(type, "void")) {
		s->kind = SHAPE_VOID;
	} else if (!strncmp(type, "struct ", 7) || !strncmp(type, "union ", 6)) {
		s->kind = SHAPE_STRUCT;
		snprintf(s->name, sizeof(s->name), "%s", strchr(type, ' ') + 1);
	} else if (!strncmp(type, "enum ", 5)) {
		s->size = 4;
		if (p->find(p->types, BTF_KIND_ENUM, type + 5, &btf, &id))
			s->size = btf__type_by_id(btf, id)->size;
	} else if (!(s->size = size_of_words(type))) {
		if (!p->find(p->types, BTF_KIND_TYPEDEF, type, &btf, &id))
			return false;
		shape_of_btf(s, btf, id);
	}
	return true;
}

static bool same_shape(const struct shape *a, const struct shape *b)
{
	if (a->kind == SHAPE_VOID && a->stars && b->stars)
		return true;
	if (a->kind != b->kind || a->stars != b->stars)
		return false;
	if (a->kind == SHAPE_STRUCT)
		return !strcmp(a->name, b->name);
	return a->kind != SHAPE_NUMBER || a->size == b->size;
}

static const char *print_shape(const struct shape *s, char *out, size_t size)
{
	static const char stars[] = "****";

	snprintf(out, size, "%s%s%s%.*s", s->kind == SHAPE_STRUCT ? "struct " : "",
		 s->kind == SHAPE_VOID ? "void" : s->name, s->stars ? " " : "",
		 s->stars < 4 ? s->stars : 4, stars);
	return out;
}

/* n: 0 is the return value, else the argument's place. */
static bool type_fits(const struct prototype *p, int n, const char *text, size_t len, __u32 id,
		      char *why, size_t size)
{
	char place[32] = "the return value", here[NAME_LEN + 16];
	struct shape written = {}, real = {};

	if (n)
		snprintf(place, sizeof(place), "argument %d", n);
	if (!shape_of_text(p, &written, text, len)) {
		snprintf(why, size,
			 "%s of %s was written for %.*s, a type this kernel does not have", place,
			 p->name, (int)len, text);
		return false;
	}
	shape_of_btf(&real, p->btf, id);
	if (same_shape(&written, &real))
		return true;
	snprintf(why, size, "%s of %s is %s on this kernel, not %.*s", place, p->name,
		 print_shape(&real, here, sizeof(here)), (int)len, text);
	return false;
}

static size_t trimmed(const char **text, size_t len)
{
	while (len && isspace((unsigned char)**text))
		++*text, len--;
	while (len && isspace((unsigned char)(*text)[len - 1]))
		len--;
	return len;
}

bool prototype_fits(const struct prototype *p, char *why, size_t size)
{
	const struct btf_type *t = btf__type_by_id(p->btf, p->id);
	const struct btf_param *params = btf_params(t) + p->hidden;
	int have = btf_vlen(t) - p->hidden, n = 0;
	const char *text = p->text, *open = strchr(text, '(');
	size_t len;

	if (!open) {
		snprintf(why, size, "the prototype of %s is written \"%s\", without arguments",
			 p->name, text);
		return false;
	}
	len = trimmed(&text, open - text);
	if (!type_fits(p, 0, text, len, t->type, why, size))
		return false;
	for (text = open; *text && *text != ')'; text += len) {
		text++;
		len = strcspn(text, ",)");
		open = text;
		size_t word = trimmed(&open, len);

		if (!word || (word == 3 && !strncmp(open, "...", 3)) ||
		    (word == 4 && !strncmp(open, "void", 4)))
			continue;
		if (++n > have) {
			snprintf(why, size,
				 "%s has %d arguments on this kernel, fewer than the %d "
				 "written for",
				 p->name, have, n);
			return false;
		}
		if (!type_fits(p, n, open, word, params[n - 1].type, why, size))
			return false;
	}
	if (p->whole && n != have) {
		snprintf(why, size, "%s has %d arguments on this kernel, not %d", p->name, have, n);
		return false;
	}
	return true;
}
