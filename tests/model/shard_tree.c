/* The tree by which shards are added, against its definition written another way: a table of all nodes, filled from the
 * root down. */
#include <criterion/criterion.h>

#include "model/training/shard_tree.h"

enum { MOST = 70 };

/* node[first][count]: there is one; parent: how many shards its parent has, and where that begins. */
typedef struct table {
    bool node[MOST][MOST + 1];
    mdl_node parent[MOST][MOST + 1];
} table;

/* The left child of a node of `count` shards: the highest bit of count - 1. */
static size_t highest_bit(size_t x)
{
    size_t bit = 1;
    while (x >>= 1) bit <<= 1;
    return bit;
}

static void fill(table *t, mdl_node node, mdl_node parent)
{
    t->node[node.first][node.count] = true;
    t->parent[node.first][node.count] = parent;
    if (node.count == 1) return;
    const size_t left = highest_bit(node.count - 1);
    fill(t, (mdl_node){node.first, left}, node);
    fill(t, (mdl_node){node.first + left, node.count - left}, node);
}

static const table *table_of(size_t n)
{
    static table t;
    t = (table){0};
    fill(&t, (mdl_node){0, n}, (mdl_node){0, 0});
    return &t;
}

Test(shard_tree, left_child)
{
    for (size_t count = 2; count <= 5000; count++) cr_assert_eq(mdl_node_left(count), highest_bit(count - 1), "of %zu", count);
}

Test(shard_tree, siblings_are_the_two_children_of_a_node)
{
    size_t pairs = 0;
    for (size_t n = 1; n <= MOST; n++) {
        const table *t = table_of(n);
        for (size_t first = 0; first < n; first++)
            for (size_t end = first + 2; end <= n; end++)
                for (size_t middle = first + 1; middle < end; middle++) {
                    const mdl_node a = {first, middle - first}, b = {middle, end - middle};
                    const bool expected = t->node[first][end - first] && t->node[a.first][a.count] &&
                                          t->parent[a.first][a.count].count == end - first && a.count < end - first &&
                                          t->node[b.first][b.count] && t->parent[b.first][b.count].first == first;
                    cr_assert_eq(mdl_node_siblings(n, a, b), expected, "%zu shards: %zu+%zu, %zu+%zu", n, a.first, a.count,
                                 b.first, b.count);
                    pairs += expected;
                }
    }
    cr_assert_eq(pairs, MOST * (MOST - 1) / 2, "n shards have n - 1 sums");
}

/* The largest nodes in a block: those in it whose parent is not. */
static size_t naive_forest(const table *t, size_t n, size_t first, size_t end, mdl_node *nodes)
{
    size_t found = 0;
    for (size_t at = first; at < end; at++)
        for (size_t count = 1; count <= n - at; count++) {
            if (!t->node[at][count] || at + count > end) continue;
            const mdl_node parent = t->parent[at][count];
            if (parent.count && parent.first >= first && parent.first + parent.count <= end) continue;
            nodes[found++] = (mdl_node){at, count};
        }
    return found;
}

Test(shard_tree, forest_of_every_block)
{
    size_t largest = 0;
    for (size_t n = 1; n <= MOST; n++) {
        const table *t = table_of(n);
        for (size_t first = 0; first <= n; first++)
            for (size_t end = first; end <= n; end++) {
                mdl_node expected[2 * MOST], found[MDL_FOREST_MOST];
                const size_t count = naive_forest(t, n, first, end, expected);
                cr_assert_eq(mdl_node_forest(n, first, end, NULL), count);
                cr_assert_eq(mdl_node_forest(n, first, end, found), count, "%zu shards, [%zu, %zu)", n, first, end);
                for (size_t i = 0, at = first; i < count; at += found[i++].count) {
                    cr_assert(found[i].first == expected[i].first && found[i].count == expected[i].count);
                    cr_assert_eq(found[i].first, at, "a gap");
                }
                if (count > largest) largest = count;
            }
    }
    cr_assert(largest > 6 && largest < MDL_FOREST_MOST);
}
