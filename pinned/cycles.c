// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cycles of a graph whose edges are the rows. The labels that begin with `from` make up the node
 * where an edge begins, those with `to` where it ends. Of the cycles through an edge the shortest is
 * shown, and no edge is shown twice unless another has no cycle without it.
 */
#include <stdlib.h>
#include <string.h>

#include "cell.h"
#include "escape.h"
#include "terminal.h"
#include "text.h"
#include "util.h"

struct edge {
	char *end[2]; /* names of the nodes */
	unsigned int node[2];
	char *what;  /* the row's other columns */
	char *chain; /* its call chain, NULL: none */
	bool shown;
};

struct cycles {
	const struct schema *schema;
	unsigned int n_edges, n_nodes;
	struct edge *edges;  /* once all are there, by the node where they begin */
	char **nodes;	     /* sorted */
	unsigned int *first; /* per node: its first edge */
};

static const char *const ends[2] = {"from", "to"};

struct cycles *cycles_open(const struct schema *s)
{
	struct cycles *t = xcalloc(1, sizeof(*t));

	t->schema = s;
	return t;
}

static bool begins(const char *text, const char *start)
{
	return !strncmp(text, start, strlen(start));
}

static char *taken(struct out *o)
{
	char *text = xasprintf("%.*s", (int)o->len, o->buf);

	out_close(o);
	return text;
}

static char *node_name(const struct schema *s, const struct row *row, const char *end)
{
	struct out o;

	out_open(&o, -1);
	for (unsigned int i = 0; i < s->n_labels; i++) {
		if (!begins(s->labels[i].name, end))
			continue;
		if (o.len)
			out_char(&o, '/');
		print_label(&o, &s->labels[i], row, escape_terminal);
	}
	return taken(&o);
}

static bool is_end(const struct column *c)
{
	return begins(c->name, ends[0]) || begins(c->name, ends[1]);
}

static bool is_chain(const struct column *c)
{
	return !strcmp(c->name, "chain");
}

static char *describe(const struct schema *s, const struct row *row)
{
	struct out o;

	out_open(&o, -1);
	for (unsigned int i = 0; i < s->n_labels; i++) {
		if (is_end(&s->labels[i]) || is_chain(&s->labels[i]))
			continue;
		out_printf(&o, "  %s ", s->labels[i].name);
		print_label(&o, &s->labels[i], row, escape_terminal);
	}
	for (unsigned int i = 0; i < s->n_fields; i++) {
		out_printf(&o, "  %s ", s->fields[i].name);
		text_number(&o, &s->fields[i], row);
	}
	return taken(&o);
}

static char *chain_of(const struct schema *s, const struct row *row)
{
	struct out o;

	out_open(&o, -1);
	for (unsigned int i = 0; i < s->n_labels; i++)
		if (is_chain(&s->labels[i]))
			print_label(&o, &s->labels[i], row, escape_terminal);
	return taken(&o);
}

void cycles_row(struct cycles *t, const struct row *row)
{
	struct edge *edge = APPEND(t->edges, t->n_edges);

	for (int i = 0; i < 2; i++)
		edge->end[i] = node_name(t->schema, row, ends[i]);
	edge->what = describe(t->schema, row);
	edge->chain = chain_of(t->schema, row);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int by_nodes(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;
	int order = strcmp(x->end[0], y->end[0]);

	return order ?: strcmp(x->end[1], y->end[1]);
}

static unsigned int node_of(const struct cycles *t, char *name)
{
	return (char **)bsearch(&name, t->nodes, t->n_nodes, sizeof(*t->nodes), by_name) - t->nodes;
}

/* Numbers for the nodes, and the edges in the order of those they begin at. */
static void number_nodes(struct cycles *t)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < t->n_edges; i++)
		for (int j = 0; j < 2; j++)
			*APPEND(t->nodes, t->n_nodes) = t->edges[i].end[j];
	qsort(t->nodes, t->n_nodes, sizeof(*t->nodes), by_name);
	for (unsigned int i = 0; i < t->n_nodes; i++)
		if (!n || strcmp(t->nodes[i], t->nodes[n - 1]))
			t->nodes[n++] = t->nodes[i];
	t->n_nodes = n;
	qsort(t->edges, t->n_edges, sizeof(*t->edges), by_nodes);
	t->first = xcalloc(t->n_nodes + 1, sizeof(*t->first));
	for (unsigned int i = 0; i < t->n_edges; i++) {
		for (int j = 0; j < 2; j++)
			t->edges[i].node[j] = node_of(t, t->edges[i].end[j]);
		t->first[t->edges[i].node[0] + 1] = i + 1;
	}
	for (unsigned int i = 0; i < t->n_nodes; i++)
		if (!t->first[i + 1])
			t->first[i + 1] = t->first[i];
}

/*
 * The shortest way from where an edge ends to where it begins, breadth first. came_by[node] is the edge
 * by which the search reached a node, NULL where it did not.
 */
static bool find_way(const struct cycles *t, const struct edge *edge, const struct edge **came_by,
		     unsigned int *queue)
{
	unsigned int head = 0, tail = 0, target = edge->node[0];

	memset(came_by, 0, t->n_nodes * sizeof(*came_by));
	came_by[edge->node[1]] = edge;
	queue[tail++] = edge->node[1];
	while (head < tail && !came_by[target]) {
		unsigned int node = queue[head++];

		for (unsigned int i = t->first[node]; i < t->first[node + 1]; i++) {
			unsigned int to = t->edges[i].node[1];

			if (came_by[to])
				continue;
			came_by[to] = &t->edges[i];
			queue[tail++] = to;
		}
	}
	return came_by[target];
}

static void print_chain(struct out *o, const char *chain)
{
	size_t end = strlen(chain);

	while (end) {
		size_t start = end;

		while (start && chain[start - 1] != ';')
			start--;
		out_printf(o, "        %.*s\n", (int)(end - start), chain + start);
		end = start ? start - 1 : 0;
	}
}

static void print_edge(struct out *o, struct edge *edge)
{
	edge->shown = true;
	out_printf(o, "    %s -> %s%s\n", edge->end[0], edge->end[1], edge->what);
	print_chain(o, edge->chain);
}

/* The way leads back from where the edge begins to its end, and is printed from the edge on. */
static void print_cycle(struct cycles *t, struct out *o, const struct edge *edge,
			const struct edge *const *came_by)
{
	unsigned int node = edge->node[0], length = 0;
	unsigned int *way = xcalloc(t->n_nodes, sizeof(*way));

	do {
		way[length++] = came_by[node] - t->edges;
		node = came_by[node]->node[0];
	} while (node != edge->node[0]);
	paint(o, STYLE_ALERT);
	out_printf(o, "  a cycle of %u\n", length);
	paint(o, STYLE_PLAIN);
	while (length)
		print_edge(o, &t->edges[way[--length]]);
	free(way);
}

static void free_all(struct cycles *t)
{
	for (unsigned int i = 0; i < t->n_edges; i++) {
		free(t->edges[i].end[0]);
		free(t->edges[i].end[1]);
		free(t->edges[i].what);
		free(t->edges[i].chain);
	}
	free(t->edges);
	free(t->nodes);
	free(t->first);
	free(t);
}

void cycles_print(struct cycles *t, struct out *o)
{
	const struct edge **came_by;
	unsigned int *queue, found = 0;

	number_nodes(t);
	came_by = xcalloc(t->n_nodes + 1, sizeof(*came_by));
	queue = xcalloc(t->n_nodes + 1, sizeof(*queue));
	for (unsigned int i = 0; i < t->n_edges; i++) {
		if (t->edges[i].shown || !find_way(t, &t->edges[i], came_by, queue))
			continue;
		print_cycle(t, o, &t->edges[i], came_by);
		found++;
	}
	if (!found)
		out_printf(o, "  no cycle in %u edges\n", t->n_edges);
	free(came_by);
	free(queue);
	free_all(t);
}
