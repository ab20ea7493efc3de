/* The order in which the gradients of a step's shards are added: one binary tree over shards 0 .. n - 1, so that the sum
 * has the same bits wherever the shards were computed.
 *
 * A node is a run of shards [first, first + count). One of more than one shard is the sum of two: the left one has as many
 * shards as the largest power of two below count, the right one the rest (RFC 6962's Merkle trees are cut so). A shard
 * without an utterance is absent, and so is a node of absent shards; a node with one absent child is the other child. */
#ifndef MODEL_TRAINING_SHARD_TREE_H
#define MODEL_TRAINING_SHARD_TREE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct mdl_node {
    size_t first, count;
} mdl_node;

/* How many shards the left child of a node of count > 1 has. */
size_t mdl_node_left(size_t count);

/* Whether the runs a and b, b right behind a, are the two children of a node of the tree over n shards. */
bool mdl_node_siblings(size_t n, mdl_node a, mdl_node b);

/* The largest nodes of the tree over n shards that lie in [first, end), from left to right: nodes gets them where it is not
 * NULL. Returns how many there are, at most MDL_FOREST_MOST. */
enum { MDL_FOREST_MOST = 128 };
size_t mdl_node_forest(size_t n, size_t first, size_t end, mdl_node *nodes);

#endif
