/* Another library's matrix product, to compare with. */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdbool.h>
#include <stddef.h>

/* Whether this build has OpenBLAS. */
bool bench_peer_present(void);

/* OpenBLAS on that many threads from now on. */
void bench_peer_threads(size_t threads);

/* C[m,n] = A[m,k] W[n,k]^T by cblas_sgemm; lda >= k. */
void bench_peer_gemm(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *w, float *c);

#endif
