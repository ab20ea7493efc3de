#include "bench/measure/peer.h"

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

void bench_peer_gemm(const bench_peer_product *p, float *c, size_t ldc)
{
    cblas_sgemm(CblasRowMajor, p->a_transposed ? CblasTrans : CblasNoTrans, p->b_transposed ? CblasTrans : CblasNoTrans,
                (blasint)p->m, (blasint)p->n, (blasint)p->k, 1.0f, p->a, (blasint)p->lda, p->b, (blasint)p->ldb,
                p->accumulate ? 1.0f : 0.0f, c, (blasint)ldc);
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

void bench_peer_gemm(const bench_peer_product *p, float *c, size_t ldc)
{
    (void)p, (void)c, (void)ldc;
}
#endif
