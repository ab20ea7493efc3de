/* Guarded blocks, values and verdicts of the conformance program. */
#include "tests/support/compare.h"
#include "tests/kernels/conformance/conformance.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    SLOT_BYTES = 1 << 24, /* a multiple of every page size in use; only what is touched takes memory */
    GUARD_BYTES = 256,    /* of sentinel on either side: four vectors of the widest kind */
};

/* ---- Memory -------------------------------------------------------------------------------------------------- */

static size_t slot_stride(void)
{
    return SLOT_BYTES + (size_t)sysconf(_SC_PAGESIZE);
}

bool conf_memory_open(conf_run *r)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = page + CONF_BLOCKS * slot_stride();
    unsigned char *memory = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return false;
    r->memory = memory + page;
    for (size_t i = 0; i < CONF_BLOCKS; i++)
        if (mprotect(r->memory + i * slot_stride(), SLOT_BYTES, PROT_READ | PROT_WRITE) != 0) return false;
    return true;
}

/* By address, so that it can be checked without a copy; as a float of either alignment to four bytes a NaN. */
static unsigned char sentinel(const unsigned char *p)
{
    return ((uintptr_t)p & 3u) == 3u ? 0xff : 0xa5;
}

void *conf_place(conf_run *r, size_t rows, size_t n, size_t ld, size_t element_size)
{
    const size_t bytes = rows == 0 || n == 0 ? 0 : ((rows - 1) * ld + n) * element_size;
    if (r->used == CONF_BLOCKS || bytes + 2 * GUARD_BYTES > SLOT_BYTES || n > ld) {
        fprintf(stderr, "conformance: a test asks for too many blocks, or for an impossible one\n");
        abort();
    }
    unsigned char *start = r->memory + r->used * slot_stride(), *end = start + SLOT_BYTES, *data;
    switch (conf_below(r, 3)) {
    case 0: data = end - bytes; break;
    case 1: data = start; break;
    default: data = start + GUARD_BYTES / 2 + conf_below(r, 16) * element_size; break;
    }
    conf_block *b = &r->blocks[r->used++];
    *b = (conf_block){.data = data, .row_bytes = n * element_size, .stride_bytes = ld * element_size};
    b->rows = bytes == 0 ? 0 : rows;
    b->low = data - start < GUARD_BYTES ? start : data - GUARD_BYTES;
    b->high = end - (data + bytes) < GUARD_BYTES ? end : data + bytes + GUARD_BYTES;
    for (unsigned char *p = b->low; p < b->high; p++) *p = sentinel(p);
    return data;
}

static void check_sentinel(conf_run *r, const conf_block *b, const unsigned char *from, const unsigned char *to)
{
    for (const unsigned char *p = from; p < to; p++)
        if (*p != sentinel(p)) {
            conf_fail(r, "wrote outside its operand: at byte %td of a block of %zu rows of %zu bytes, stride %zu",
                      p - b->data, b->rows, b->row_bytes, b->stride_bytes);
            return;
        }
}

bool conf_is_due(size_t mr, size_t m, size_t n, size_t which, size_t count)
{
    return mr <= 32 || which == (7 * m + n) % count;
}

size_t conf_mark(const conf_run *r)
{
    return r->used;
}

void conf_release(conf_run *r, size_t mark)
{
    for (; r->used > mark; r->used--) {
        const conf_block *b = &r->blocks[r->used - 1];
        const unsigned char *end = b->data;
        check_sentinel(r, b, b->low, b->data);
        for (size_t i = 0; i < b->rows; i++) {
            const unsigned char *row = b->data + i * b->stride_bytes;
            check_sentinel(r, b, end, row);
            end = row + b->row_bytes;
        }
        check_sentinel(r, b, end, b->high);
    }
}

float *conf_f32(conf_run *r, size_t rows, size_t n, size_t ld)
{
    return conf_place(r, rows, n, ld, sizeof(float));
}

float *conf_f32_filled(conf_run *r, size_t rows, size_t n, size_t ld, conf_values values)
{
    float *x = conf_f32(r, rows, n, ld);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++) x[i * ld + j] = conf_value(r, values);
    return x;
}

float *conf_f32_copy(conf_run *r, size_t rows, size_t n, size_t ld, const float *from, size_t ldfrom)
{
    float *x = conf_f32(r, rows, n, ld);
    if (n > 0)
        for (size_t i = 0; i < rows; i++) memcpy(x + i * ld, from + i * ldfrom, n * sizeof *x);
    return x;
}

uint32_t *conf_left_panel(conf_run *r, const kern_gemm_blocks *b, size_t rows, size_t k, const uint32_t *x)
{
    if (b->run == 1) return conf_panel(r, b->mr, rows, k, x);
    const size_t runs = (k + b->run - 1) / b->run;
    uint32_t *panel = conf_place(r, runs, b->mr * b->run, b->mr * b->run, sizeof *panel);
    for (size_t p = 0; p < runs * b->run; p++)
        for (size_t i = 0; i < rows; i++)
            panel[(p / b->run * b->mr + i) * b->run + p % b->run] = p < k ? x[i * k + p] : 0;
    return panel;
}

uint32_t *conf_panel(conf_run *r, size_t width, size_t rows, size_t k, const uint32_t *x)
{
    uint32_t *panel = conf_place(r, k, width, width, sizeof *panel);
    for (size_t p = 0; p < k; p++)
        for (size_t i = 0; i < rows; i++) panel[p * width + i] = x[i * k + p];
    return panel;
}

double *conf_f64(conf_run *r, size_t n, const double *from)
{
    double *x = conf_place(r, 1, n, n, sizeof *x);
    for (size_t c = 0; c < n; c++) x[c] = from != NULL ? from[c] : (double)conf_value(r, CONF_NORMAL) / 3.0;
    return x;
}

float *conf_gradient(conf_run *r, size_t rows, size_t n, size_t ld)
{
    const bool zero = conf_below(r, 2) == 0;
    float *x = conf_f32(r, rows, n, ld);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++) x[i * ld + j] = zero ? 0.0f : conf_value(r, CONF_NORMAL);
    return x;
}

/* ---- Values -------------------------------------------------------------------------------------------------- */

/* SplitMix64 (Steele, Lea, Flood 2014). */
uint64_t conf_random(conf_run *r)
{
    uint64_t z = r->rng += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

size_t conf_below(conf_run *r, size_t limit)
{
    return (size_t)(conf_random(r) % limit);
}

float conf_uniform(conf_run *r, float low, float high)
{
    return low + (high - low) * (float)(conf_random(r) >> 40) * 0x1p-24f;
}

static float special_value(conf_run *r)
{
    static const float list[] = {
        0.0f,   -0.0f,   INFINITY, -INFINITY, NAN,    FLT_MAX,  -FLT_MAX,   FLT_MIN,     -FLT_MIN,   1e-45f, -1e-45f,
        1.0f,   -1.0f,   0.5f,     -0.5f,     88.72f, 88.7229f, -87.33654f, -87.3366f,   -103.9f,    -104.1f, 89.0f,
        -88.0f, -89.5f,  9.01f,    -9.01f,    3.0f,   -3.0f,    5.6f,       -5.6f,       -13.0f,     13.0f,   65504.0f,
        65519.f, 65520.f, -1000.0f, 1000.0f,  1e10f,  -1e10f,   0.0625f,    -0.0625f,    6.1e-5f,    2.9e-8f, 2.98e-8f,
    };
    if (conf_below(r, 2) == 0) return list[conf_below(r, sizeof list / sizeof *list)];
    const uint32_t bits = (uint32_t)conf_random(r);
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

float conf_value(conf_run *r, conf_values values)
{
    const float sign = conf_below(r, 2) == 0 ? 1.0f : -1.0f;
    switch (values) {
    case CONF_WIDE: return sign * ldexpf(conf_uniform(r, 1.0f, 2.0f), (int)conf_below(r, 120) - 60);
    case CONF_TINY: return sign * ldexpf((float)conf_below(r, 1u << conf_below(r, 25)), -149);
    case CONF_HUGE: return sign * conf_uniform(r, 0.5f * FLT_MAX, FLT_MAX);
    case CONF_SPECIAL: return special_value(r);
    case CONF_NORMAL:
    case CONF_VALUES_COUNT: break;
    }
    float sum = 0.0f; /* of 12 uniforms: variance 1 */
    for (int i = 0; i < 12; i++) sum += conf_uniform(r, -0.5f, 0.5f);
    return sum;
}

/* ---- Verdicts ------------------------------------------------------------------------------------------------ */

/* FNV-1a over the bits of a result; one NaN is like another. */
static void digest(conf_run *r, double got)
{
    uint64_t bits;
    const double value = isnan(got) ? NAN : got;
    memcpy(&bits, &value, sizeof bits);
    r->digest = (r->digest ^ bits) * 0x100000001b3u;
}

void conf_case(conf_run *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(r->description, sizeof r->description, format, args);
    va_end(args);
    r->cases++;
}

void conf_fail(conf_run *r, const char *format, ...)
{
    if (r->failed) return;
    r->failed = true;
    int length = snprintf(r->message, sizeof r->message, "%s: ", r->description);
    va_list args;
    va_start(args, format);
    vsnprintf(r->message + length, sizeof r->message - (size_t)length, format, args);
    va_end(args);
}

void conf_expect_bits(conf_run *r, const char *what, size_t rows, size_t n, const float *got, size_t ldgot,
                      const float *want, size_t ldwant)
{
    char report[256];
    if (n == 0) return;
    for (size_t i = 0; i < rows; i++) {
        r->compared += n;
        for (size_t j = 0; j < n; j++) digest(r, (double)got[i * ldgot + j]);
        if (!cmp_bits(got + i * ldgot, want + i * ldwant, n, report, sizeof report))
            conf_fail(r, "%s: row %zu: %s", what, i, report);
    }
}

void conf_expect_bits_f64(conf_run *r, const char *what, size_t n, const double *got, const double *want)
{
    for (size_t c = 0; c < n; c++) {
        r->compared++;
        digest(r, got[c]);
        if (memcmp(got + c, want + c, sizeof *got) != 0 && !(isnan(got[c]) && isnan(want[c])))
            conf_fail(r, "%s[%zu]: got %.17g, want %.17g", what, c, got[c], want[c]);
    }
}

void conf_expect_share(conf_run *r, const char *what, size_t i, size_t j, double got, double want, double error)
{
    r->compared++;
    digest(r, got);
    if (isnan(want) && isnan(got)) return;
    if (!(error <= 1.0))
        conf_fail(r, "%s [%zu, %zu]: got %.9g, want %.9g, %.3g times the bound", what, i, j, got, want, error);
    if (error > r->worst) r->worst = error;
}

void conf_expect_bound(conf_run *r, const char *what, size_t i, size_t j, double got, double want, double bound)
{
    double share = 0.0;
    if (got != want) /* an infinite or NaN bound proves nothing: no share but NaN */
        share = isfinite(bound) ? fabs(got - want) / bound : NAN;
    conf_expect_share(r, what, i, j, got, want, share);
}

double conf_sum_error(size_t n)
{
    return ((double)n / 4.0 + 8.0) * CONF_EPS;
}

double conf_exp_error(double distance)
{
    return fabs(distance) * 2.0 * CONF_EPS + 6.0 * CONF_EPS;
}

double conf_gate(size_t dim, const float *w, const float *x, float b, double *error)
{
    double z = b, magnitude = fabs((double)b);
    for (size_t p = 0; p < dim; p++) {
        z += (double)w[p] * (double)x[p];
        magnitude += fabs((double)w[p] * (double)x[p]);
    }
    *error = 0.25 * conf_sum_error(dim) * magnitude + 8.0 * CONF_EPS;
    return 1.0 / (1.0 + exp(-z));
}

/* Results below the smallest normal float may be flushed to zero; one that rounds up to it may as well. */
static double share_ulp(float got, float want, double ulps)
{
    if (got == 0.0f && fabsf(want) <= FLT_MIN) return 0.0;
    return cmp_ulp_distance(got, want) / ulps;
}

double conf_share_exp(float x, float got, float want)
{
    (void)x;
    return share_ulp(got, want, 2.0);
}

double conf_share_tanh(float x, float got, float want)
{
    (void)x;
    return share_ulp(got, want, 4.0);
}

double conf_share_sigmoid(float x, float got, float want)
{
    (void)x;
    return share_ulp(got, want, 4.0);
}

/* Above -2 the bound is relative; a form that loses digits in 1 + erf fails it. Below, x Phi(x) is under 0.05 and
 * falls fast, and what counts is the error beside the layer's other values. */
double conf_share_gelu(float x, float got, float want)
{
    if (got == want) return 0.0;
    const double scale = x > -2.0f ? 0x1p-21 * fabs((double)want) : 0x1p-23 * fabs((double)x);
    return fabs((double)got - (double)want) / (scale + 0x1p-148); /* two subnormal steps near zero */
}
