#include "model/training/shard_tree.h"

size_t mdl_node_left(size_t count)
{
    size_t left = 1;
    while (left < count - left) left *= 2;
    return left;
}

bool mdl_node_siblings(size_t n, mdl_node a, mdl_node b)
{
    mdl_node at = {0, n};
    const size_t count = a.count + b.count;
    while (at.count > count) {
        size_t left = mdl_node_left(at.count);
        if (a.first >= at.first + left) at = (mdl_node){at.first + left, at.count - left};
        else at.count = left;
    }
    return at.count == count && at.first == a.first && count > 1 && mdl_node_left(count) == a.count;
}

static size_t collect(mdl_node at, size_t first, size_t end, mdl_node *nodes, size_t found)
{
    if (at.first >= end || at.first + at.count <= first) return found;
    if (at.first >= first && at.first + at.count <= end) {
        if (nodes) nodes[found] = at;
        return found + 1;
    }
    size_t left = mdl_node_left(at.count);
    found = collect((mdl_node){at.first, left}, first, end, nodes, found);
    return collect((mdl_node){at.first + left, at.count - left}, first, end, nodes, found);
}

size_t mdl_node_forest(size_t n, size_t first, size_t end, mdl_node *nodes)
{
    return first < end ? collect((mdl_node){0, n}, first, end, nodes, 0) : 0;
}
