/* bench gemm: the blocked driver on the matrices of WavLM Base and Large, W packed beforehand as at load. Error against
 * a double sum on a sample of elements. A shape is M x N x K, or M x N x K/lda when the rows of A overlap. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/peer.h"
#include "engine/gemm.h"

typedef struct gemm_case {
    size_t m, n, k, lda;
} gemm_case;

typedef struct gemm_data {
    bench_run *run;
    gemm_case shape;
    float *a, *w, *c;
    eng_packed packed;
} gemm_data;

/* Attention projections; feed-forward up and down; a convolution of the feature encoder (kernel 3); one group of the
 * positional convolution of Large, whose 128 rows of 64 channels overlap. */
static const gemm_case layers[] = {
    {0, 1024, 1024, 1024}, {0, 4096, 1024, 1024}, {0, 1024, 4096, 4096}, {0, 512, 1536, 1536}, {0, 64, 8192, 64},
};
static const size_t frames[] = {50, 200, 300, 500, 1000, 3000};

static void run_ours(void *arg)
{
    gemm_data *d = arg;
    const eng_epilogue none = {0};
    eng_gemm(&d->run->ctx, d->shape.m, d->a, d->shape.lda, &d->packed, d->c, d->shape.n, &none);
}

static void run_peer(void *arg)
{
    gemm_data *d = arg;
    bench_peer_gemm(d->shape.m, d->shape.n, d->shape.k, d->a, d->shape.lda, d->w, d->c);
}

static double sample_error(const gemm_data *d)
{
    const gemm_case s = d->shape;
    double worst = 0.0, largest = 0.0;
    for (size_t q = 0; q < 97; q++) {
        const size_t i = q * 7919 % s.m, j = q * 104729 % s.n;
        double want = 0.0;
        for (size_t p = 0; p < s.k; p++) want += (double)d->a[i * s.lda + p] * (double)d->w[j * s.k + p];
        const double error = fabs(d->c[i * s.n + j] - want);
        if (!(error <= worst)) worst = error;
        largest = fmax(largest, fabs(want));
    }
    return worst / largest;
}

static void measure(gemm_data *d, const char *engine, bench_fn fn)
{
    const gemm_case s = d->shape;
    char shape[96];
    int at = snprintf(shape, sizeof shape, "%zux%zux%zu", s.m, s.n, s.k);
    if (s.lda != s.k) snprintf(shape + at, sizeof shape - (size_t)at, "/%zu", s.lda);
    bench_result r = {.bench = "gemm", .engine = engine, .shape = shape, .gbytes_s = NAN, .threads = d->run->threads};
    memset(d->c, 0xff, s.m * s.n * sizeof *d->c); /* NaN: what an earlier run left cannot pass */
    bench_time(d->run, true, fn, d, &r);
    r.gflops = 2.0 * (double)s.m * (double)s.n * (double)s.k / r.time_s * 1e-9;
    r.max_error = sample_error(d);
    bench_print(d->run, &r);
}

/* The peer has no overlapping rows: it gets them laid out one after the other, which is not timed. */
static void measure_peer(gemm_data *d)
{
    if (d->shape.lda >= d->shape.k) {
        measure(d, d->run->options->peer, run_peer);
        return;
    }
    gemm_data flat = *d;
    const size_t k = d->shape.k;
    flat.shape.lda = k;
    flat.a = eng_alloc(d->shape.m * k, sizeof *flat.a);
    if (flat.a) {
        for (size_t i = 0; i < d->shape.m; i++) memcpy(flat.a + i * k, d->a + i * d->shape.lda, k * sizeof *flat.a);
        measure(&flat, d->run->options->peer, run_peer);
    }
    eng_free(flat.a);
}

static void run_case(bench_run *run, gemm_case s)
{
    gemm_data d = {.run = run, .shape = s};
    const size_t a_count = (s.m - 1) * s.lda + s.k;
    d.a = eng_alloc(a_count, sizeof *d.a);
    d.w = eng_alloc(s.n * s.k, sizeof *d.w);
    d.c = eng_alloc(s.m * s.n, sizeof *d.c);
    if (!d.a || !d.w || !d.c) {
        eng_out_of_memory(&run->ctx, "a shape of the benchmark", s.n * s.k * sizeof *d.w);
    } else if (eng_packed_new(&run->ctx.k, ENG_F32, s.n, s.k, &d.packed, &run->ctx.error) == ENG_OK) {
        bench_fill(a_count, d.a, 1);
        bench_fill(s.n * s.k, d.w, 2);
        if (eng_packed_fill(&run->ctx.k, eng_pool_scratch(run->ctx.pool, 0), &d.packed, 0, s.n, d.w, s.k)) {
            measure(&d, "wavlm.c", run_ours);
            if (run->options->peer) measure_peer(&d);
        } else {
            eng_out_of_memory(&run->ctx, "a shape of the benchmark", s.n * s.k * sizeof *d.w);
        }
        eng_packed_free(&d.packed);
    }
    eng_free(d.c);
    eng_free(d.w);
    eng_free(d.a);
}

/* MxNxK or MxNxK/LDA; each at least 1 and small enough that no product overflows. */
static bool parse_shape(const char *text, gemm_case *s)
{
    size_t value[4] = {0};
    const char *divider = "xx/", *at = text;
    size_t n = 0;
    for (; n < 4; n++) {
        char *end;
        if (*at < '0' || *at > '9') break;
        unsigned long long v = strtoull(at, &end, 10);
        if (v == 0 || v > 1u << 20) break;
        value[n] = (size_t)v;
        at = end;
        if (n == 3 || *at != divider[n]) {
            n++;
            break;
        }
        at++;
    }
    if (n < 3 || *at != '\0') {
        fprintf(stderr, "bench: gemm: expected MxNxK or MxNxK/LDA, found %s\n", text);
        return false;
    }
    *s = (gemm_case){value[0], value[1], value[2], n == 4 ? value[3] : value[2]};
    return true;
}

bool bench_gemm(bench_run *run, size_t n, char **operands)
{
    if (run->options->peer && !bench_peer_present()) {
        fprintf(stderr, "bench: this build has no %s\n", run->options->peer);
        return false;
    }
    bench_peer_threads(run->threads);
    for (size_t i = 0; i < n; i++) {
        gemm_case s;
        if (!parse_shape(operands[i], &s)) return false;
        run_case(run, s);
    }
    for (size_t l = 0; n == 0 && l < sizeof layers / sizeof *layers; l++)
        for (size_t f = 0; f < sizeof frames / sizeof *frames; f++) {
            gemm_case s = layers[l];
            s.m = frames[f];
            run_case(run, s);
        }
    return true;
}
