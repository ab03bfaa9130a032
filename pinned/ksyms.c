// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>

#include "ksyms.h"
#include "util.h"

struct symbol {
	u64 address;
	char *name, *module; /* module: with its blank and brackets, or empty */
	unsigned int number; /* of those with that name, by address; 0: the first */
};

static struct symbol *symbols;
static unsigned int count;

/* ADDRESS TYPE NAME[<TAB>[MODULE]] */
static void add_symbol(char *line)
{
	char *end, *tab;
	u64 address = strtoull(line, &end, 16);
	struct symbol *symbol;

	/* Code, and data: a lock has a name if it is a variable. Below are offsets of per-CPU data. */
	if (!(address >> 63) || end[0] != ' ' || !strchr("tTwWbBdDrR", end[1]) || end[2] != ' ')
		return;
	line = xstrdup(end + 3);
	line[strcspn(line, "\n")] = 0;
	tab = strchr(line, '\t');
	symbol = APPEND(symbols, count);
	*symbol = (struct symbol){address, line, "", 0};
	if (tab) {
		*tab = 0;
		symbol->module = xasprintf(" %s", tab + 1);
	}
}

static int by_address(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

/* Static functions of several files share a name; as labels they must differ. */
static void number_symbols(void)
{
	unsigned int size = 1, at, *last; /* 1 + index of the last symbol of a name, by its hash */

	while (size < 2 * count)
		size *= 2;
	last = xcalloc(size, sizeof(*last));
	for (unsigned int i = 0; i < count; i++) {
		for (at = hash_text(symbols[i].name) & (size - 1); last[at];
		     at = (at + 1) & (size - 1)) {
			const struct symbol *same = &symbols[last[at] - 1];

			if (strcmp(same->name, symbols[i].name))
				continue;
			symbols[i].number = same->number + 1;
			break;
		}
		last[at] = i + 1;
	}
	free(last);
}

static void read_symbols(void)
{
	FILE *f = fopen(getenv("PINSCOPE_KALLSYMS") ?: "/proc/kallsyms", "r");
	char *line = NULL;
	size_t size = 0;

	if (!f)
		return;
	while (getline(&line, &size, f) > 0)
		add_symbol(line);
	free(line);
	fclose(f);
	qsort(symbols, count, sizeof(*symbols), by_address);
	number_symbols();
}

/* The last symbol that does not begin behind the address. */
static const struct symbol *find_symbol(u64 address)
{
	unsigned int low = 0, high = count;

	while (low < high) {
		unsigned int middle = low + (high - low) / 2;

		if (symbols[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &symbols[low - 1] : NULL;
}

void print_ksym(struct out *o, u64 address, escape_fn *escape)
{
	static bool known;
	const struct symbol *symbol;

	if (!known)
		read_symbols();
	known = true;
	symbol = find_symbol(address);
	if (symbol)
		escape(o, symbol->name, strlen(symbol->name));
	if (symbol && symbol->number)
		out_printf(o, "~%u", symbol->number + 1);
	out_printf(o, symbol ? "+0x%llx" : "0x%llx",
		   (unsigned long long)(address - (symbol ? symbol->address : 0)));
	if (symbol)
		escape(o, symbol->module, strlen(symbol->module));
}
