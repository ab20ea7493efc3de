/* bench gemm: the blocked driver on the matrices of WavLM Base and Large: the forward product, W packed beforehand as
 * at load, and both products of its gradients, operands as they lie. Error against a double sum on a sample of
 * elements. A shape is M x N x K of the forward product, or M x N x K/lda when the rows of A overlap. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/work/lists.h"
#include "bench/measure/error.h"
#include "bench/measure/peer.h"
#include "engine/gemm/gemm.h"

typedef struct gemm_case {
    size_t m, n, k, lda;
} gemm_case;

typedef enum gemm_kind { KIND_NT, KIND_NN, KIND_TN, KINDS } gemm_kind; /* in the order of --kind, whose last is all */
static const char *const kinds[KINDS] = {"nt", "nn", "tn"};

/* Of a layer y[m,n] = x[m,k] W[n,k]^T. */
typedef struct layer_arrays {
    float *x, *w, *y;
} layer_arrays;

/* C[m,n] (+)= A B, in the terms of engine/gemm/gemm.h. */
typedef struct product {
    bench_run *run;
    gemm_case shape; /* of the layer */
    gemm_kind kind;
    size_t m, n, k;
    eng_left a;
    eng_right b;
    const float *b_data; /* also of a B that is packed, whose rows lie as [n,k] */
    size_t ldb;
    bool b_transposed, accumulate;
    float *c;
} product;

/* Attention projections; feed-forward up and down; a convolution of the feature encoder (kernel 3); one group of the
 * positional convolution of Large, whose 128 rows of 64 channels overlap. */
static const gemm_case layers[] = {
    {0, 1024, 1024, 1024}, {0, 4096, 1024, 1024}, {0, 1024, 4096, 4096}, {0, 512, 1536, 1536}, {0, 64, 8192, 64},
};
static const size_t frames[] = {50, 200, 300, 500, 1000, 3000};

/* y = x W^T; dx += dy W; dW += dy^T x: engine/ops/linear.c. */
static product product_of(bench_run *run, gemm_case s, gemm_kind kind, layer_arrays at, const eng_packed *packed,
                          eng_precision precision)
{
    product p = {.run = run, .shape = s, .kind = kind, .accumulate = kind != KIND_NT, .ldb = s.k};
    p.b_transposed = kind == KIND_NT;
    p.b_data = kind == KIND_TN ? at.x : at.w;
    p.c = kind == KIND_NT ? at.y : kind == KIND_NN ? at.x : at.w;
    p.m = kind == KIND_TN ? s.n : s.m;
    p.n = kind == KIND_NT ? s.n : s.k;
    p.k = kind == KIND_NT ? s.k : kind == KIND_NN ? s.n : s.m;
    p.a = kind == KIND_NT ? (eng_left){at.x, s.lda, false} : (eng_left){at.y, s.n, kind == KIND_TN};
    p.b = (eng_right){.n = p.n, .k = p.k, .data = p.b_data, .ld = s.k, .precision = precision};
    if (kind == KIND_NT) p.b = (eng_right){.n = p.n, .k = p.k, .packed = packed};
    return p;
}

static void run_ours(void *arg)
{
    product *p = arg;
    eng_product(&p->run->ctx, p->m, p->a, p->b, p->c, p->n, p->accumulate, NULL);
}

static void run_peer(void *arg)
{
    product *p = arg;
    const bench_peer_product peer = {
        p->m, p->n, p->k, p->a.data, p->a.ld, p->b_data, p->ldb, p->a.transposed, p->b_transposed, p->accumulate};
    bench_peer_gemm(&peer, p->c, p->n);
}

static double sample_error(const product *p)
{
    bench_error error = {0};
    for (size_t q = 0; q < 97; q++) {
        const size_t i = q * 7919 % p->m, j = q * 104729 % p->n;
        double want = 0.0;
        for (size_t d = 0; d < p->k; d++) {
            const float a = p->a.transposed ? p->a.data[d * p->a.ld + i] : p->a.data[i * p->a.ld + d];
            const float b = p->b_transposed ? p->b_data[j * p->ldb + d] : p->b_data[d * p->ldb + j];
            want += (double)a * (double)b;
        }
        bench_error_add(&error, p->c[i * p->n + j], want);
    }
    return bench_error_share(&error);
}

static void measure(product *p, eng_precision precision, const char *engine, bench_fn fn)
{
    const gemm_case s = p->shape;
    char shape[96];
    int at = snprintf(shape, sizeof shape, "%zux%zux%zu", s.m, s.n, s.k);
    if (s.lda != s.k) snprintf(shape + at, sizeof shape - (size_t)at, "/%zu", s.lda);
    bench_result r = {.bench = "gemm", .engine = engine, .shape = shape, .kind = kinds[p->kind], .gbytes_s = NAN};
    r.precision = precision;
    r.threads = p->run->threads;
    r.work_gflop = 2e-9 * (double)s.m * (double)s.n * (double)s.k;
    bench_time(p->run, 3, fn, p, &r);
    /* once more on its own: NaN, that what an earlier run left cannot pass, or zeros to add to */
    memset(p->c, p->accumulate ? 0 : 0xff, p->m * p->n * sizeof *p->c);
    fn(p);
    r.max_error = sample_error(p);
    if (eng_good(&p->run->ctx)) bench_print(p->run, &r);
}

/* The peer has no overlapping rows: it gets them laid out one after the other, which is not timed. */
static void measure_peer(product *p)
{
    if (p->a.transposed || p->a.ld >= p->k) {
        measure(p, ENG_F32, p->run->options->peer, run_peer);
        return;
    }
    product flat = *p;
    float *rows = eng_alloc(p->m * p->k, sizeof *rows);
    if (rows) {
        for (size_t i = 0; i < p->m; i++) memcpy(rows + i * p->k, p->a.data + i * p->a.ld, p->k * sizeof *rows);
        flat.a = (eng_left){rows, p->k, false};
        measure(&flat, ENG_F32, p->run->options->peer, run_peer);
    } else {
        eng_out_of_memory(&p->run->ctx, "a shape of the benchmark", p->m * p->k * sizeof *rows);
    }
    eng_free(rows);
}

static void run_kind(bench_run *run, gemm_case s, gemm_kind kind, layer_arrays at, const eng_packed *packed)
{
    const eng_precision precision = packed->precision;
    if (precision == ENG_INT8 && kind != KIND_NT) {
        if (run->options->kind != KINDS) fprintf(stderr, "bench: gemm: int8 has the forward product alone\n");
        return;
    }
    if (s.lda != s.k && kind != KIND_NT) return; /* overlapping rows: their gradient is no such product */
    product p = product_of(run, s, kind, at, packed, precision);
    bench_fill((s.m - 1) * s.lda + s.k, at.x, 1);
    bench_fill(s.n * s.k, at.w, 2);
    bench_fill(s.m * s.n, at.y, 3);
    measure(&p, precision, "wavlm.c", run_ours);
    if (run->options->peer && precision == ENG_F32) measure_peer(&p);
}

static void run_case(bench_run *run, gemm_case s)
{
    const eng_precision precision =
        run->options->precision == SIZE_MAX ? ENG_F32 : (eng_precision)run->options->precision;
    layer_arrays at;
    eng_packed packed;
    at.x = eng_alloc((s.m - 1) * s.lda + s.k, sizeof *at.x);
    at.w = eng_alloc(s.n * s.k, sizeof *at.w);
    at.y = eng_alloc(s.m * s.n, sizeof *at.y);
    if (!at.x || !at.w || !at.y) {
        eng_out_of_memory(&run->ctx, "a shape of the benchmark", s.n * s.k * sizeof *at.w);
    } else if (eng_packed_new(&run->ctx.k, precision, s.n, s.k, &packed, &run->ctx.error) == ENG_OK) {
        bench_fill(s.n * s.k, at.w, 2);
        if (!eng_packed_fill(&run->ctx.k, eng_pool_scratch(run->ctx.pool, 0), &packed, 0, s.n, at.w, s.k))
            eng_out_of_memory(&run->ctx, "a shape of the benchmark", s.n * s.k * sizeof *at.w);
        for (size_t kind = 0; kind < KINDS && eng_good(&run->ctx); kind++)
            if (run->options->kind == KINDS || run->options->kind == kind)
                run_kind(run, s, (gemm_kind)kind, at, &packed);
        eng_packed_free(&packed);
    }
    eng_free(at.y);
    eng_free(at.w);
    eng_free(at.x);
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
    for (size_t i = 0; i < n && eng_good(&run->ctx); i++) {
        gemm_case s;
        if (!parse_shape(operands[i], &s)) return false;
        run_case(run, s);
    }
    for (size_t l = 0; n == 0 && l < sizeof layers / sizeof *layers; l++)
        for (size_t f = 0; f < sizeof frames / sizeof *frames && eng_good(&run->ctx); f++) {
            gemm_case s = layers[l];
            s.m = frames[f];
            run_case(run, s);
        }
    return true;
}
