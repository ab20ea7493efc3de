/* Blocked GEMM: C = act(A * W^T + bias) + residual, with W packed once; and the products of the backward pass, with
 * operands as they lie in memory.
 *
 * W[n,k] is torch's Linear weight (one row per output). A[m,k] is read by rows with any row stride; rows may overlap,
 * which makes a strided 1-D convolution over channels-last data a GEMM without im2col. Each element of C is one chain of
 * fused multiply-adds over ascending k: its bits depend on its row of A and its row of W alone, not on m, on blocks, on
 * threads, nor on the kernel tier. */
#ifndef ENGINE_GEMM_H
#define ENGINE_GEMM_H

#include "engine/context.h"

/* A packed weight matrix: panels of nr outputs, each [k][nr], the last one padded with zeros. Owns its storage. */
typedef struct eng_packed {
    float *panels;
    size_t n, k, nr;
    size_t bytes;
} eng_packed;

typedef struct eng_epilogue {
    const float *bias; /* [n] or NULL */
    kern_act act;
    const float *residual; /* [m, n] or NULL; must not overlap C */
    size_t ldr;
} eng_epilogue;

/* Allocates panels for W[n,k] in the layout of k's micro-kernel; the content is set by eng_packed_fill. Free with
 * eng_packed_free. Error: out of memory. */
eng_status eng_packed_new(const kern_table *k, size_t n, size_t depth, eng_packed *out, eng_error *err);
void eng_packed_free(eng_packed *p);

/* Packs rows [first, first + count) of W, which lie at w with row stride ldw. first is a multiple of nr; so is count,
 * unless the rows reach to the end. Different row ranges may be packed by different threads. */
void eng_packed_fill(const kern_table *k, eng_packed *p, size_t first, size_t count, const float *w, size_t ldw);

/* Left operand A [m,k]: rows of k, row stride ld (rows may overlap); transposed: it lies as [k,m], row stride ld. */
typedef struct eng_left {
    const float *data;
    size_t ld;
    bool transposed;
} eng_left;

/* Right operand B [k,n]: packed; or as it lies, row stride ld, and then packed block by block on the way; transposed: it
 * lies as [n,k], as a Linear's weight does. */
typedef struct eng_right {
    size_t n, k;
    const eng_packed *packed;
    const float *data;
    size_t ld;
    bool transposed;
} eng_right;

/* C[m,n] = act((accumulate ? C : 0) + A B + bias) + residual, on all threads of ctx. e may be NULL: nothing. */
void eng_product(eng_context *ctx, size_t m, eng_left a, eng_right b, float *c, size_t ldc, bool accumulate,
                 const eng_epilogue *e);

/* The same on the calling thread, with its scratch arena: for use inside a task. Returns false when out of memory. */
bool eng_product_serial(const kern_table *k, eng_arena *scratch, size_t m, eng_left a, eng_right b, float *c, size_t ldc,
                        bool accumulate, const eng_epilogue *e);

/* C[m,n] = act(A W^T + bias) + residual. */
void eng_gemm(eng_context *ctx, size_t m, const float *a, size_t lda, const eng_packed *w, float *c, size_t ldc,
              const eng_epilogue *e);
bool eng_gemm_serial(const kern_table *k, eng_arena *scratch, size_t m, const float *a, size_t lda,
                     const eng_packed *w, float *c, size_t ldc, const eng_epilogue *e);

#endif
