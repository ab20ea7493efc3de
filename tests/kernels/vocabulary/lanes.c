/* The conformance test of the vocabulary (kernels/vector/vector.h): every function, lane by lane and bit by bit,
 * against its meaning in plain C. Compiled once a tier, with that tier's flags; main.c runs the copies.
 *
 * Most functions are rows of a table, one table a shape of function. Vectors come from memory and go there by the
 * vocabulary's own loads and stores, which memory.c tests. */
#include "tests/kernels/vocabulary/vocabulary.h"
#include "kernels/vector/vector.h"

#ifdef VOCABULARY_BROKEN
#include "tests/kernels/vocabulary/broken.h"
#endif

enum { ROUNDS = 2000 };

/* Triples for a b + c, sixteen at a time, half of them hostile. Without an instruction for it f32x16_fma, on which the
 * others then stand, is the longest function of all. */
enum { TRIPLES = 1 << 15 };
#if defined(__FP_FAST_FMAF) || defined(__FMA__)
enum { TRIPLES_OF_FMA = TRIPLES };
#else
enum { TRIPLES_OF_FMA = 3 << 19 };
#endif

/* ---- Functions of floats ---------------------------------------------------------------------------------------- */

typedef struct float_row {
    const char *name;
    f32x16 (*one)(f32x16), (*two)(f32x16, f32x16), (*three)(f32x16, f32x16, f32x16); /* one of them */
    float (*want)(float a, float b, float c);
    voc_format format;
} float_row;

static f32x16 absolute_with_sign(f32x16 a, f32x16 b) { return f32x16_with_sign(f32x16_abs(a), b); }
static f32x16 floats_by_bits(f32x16 v) { return f32x16_of_bits(i32x16_bits(v)); }

static const float_row float_rows[] = {
    {"f32x16_add", .two = f32x16_add, .want = voc_add, .format = VOC_F32},
    {"f32x16_sub", .two = f32x16_sub, .want = voc_sub, .format = VOC_F32},
    {"f32x16_mul", .two = f32x16_mul, .want = voc_mul, .format = VOC_F32},
    {"f32x16_div", .two = f32x16_div, .want = voc_div, .format = VOC_F32},
    {"f32x16_sqrt", .one = f32x16_sqrt, .want = voc_sqrt, .format = VOC_F32},
    {"f32x16_fma", .three = f32x16_fma, .want = voc_fma, .format = VOC_F32},
    {"f32x16_fms", .three = f32x16_fms, .want = voc_fms, .format = VOC_F32},
    {"f32x16_fnma", .three = f32x16_fnma, .want = voc_fnma, .format = VOC_F32},
    {"f32x16_min", .two = f32x16_min, .want = voc_min, .format = VOC_BITS},
    {"f32x16_max", .two = f32x16_max, .want = voc_max, .format = VOC_BITS},
    {"f32x16_abs", .one = f32x16_abs, .want = voc_abs, .format = VOC_BITS},
    {"f32x16_with_sign", .two = absolute_with_sign, .want = voc_absolute_with_sign, .format = VOC_BITS},
    {"f32x16_of_bits", .one = floats_by_bits, .want = voc_same, .format = VOC_BITS},
};

/* Pairs of hostile floats, some of them equal or each other's negative. */
static void pairs(voc_run *r, float *a, float *b)
{
    voc_floats(r, a, 16);
    voc_floats(r, b, 16);
    for (size_t i = 0; i < 16; i++) {
        const size_t kind = voc_below(r, 8);
        if (kind < 2) b[i] = voc_of_bits(voc_bits(a[i]) ^ (kind == 0 ? 0x80000000u : 0));
    }
}

static void test_floats(voc_run *r, const void *entry)
{
    const float_row *row = entry;
    const size_t operands = row->one ? 1 : row->two ? 2 : 3;
    const size_t rounds = !row->three ? ROUNDS : row->want == voc_fma ? TRIPLES_OF_FMA : TRIPLES;
    for (size_t round = 0; round < rounds; round++) {
        float a[16], b[16], c[16] = {0}, y[16];
        if (row->three)
            voc_triples(r, a, b, c);
        else
            pairs(r, a, b);
        const f32x16 va = f32x16_load(a), vb = f32x16_load(b);
        f32x16_store(y, row->one ? row->one(va) : row->two ? row->two(va, vb) : row->three(va, vb, f32x16_load(c)));
        for (size_t i = 0; i < 16; i++) {
            const uint64_t inputs[3] = {voc_bits(a[i]), voc_bits(b[i]), voc_bits(c[i])};
            voc_expect(r, row->format, i, voc_bits(y[i]), voc_bits(row->want(a[i], b[i], c[i])), inputs, operands);
        }
        if (r->wrong > 0) return;
    }
}

/* Functions from all lanes to one number. */
typedef struct fold_row {
    const char *name;
    float (*call)(f32x16);
    float (*want)(const float *x);
    voc_format format;
} fold_row;

static const fold_row fold_rows[] = {
    {"f32x16_sum", f32x16_sum, voc_sum16, VOC_F32},
    {"f32x16_top", f32x16_top, voc_top16, VOC_BITS},
    {"f32x16_lane0", f32x16_lane0, voc_first16, VOC_BITS},
};

static void test_fold(voc_run *r, const void *entry)
{
    const fold_row *row = entry;
    for (size_t round = 0; round < ROUNDS; round++) {
        float x[16];
        voc_floats(r, x, 16);
        voc_expect(r, row->format, 0, voc_bits(row->call(f32x16_load(x))), voc_bits(row->want(x)), NULL, 0);
    }
}

static void test_set1_f32(voc_run *r, const void *entry)
{
    (void)entry;
    for (size_t round = 0; round < ROUNDS; round++) {
        const float x = voc_float(r);
        const uint64_t bits = voc_bits(x);
        float y[16];
        f32x16_store(y, f32x16_set1(x));
        for (size_t i = 0; i < 16; i++) voc_expect(r, VOC_BITS, i, voc_bits(y[i]), bits, &bits, 1);
    }
}

static void test_first(voc_run *r, const void *entry)
{
    (void)entry;
    for (size_t round = 0; round < ROUNDS; round++) {
        const size_t n = voc_count(round % VOC_COUNTS);
        float x[16], y[16];
        voc_floats(r, x, 16);
        f32x16_store(y, f32x16_first(n, f32x16_load(x)));
        for (size_t i = 0; i < 16; i++) {
            const uint64_t inputs[2] = {n, voc_bits(x[i])};
            voc_expect(r, VOC_BITS, i, voc_bits(y[i]), i < n ? voc_bits(x[i]) : 0, inputs, 2);
        }
    }
}

static void test_lookup8(voc_run *r, const void *entry)
{
    (void)entry;
    for (size_t round = 0; round < ROUNDS; round++) {
        float *table = voc_place(r->in, 8 * sizeof *table, round % 3 * 4, round & 1), t[8], y[16];
        uint32_t index[16];
        voc_floats(r, t, 8);
        memcpy(table, t, sizeof t);
        voc_integers(r, index, 16);
        f32x16_store(y, f32x16_lookup8(table, i32x16_load(index)));
        for (size_t i = 0; i < 16; i++) {
            const uint64_t input = index[i];
            voc_expect(r, VOC_BITS, i, voc_bits(y[i]), voc_bits(t[index[i] & 7]), &input, 1);
        }
    }
}

/* ---- Masks ------------------------------------------------------------------------------------------------------ */

/* Holds m to want, in all the ways to look at a mask. */
static void expect_mask(voc_run *r, mask16 m, const bool *want, const float *a, const float *b)
{
    uint32_t y[16];
    float kept[16];
    bool any = false;
    i32x16_store(y, i32x16_select(m, i32x16_set1(1), i32x16_set1(0)));
    f32x16_store(kept, f32x16_keep(m, f32x16_set1(1.0f)));
    for (size_t i = 0; i < 16; i++) {
        const uint64_t inputs[2] = {voc_bits(a[i]), voc_bits(b[i])};
        voc_expect(r, VOC_BITS, i, y[i], want[i], inputs, 2);
        voc_expect(r, VOC_BITS, i, voc_bits(kept[i]), want[i] ? 0x3f800000u : 0, inputs, 2);
        any |= want[i];
    }
    voc_expect(r, VOC_BITS, 0, mask16_any(m), any, NULL, 0);
}

typedef struct mask_row {
    const char *name;
    mask16 (*one)(f32x16), (*two)(f32x16, f32x16);
    bool (*want)(float a, float b);
} mask_row;

static const mask_row mask_rows[] = {
    {"f32x16_less", .two = f32x16_less, .want = voc_less},
    {"f32x16_greater", .two = f32x16_greater, .want = voc_greater},
    {"f32x16_not_less", .two = f32x16_not_less, .want = voc_not_less},
    {"f32x16_is_nan", .one = f32x16_is_nan, .want = voc_is_nan},
    {"f32x16_negative", .one = f32x16_negative, .want = voc_negative},
};

static void test_mask(voc_run *r, const void *entry)
{
    const mask_row *row = entry;
    for (size_t round = 0; round < ROUNDS; round++) {
        float a[16], b[16];
        bool want[16];
        pairs(r, a, b);
        const f32x16 va = f32x16_load(a), vb = f32x16_load(b);
        for (size_t i = 0; i < 16; i++) want[i] = row->want(a[i], b[i]);
        expect_mask(r, row->one ? row->one(va) : row->two(va, vb), want, a, b);
    }
}

/* A random mask, often of few lanes or of all but few, and the same in want. */
static mask16 random_mask(voc_run *r, bool *want)
{
    const uint64_t bits = voc_random(r);
    const uint32_t one = 1u << (bits >> 32 & 15), picks[4] = {(uint32_t)bits, one, ~one, 0}, pick = picks[bits >> 62];
    float x[16];
    for (size_t i = 0; i < 16; i++) {
        want[i] = pick >> i & 1;
        x[i] = want[i] ? -1.0f : 1.0f;
    }
    return bits >> 40 & 1 ? f32x16_negative(f32x16_load(x)) : f32x16_less(f32x16_load(x), f32x16_set1(0.0f));
}

static void test_mask_first(voc_run *r, const void *entry)
{
    static const float none[16];
    (void)entry;
    for (size_t at = 0; at < VOC_COUNTS; at++) {
        const size_t n = voc_count(at);
        bool want[16];
        for (size_t i = 0; i < 16; i++) want[i] = i < n;
        expect_mask(r, mask16_first(n), want, none, none);
    }
}

static void test_mask_or(voc_run *r, const void *entry)
{
    static const float none[16];
    (void)entry;
    for (size_t round = 0; round < ROUNDS; round++) {
        bool a[16], b[16];
        const mask16 ma = random_mask(r, a), mb = random_mask(r, b);
        for (size_t i = 0; i < 16; i++) a[i] |= b[i];
        expect_mask(r, mask16_or(ma, mb), a, none, none);
    }
}

static void test_mask_any(voc_run *r, const void *entry)
{
    (void)entry;
    for (size_t round = 0; round < ROUNDS; round++) {
        bool lane[16], want = false;
        const mask16 m = random_mask(r, lane);
        for (size_t i = 0; i < 16; i++) want |= lane[i];
        voc_expect(r, VOC_BITS, 0, mask16_any(m), want, NULL, 0);
    }
}

/* f32x16_select, f32x16_keep and i32x16_select: bits are copied, those of NaN, too. */
typedef struct select_row {
    const char *name;
    void (*call)(mask16 m, const float *a, const float *b, float *y);
    bool keeps;
} select_row;

static void select_f32(mask16 m, const float *a, const float *b, float *y)
{
    f32x16_store(y, f32x16_select(m, f32x16_load(a), f32x16_load(b)));
}

static void keep_f32(mask16 m, const float *a, const float *b, float *y)
{
    (void)b;
    f32x16_store(y, f32x16_keep(m, f32x16_load(a)));
}

static void select_i32(mask16 m, const float *a, const float *b, float *y)
{
    const i32x16 va = i32x16_bits(f32x16_load(a)), vb = i32x16_bits(f32x16_load(b));
    f32x16_store(y, f32x16_of_bits(i32x16_select(m, va, vb)));
}

static const select_row select_rows[] = {
    {"f32x16_select", select_f32, false},
    {"f32x16_keep", keep_f32, true},
    {"i32x16_select", select_i32, false},
};

static void test_select(voc_run *r, const void *entry)
{
    const select_row *row = entry;
    for (size_t round = 0; round < ROUNDS; round++) {
        bool lane[16];
        float a[16], b[16], y[16];
        const mask16 m = random_mask(r, lane);
        pairs(r, a, b);
        row->call(m, a, b, y);
        for (size_t i = 0; i < 16; i++) {
            const uint64_t inputs[3] = {lane[i], voc_bits(a[i]), voc_bits(b[i])};
            voc_expect(r, VOC_BITS, i, voc_bits(y[i]), lane[i] ? inputs[1] : row->keeps ? 0 : inputs[2], inputs, 3);
        }
    }
}

/* ---- Integers --------------------------------------------------------------------------------------------------- */

typedef struct integer_row {
    const char *name;
    i32x16 (*one)(i32x16), (*two)(i32x16, i32x16);
    uint32_t (*want)(uint32_t a, uint32_t b);
} integer_row;

static uint32_t want_add(uint32_t a, uint32_t b) { return a + b; }
static uint32_t want_sub(uint32_t a, uint32_t b) { return a - b; }
static uint32_t want_and(uint32_t a, uint32_t b) { return a & b; }
static uint32_t want_or(uint32_t a, uint32_t b) { return a | b; }
static uint32_t want_max(uint32_t a, uint32_t b) { return (a ^ 0x80000000u) > (b ^ 0x80000000u) ? a : b; }
static uint32_t want_same(uint32_t a, uint32_t b) { return (void)b, a; }
static uint32_t want_of_i32(uint32_t a, uint32_t b) { return (void)b, voc_of_i32(a); }
static i32x16 integers_by_bits(i32x16 v) { return i32x16_bits(f32x16_of_bits(v)); }
static i32x16 of_i32(i32x16 v) { return i32x16_bits(f32x16_of_i32(v)); }

static const integer_row integer_rows[] = {
    {"i32x16_add", .two = i32x16_add, .want = want_add},   {"i32x16_sub", .two = i32x16_sub, .want = want_sub},
    {"i32x16_and", .two = i32x16_and, .want = want_and},   {"i32x16_or", .two = i32x16_or, .want = want_or},
    {"i32x16_max", .two = i32x16_max, .want = want_max},   {"i32x16_bits", .one = integers_by_bits, .want = want_same},
    {"f32x16_of_i32", .one = of_i32, .want = want_of_i32},
};

static void test_integers(voc_run *r, const void *entry)
{
    const integer_row *row = entry;
    for (size_t round = 0; round < ROUNDS; round++) {
        uint32_t a[16], b[16], y[16];
        voc_integers(r, a, 16);
        voc_integers(r, b, 16);
        i32x16_store(y, row->one ? row->one(i32x16_load(a)) : row->two(i32x16_load(a), i32x16_load(b)));
        for (size_t i = 0; i < 16; i++) {
            const uint64_t inputs[2] = {a[i], b[i]};
            voc_expect(r, VOC_BITS, i, y[i], row->want(a[i], b[i]), inputs, row->one ? 1 : 2);
        }
    }
}

/* Counts must be constants. */
static i32x16 shifted(bool left, unsigned count, i32x16 v)
{
    switch (count) {
    case 0: return left ? i32x16_shift_left(v, 0) : i32x16_shift_right(v, 0);
    case 1: return left ? i32x16_shift_left(v, 1) : i32x16_shift_right(v, 1);
    case 13: return left ? i32x16_shift_left(v, 13) : i32x16_shift_right(v, 13);
    case 16: return left ? i32x16_shift_left(v, 16) : i32x16_shift_right(v, 16);
    case 23: return left ? i32x16_shift_left(v, 23) : i32x16_shift_right(v, 23);
    default: return left ? i32x16_shift_left(v, 31) : i32x16_shift_right(v, 31);
    }
}

static const struct shift_row {
    const char *name;
    bool left;
} shift_rows[] = {{"i32x16_shift_left", true}, {"i32x16_shift_right", false}};

static void test_shift(voc_run *r, const void *entry)
{
    static const unsigned counts[] = {0, 1, 13, 16, 23, 31};
    const bool left = ((const struct shift_row *)entry)->left;
    for (size_t round = 0; round < ROUNDS; round++) {
        const unsigned count = counts[round % (sizeof counts / sizeof *counts)];
        uint32_t x[16], y[16];
        voc_integers(r, x, 16);
        i32x16_store(y, shifted(left, count, i32x16_load(x)));
        for (size_t i = 0; i < 16; i++) {
            const uint64_t inputs[2] = {x[i], count};
            voc_expect(r, VOC_BITS, i, y[i], left ? x[i] << count : x[i] >> count, inputs, 2);
        }
    }
}

static void test_set1_i32(voc_run *r, const void *entry)
{
    (void)entry;
    for (size_t round = 0; round < ROUNDS; round++) {
        const uint32_t x = (uint32_t)voc_random(r);
        uint32_t y[16];
        i32x16_store(y, i32x16_set1(x));
        for (size_t i = 0; i < 16; i++) voc_expect(r, VOC_BITS, i, y[i], x, NULL, 0);
    }
}

static void test_top_i32(voc_run *r, const void *entry)
{
    (void)entry;
    for (size_t round = 0; round < ROUNDS; round++) {
        uint32_t x[16], want;
        voc_integers(r, x, 16);
        want = x[0];
        for (size_t i = 1; i < 16; i++) want = want_max(want, x[i]);
        voc_expect(r, VOC_BITS, 0, (uint32_t)i32x16_top(i32x16_load(x)), want, NULL, 0);
    }
}

static void test_upper_halves(voc_run *r, const void *entry)
{
    (void)entry;
    for (size_t round = 0; round < ROUNDS; round++) {
        uint32_t x[32], y[16];
        voc_scramble(r, x, sizeof x);
        i32x16_store(y, i32x16_upper_halves(i32x16_load(x), i32x16_load(x + 16)));
        for (size_t i = 0; i < 16; i++)
            voc_expect(r, VOC_BITS, i, y[i], x[2 * i + 1] >> 16 << 16 | x[2 * i] >> 16, NULL, 0);
    }
}

static void test_round(voc_run *r, const void *entry)
{
    (void)entry;
    for (size_t round = 0; round < 10 * ROUNDS; round++) {
        float x[16];
        uint32_t y[16];
        voc_floats(r, x, 16);
        i32x16_store(y, i32x16_round(f32x16_load(x)));
        for (size_t i = 0; i < 16; i++) {
            const uint64_t input = voc_bits(x[i]);
            bool inside;
            const uint32_t want = voc_round(x[i], &inside);
            voc_expect(r, VOC_BITS, i, inside ? y[i] : y[i] & 0xffffu, want, &input, 1);
        }
    }
}

/* ---- Doubles ---------------------------------------------------------------------------------------------------- */

typedef struct double_row {
    const char *name;
    f64x8 (*two)(f64x8, f64x8), (*three)(f64x8, f64x8, f64x8);
    double (*want)(double a, double b, double c);
} double_row;

static const double_row double_rows[] = {
    {"f64x8_add", .two = f64x8_add, .want = voc_add_f64},
    {"f64x8_mul", .two = f64x8_mul, .want = voc_mul_f64},
    {"f64x8_add_product", .three = f64x8_add_product, .want = voc_add_product},
};

static void test_doubles(voc_run *r, const void *entry)
{
    const double_row *row = entry;
    for (size_t round = 0; round < 2 * ROUNDS; round++) {
        double a[8], b[8], c[8], y[8];
        voc_doubles(r, a, 8);
        voc_doubles(r, b, 8);
        voc_doubles(r, c, 8);
        for (size_t i = 0; i < 8 && row->three; i++) { /* the product of two floats, of the size of the third or not */
            a[i] = voc_float(r);
            b[i] = voc_float(r);
            if (voc_below(r, 2)) c[i] *= a[i] * b[i];
        }
        const f64x8 va = f64x8_load(a), vb = f64x8_load(b);
        f64x8_store(y, row->two ? row->two(va, vb) : row->three(va, vb, f64x8_load(c)));
        for (size_t i = 0; i < 8; i++) {
            const uint64_t inputs[3] = {voc_bits64(a[i]), voc_bits64(b[i]), voc_bits64(c[i])};
            voc_expect(r, VOC_F64, i, voc_bits64(y[i]), voc_bits64(row->want(a[i], b[i], c[i])), inputs,
                       row->two ? 2 : 3);
        }
    }
}

static void test_set1_f64(voc_run *r, const void *entry)
{
    (void)entry;
    for (size_t round = 0; round < ROUNDS; round++) {
        const double x = voc_double(r);
        double y[8];
        f64x8_store(y, f64x8_set1(x));
        for (size_t i = 0; i < 8; i++) voc_expect(r, VOC_BITS, i, voc_bits64(y[i]), voc_bits64(x), NULL, 0);
    }
}

static void test_sum_f64(voc_run *r, const void *entry)
{
    (void)entry;
    for (size_t round = 0; round < ROUNDS; round++) {
        double x[8];
        voc_doubles(r, x, 8);
        voc_expect(r, VOC_F64, 0, voc_bits64(f64x8_sum(f64x8_load(x))), voc_bits64(voc_sum8(x)), NULL, 0);
    }
}

static const struct widen_row {
    const char *name;
    f64x8 (*call)(f32x16);
    size_t first;
} widen_rows[] = {{"f64x8_low", f64x8_low, 0}, {"f64x8_high", f64x8_high, 8}};

static void test_widen(voc_run *r, const void *entry)
{
    const struct widen_row *row = entry;
    for (size_t round = 0; round < ROUNDS; round++) {
        float x[16];
        double y[8];
        voc_floats(r, x, 16);
        f64x8_store(y, row->call(f32x16_load(x)));
        for (size_t i = 0; i < 8; i++) {
            const uint64_t input = voc_bits(x[row->first + i]);
            voc_expect(r, VOC_F64, i, voc_bits64(y[i]), voc_bits64(x[row->first + i]), &input, 1);
        }
    }
}

/* ---- All of them ------------------------------------------------------------------------------------------------ */

static void run_floats(voc_run *r)
{
    for (size_t i = 0; i < sizeof float_rows / sizeof *float_rows; i++)
        voc_function(r, float_rows[i].name, test_floats, &float_rows[i]);
    for (size_t i = 0; i < sizeof fold_rows / sizeof *fold_rows; i++)
        voc_function(r, fold_rows[i].name, test_fold, &fold_rows[i]);
    voc_function(r, "f32x16_set1", test_set1_f32, NULL);
    voc_function(r, "f32x16_first", test_first, NULL);
    voc_function(r, "f32x16_lookup8", test_lookup8, NULL);
}

static void run_masks(voc_run *r)
{
    for (size_t i = 0; i < sizeof mask_rows / sizeof *mask_rows; i++)
        voc_function(r, mask_rows[i].name, test_mask, &mask_rows[i]);
    for (size_t i = 0; i < sizeof select_rows / sizeof *select_rows; i++)
        voc_function(r, select_rows[i].name, test_select, &select_rows[i]);
    voc_function(r, "mask16_first", test_mask_first, NULL);
    voc_function(r, "mask16_or", test_mask_or, NULL);
    voc_function(r, "mask16_any", test_mask_any, NULL);
}

static void run_integers(voc_run *r)
{
    for (size_t i = 0; i < sizeof integer_rows / sizeof *integer_rows; i++)
        voc_function(r, integer_rows[i].name, test_integers, &integer_rows[i]);
    for (size_t i = 0; i < sizeof shift_rows / sizeof *shift_rows; i++)
        voc_function(r, shift_rows[i].name, test_shift, &shift_rows[i]);
    voc_function(r, "i32x16_set1", test_set1_i32, NULL);
    voc_function(r, "i32x16_top", test_top_i32, NULL);
    voc_function(r, "i32x16_upper_halves", test_upper_halves, NULL);
    voc_function(r, "i32x16_round", test_round, NULL);
}

static void run_doubles(voc_run *r)
{
    for (size_t i = 0; i < sizeof double_rows / sizeof *double_rows; i++)
        voc_function(r, double_rows[i].name, test_doubles, &double_rows[i]);
    for (size_t i = 0; i < sizeof widen_rows / sizeof *widen_rows; i++)
        voc_function(r, widen_rows[i].name, test_widen, &widen_rows[i]);
    voc_function(r, "f64x8_set1", test_set1_f64, NULL);
    voc_function(r, "f64x8_sum", test_sum_f64, NULL);
}

void vocabulary_test(voc_run *r)
{
#ifdef VOCABULARY_BROKEN
    broken = r->breakage;
#endif
    vocabulary_test_memory(r);
    run_floats(r);
    run_masks(r);
    run_integers(r);
    run_doubles(r);
}

#ifdef VOCABULARY_BROKEN
const voc_breakage *vocabulary_breakages(size_t *count)
{
    *count = sizeof breakages / sizeof *breakages;
    return breakages;
}
#endif
