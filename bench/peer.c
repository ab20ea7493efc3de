#include "bench/peer.h"

#ifdef BENCH_HAVE_OPENBLAS
#include <cblas.h>

bool bench_peer_present(void)
{
    return true;
}

void bench_peer_threads(size_t threads)
{
    openblas_set_num_threads((int)threads);
}

void bench_peer_gemm(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *w, float *c)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)m, (blasint)n, (blasint)k, 1.0f, a, (blasint)lda, w,
                (blasint)k, 0.0f, c, (blasint)n);
}
#else
bool bench_peer_present(void)
{
    return false;
}

void bench_peer_threads(size_t threads)
{
    (void)threads;
}

void bench_peer_gemm(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *w, float *c)
{
    (void)m, (void)n, (void)k, (void)a, (void)lda, (void)w, (void)c;
}
#endif
