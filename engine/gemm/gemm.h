/* Blocked GEMM: C = act(A * W^T + bias) + residual, with W packed once; and the products of the backward pass, with
 * operands as they lie in memory.
 *
 * W[n,k] is torch's Linear weight (one row per output). A[m,k] is read by rows with any row stride; rows may overlap,
 * which makes a strided 1-D convolution over channels-last data a GEMM without im2col. An element of C depends on its
 * row of A and its row of W alone, not on m, on blocks, nor on threads. In f32 it is one chain of fused multiply-adds
 * over ascending k, with the same bits in every kernel tier.
 *
 * A, C and the epilogue are f32 whatever the precision of the product:
 *   bf16: both operands are rounded to bf16, sums are f32 (kern_table.gemm_bf16); where the CPU has no fast instructions
 *     for it, the rounded operands are widened and multiplied in f32: the same products, in a slightly different order.
 *   int8: W row by row to 8-bit integers, scale max|w| / 127; A likewise as it comes, row by row; sums are integers
 *     (kern_table.gemm_i8), with the same bits in every tier. "Dynamic quantisation" elsewhere. */
#ifndef ENGINE_GEMM_GEMM_H
#define ENGINE_GEMM_GEMM_H

#include "engine/context.h"
#include "engine/gemm/precision.h"

/* A packed weight matrix: panels of nr outputs, each [units][nr] units of four bytes (kernels.h), the last one padded
 * with zeros; int8: also a scale and a correction an output. Owns its storage, unless borrowed says that it lies in
 * memory of someone else's. */
typedef struct eng_packed {
    eng_precision precision;
    size_t n, k, nr, units;
    uint32_t *panels;    /* [panels][units][nr] */
    float *scale;        /* int8: [panels * nr] */
    int32_t *correction; /* int8: [panels * nr] */
    size_t bytes;        /* of all three together, panels first */
    bool borrowed;
} eng_packed;

typedef struct eng_epilogue {
    const float *bias; /* [n] or NULL */
    kern_act act;
    const float *residual; /* [m, n] or NULL; must not overlap C */
    size_t ldr;
} eng_epilogue;

/* Elements of k in a unit: 1, 2, 4. */
size_t eng_precision_group(eng_precision precision);

/* Bytes of W[n,k] packed in panels of nr outputs; false when that is beyond a size_t. */
bool eng_packed_bytes(size_t nr, eng_precision precision, size_t n, size_t depth, size_t *bytes);

/* Whether a weight of that depth can be multiplied with in the precision. Error: int8 and depth > 65536. */
eng_status eng_packed_check(eng_precision precision, size_t n, size_t depth, eng_error *err);

/* Allocates W[n,k] in the layout of k's micro-kernel; the content is set by eng_packed_fill. Free with eng_packed_free.
 * Error: out of memory; eng_packed_check's. */
eng_status eng_packed_new(const kern_table *k, eng_precision precision, size_t n, size_t depth, eng_packed *out,
                          eng_error *err);

/* A weight that passes eng_packed_check, of panels of nr outputs, its eng_packed_bytes at memory, which is aligned to 64 and
 * stays the caller's. It can be multiplied with on kernels whose panels are that wide. */
eng_packed eng_packed_borrow(size_t nr, eng_precision precision, size_t n, size_t depth, void *memory);

void eng_packed_free(eng_packed *p);

/* Packs rows [first, first + count) of W, which lie at w with row stride ldw. first is a multiple of nr; so is count,
 * unless the rows reach to the end. Different row ranges may be packed by different threads. scratch: the thread's.
 * Returns false when out of memory. */
bool eng_packed_fill(const kern_table *k, eng_arena *scratch, eng_packed *p, size_t first, size_t count, const float *w,
                     size_t ldw);

/* Packs rows [first, first + count) of p, a range as above, from a weight of the same shape whose panels may be of another
 * width, and which may lie anywhere: of the same precision, the same numbers in other places; of f32, what eng_packed_fill
 * makes of them. scratch: the thread's. Returns false when out of memory. */
bool eng_packed_move(const kern_table *k, eng_arena *scratch, eng_packed *p, size_t first, size_t count,
                     const eng_packed *from);

/* Left operand A [m,k]: rows of k, row stride ld (rows may overlap); transposed: it lies as [k,m], row stride ld. */
typedef struct eng_left {
    const float *data;
    size_t ld;
    bool transposed;
} eng_left;

/* Right operand B [k,n]: packed, in the precision that it was packed for; or as it lies, row stride ld, and then packed
 * first, a slice of its depth at a time, for a product in f32 or bf16; transposed: it lies as [n,k], as a Linear's weight does. */
typedef struct eng_right {
    size_t n, k;
    const eng_packed *packed;
    const float *data;
    size_t ld;
    bool transposed;
    eng_precision precision; /* of the product, where packed is NULL */
} eng_right;

/* Packs b, which is not packed, in ctx->arena for all products until it is rewound. */
void eng_pack(eng_context *ctx, eng_right b, eng_packed *out);

/* C[m,n] = act((accumulate ? C : 0) + A B + bias) + residual, on all threads of ctx. e may be NULL: nothing. int8:
 * neither accumulates nor takes a transposed A. */
void eng_product(eng_context *ctx, size_t m, eng_left a, eng_right b, float *c, size_t ldc, bool accumulate,
                 const eng_epilogue *e);

/* The same on the calling thread, with its scratch arena: for use inside a task. Returns false when out of memory. */
bool eng_product_serial(const kern_table *k, eng_arena *scratch, size_t m, eng_left a, eng_right b, float *c,
                        size_t ldc, bool accumulate, const eng_epilogue *e);

/* C[m,n] = act(A W^T + bias) + residual. */
void eng_gemm(eng_context *ctx, size_t m, const float *a, size_t lda, const eng_packed *w, float *c, size_t ldc,
              const eng_epilogue *e);
bool eng_gemm_serial(const kern_table *k, eng_arena *scratch, size_t m, const float *a, size_t lda, const eng_packed *w,
                     float *c, size_t ldc, const eng_epilogue *e);

#endif
