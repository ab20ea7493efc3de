/* Another library's matrix product, to compare with. */
#ifndef BENCH_MEASURE_PEER_H
#define BENCH_MEASURE_PEER_H

#include <stdbool.h>
#include <stddef.h>

/* C[m,n] = (accumulate ? C : 0) + A B, in rows; a transposed A lies as [k,m], a transposed B as [n,k]. Rows do not
 * overlap. */
typedef struct bench_peer_product {
    size_t m, n, k;
    const float *a;
    size_t lda;
    const float *b;
    size_t ldb;
    bool a_transposed, b_transposed, accumulate;
} bench_peer_product;

/* Whether this build has OpenBLAS. */
bool bench_peer_present(void);

/* OpenBLAS on that many threads from now on. */
void bench_peer_threads(size_t threads);

/* By cblas_sgemm. */
void bench_peer_gemm(const bench_peer_product *p, float *c, size_t ldc);

#endif
