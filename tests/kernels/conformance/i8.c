/* Conformance of the 8-bit kernels: the product of quantised panels, quantisation, and the largest magnitude. */
#include "tests/kernels/conformance/conformance.h"

#include <math.h>
#include <string.h>

enum { TAILS = 68 };

/* ---- The product ---------------------------------------------------------------------------------------------- */

/* A's bytes are never 0. EXTREMES: they are 1 or 255 and those of B -128, -127 or 127, where sums of 16 bits would
 * saturate; LARGEST and SMALLEST: all 255 times all 127 or all -127, where the sum grows fastest. */
typedef enum byte_values { BYTES_ANY, BYTES_EXTREMES, BYTES_LARGEST, BYTES_SMALLEST, BYTES_COUNT } byte_values;

static uint8_t operand_byte(conf_run *r, byte_values values, bool is_b)
{
    static const int8_t edge[3] = {-128, -127, 127};
    switch (values) {
    case BYTES_EXTREMES: return is_b ? (uint8_t)edge[conf_below(r, 3)] : conf_below(r, 2) == 0 ? 1 : 255;
    case BYTES_LARGEST: return is_b ? 127 : 255;
    case BYTES_SMALLEST: return is_b ? (uint8_t)-127 : 255;
    case BYTES_ANY:
    case BYTES_COUNT: break;
    }
    return (uint8_t)(is_b ? conf_below(r, 256) : 1 + conf_below(r, 255));
}

static uint32_t *units_of(conf_run *r, size_t count, byte_values values, bool is_b)
{
    uint32_t *x = conf_place(r, 1, count, count, sizeof *x);
    for (size_t i = 0; i < count; i++) {
        x[i] = 0;
        for (unsigned byte = 0; byte < 4; byte++) x[i] |= (uint32_t)operand_byte(r, values, is_b) << 8 * byte;
    }
    return x;
}

static int32_t *corrections(conf_run *r, size_t n, size_t k, const uint32_t *b)
{
    int32_t *correction = conf_place(r, 1, n, n, sizeof *correction);
    for (size_t j = 0; j < n; j++) {
        int32_t sum = 0;
        for (size_t p = 0; p < k; p++)
            for (unsigned byte = 0; byte < 4; byte++) sum += (int8_t)(b[j * k + p] >> 8 * byte);
        correction[j] = -128 * sum;
    }
    return correction;
}

/* The reference takes tiles of its own size, from panels of its own. a [m][k] and b [n][k] in units. */
static void reference(conf_run *r, size_t m, size_t n, size_t k, const uint32_t *a, const uint32_t *b,
                      const int32_t *correction, const float *row_scale, const float *column_scale, float *c,
                      size_t ldc)
{
    const size_t mr = r->ref->i8_blocks.mr, nr = r->ref->i8_blocks.nr;
    for (size_t i = 0; i < m; i += mr)
        for (size_t j = 0; j < n; j += nr) {
            const size_t mark = conf_mark(r), rows = m - i < mr ? m - i : mr, columns = n - j < nr ? n - j : nr;
            const uint32_t *pa = conf_panel(r, mr, rows, k, a + i * k);
            const uint32_t *pb = conf_panel(r, nr, columns, k, b + j * k);
            r->ref->gemm_i8(rows, columns, k, pa, mr, pb, nr, correction + j, row_scale + i, column_scale + j,
                            c + i * ldc + j, ldc, NULL);
            conf_release(r, mark);
        }
}

static void gemm_case(conf_run *r, size_t m, size_t n, size_t k, byte_values values, conf_values scales)
{
    const size_t mark = conf_mark(r), mr = r->sut->i8_blocks.mr, nr = r->sut->i8_blocks.nr;
    const size_t ldc = n + conf_below(r, 2) * 7;
    conf_case(r, "m %zu n %zu k %zu ldc %zu bytes %d scales %d", m, n, k, ldc, (int)values, (int)scales);
    const uint32_t *a = units_of(r, m * k, values, false), *b = units_of(r, n * k, values, true);
    const uint32_t *pa = conf_left_panel(r, &r->sut->i8_blocks, m, k, a), *pb = conf_panel(r, nr, n, k, b);
    const int32_t *correction = corrections(r, n, k, b);
    const float *row_scale = conf_f32_filled(r, 1, m, m, scales), *column_scale = conf_f32_filled(r, 1, n, n, scales);
    float *want = conf_f32(r, m, n, ldc), *got = conf_f32(r, m, n, ldc);
    reference(r, m, n, k, a, b, correction, row_scale, column_scale, want, ldc);
    const kern_ahead ahead = {want, 64};
    r->sut->gemm_i8(m, n, k, pa, mr, pb, nr, correction, row_scale, column_scale, got, ldc,
                    conf_below(r, 2) == 0 ? &ahead : NULL);
    conf_expect_bits(r, "c", m, n, got, ldc, want, ldc);
    conf_release(r, mark);
}

/* What large tiles are split at, at every depth of more than a run. */
static void large_tiles(conf_run *r)
{
    static const size_t depths[] = {15, 16, 17, 32, 131}, rows[] = {32, 33, 64, 96, 127, 128}, columns[] = {32, 33, 63, 64};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t j = 0; j < sizeof columns / sizeof *columns; j++)
            for (size_t d = 0; d < sizeof depths / sizeof *depths && !r->failed; d++) {
                if (rows[i] > r->sut->i8_blocks.mr || columns[j] > r->sut->i8_blocks.nr) continue;
                gemm_case(r, rows[i], columns[j], depths[d], (byte_values)conf_below(r, BYTES_COUNT), CONF_NORMAL);
            }
}

void conf_gemm_i8(conf_run *r)
{
    static const size_t depths[] = {0, 1, 2, 3, 4, 5, 8, 11, 16, 131};
    enum { DEEPEST = 16384, DEPTHS = sizeof depths / sizeof *depths };
    const size_t mr = r->sut->i8_blocks.mr, nr = r->sut->i8_blocks.nr;
    for (size_t m = 0; m <= mr; m++)
        for (size_t n = 0; n <= nr; n++)
            for (size_t d = 0; d < DEPTHS && !r->failed; d++) {
                if (!conf_is_due(mr, m, n, d, DEPTHS)) continue;
                if (depths[d] == 131 && mr <= 32 && conf_below(r, 4) != 0) continue;
                const byte_values values = (byte_values)conf_below(r, BYTES_COUNT);
                gemm_case(r, m, n, depths[d], values, conf_below(r, 4) == 0 ? CONF_SPECIAL : CONF_NORMAL);
            }
    large_tiles(r);
    for (int values = 0; values < BYTES_COUNT && !r->failed; values++)
        gemm_case(r, mr < 32 ? mr : 32, nr, DEEPEST, (byte_values)values, CONF_NORMAL);
}

/* ---- Quantisation ---------------------------------------------------------------------------------------------- */

static void quantise_case(conf_run *r, size_t n, const float *values, float inverse_scale)
{
    const size_t mark = conf_mark(r);
    conf_case(r, "n %zu inverse scale %.9g", n, inverse_scale);
    const float *x = conf_f32_copy(r, 1, n, n, values, n);
    uint8_t *want = conf_place(r, 1, n, n, sizeof *want), *got = conf_place(r, 1, n, n, sizeof *got);
    r->ref->quantise_u8(n, x, inverse_scale, want);
    r->sut->quantise_u8(n, x, inverse_scale, got);
    for (size_t i = 0; i < n; i++)
        if (got[i] != want[i]) conf_fail(r, "[%zu] of %.9g: got %d, want %d", i, x[i], got[i], want[i]);
    r->compared += n;
    conf_release(r, mark);
}

/* Every length with every kind of value; then whole and half numbers of steps and their neighbours. */
void conf_quantise_u8(conf_run *r)
{
    enum { STEPS = 4 * 131 + 1, LONG = 1031 };
    static const float scales[] = {1.0f, 0.25f, 31.75f, 0x1p-130f, 0x1p127f, 0.0f, INFINITY, NAN, -3.0f};
    float x[LONG];
    for (size_t n = 0; n < 4 * TAILS; n++)
        for (size_t v = 0; v < CONF_VALUES_COUNT && !r->failed; v++) {
            const size_t length = n % 31 == 30 ? LONG : n;
            for (size_t i = 0; i < length; i++) x[i] = conf_value(r, (conf_values)v);
            quantise_case(r, length, x, scales[conf_below(r, sizeof scales / sizeof *scales)]);
            quantise_case(r, length, x, conf_uniform(r, 1.0f, 100.0f));
        }
    for (int neighbour = -1; neighbour <= 1; neighbour++)
        for (size_t s = 0; s < 3 && !r->failed; s++) {
            for (int i = 0; i < STEPS; i++) {
                x[i] = (0.5f * (float)i - 131.0f) / scales[s];
                if (neighbour != 0) x[i] = nextafterf(x[i], neighbour < 0 ? -INFINITY : INFINITY);
            }
            quantise_case(r, STEPS, x, scales[s]);
        }
}

/* ---- The largest magnitude ------------------------------------------------------------------------------------- */

static void absmax_case(conf_run *r, size_t n, const float *values)
{
    const size_t mark = conf_mark(r);
    conf_case(r, "n %zu", n);
    const float *x = conf_f32_copy(r, 1, n, n, values, n);
    const float want = r->ref->absmax_f32(n, x), got = r->sut->absmax_f32(n, x);
    conf_expect_bits(r, "max", 1, 1, &got, 1, &want, 1);
    conf_release(r, mark);
}

/* Every length with every kind of value, and the largest, or NaN, in every place. */
void conf_absmax_f32(conf_run *r)
{
    enum { MOST = 4 * TAILS };
    float x[MOST];
    for (size_t n = 0; n < MOST && !r->failed; n++) {
        for (size_t v = 0; v < CONF_VALUES_COUNT; v++) {
            for (size_t i = 0; i < n; i++) x[i] = conf_value(r, (conf_values)v);
            absmax_case(r, n, x);
        }
        for (size_t i = 0; i < n; i++) x[i] = conf_uniform(r, -1.0f, 1.0f);
        for (size_t i = 0; i < n; i++) {
            static const float top[] = {2.0f, -2.0f, INFINITY, NAN};
            const float before = x[i];
            x[i] = top[conf_below(r, 4)];
            absmax_case(r, n, x);
            x[i] = before;
        }
    }
}
