/* The conformance test of the vocabulary's functions from and to memory; see lanes.c. Operands lie flush against a
 * page that can be neither read nor written, behind or in front of them, and all around a result is looked at. */
#include "kernels/vector/vector.h"
#include "tests/kernels/vocabulary/vocabulary.h"

#ifdef VOCABULARY_BROKEN
#include "tests/kernels/vocabulary/broken.h"
#endif

enum { ROUNDS = 50, AROUND = 64 }; /* each number of lanes; bytes that are looked at */

/* Loads and stores: lanes of lane bytes, elements of size bytes in memory; the ones of all lanes look at no n. */
typedef struct memory_row {
    const char *name;
    size_t lanes, lane, size;
    bool all;
    void (*load)(const void *x, size_t n, void *lanes);
    void (*store)(void *y, size_t n, const void *lanes);
    uint64_t (*want)(uint64_t from);
    voc_format format;
} memory_row;

static void load_f32(const void *x, size_t n, void *y) { (void)n, f32x16_store(y, f32x16_load(x)); }
static void load_first_f32(const void *x, size_t n, void *y) { f32x16_store(y, f32x16_load_first(x, n)); }
static void load_i32(const void *x, size_t n, void *y) { (void)n, i32x16_store(y, i32x16_load(x)); }
static void load_first_i32(const void *x, size_t n, void *y) { i32x16_store(y, i32x16_load_first(x, n)); }
static void load_u16(const void *x, size_t n, void *y) { i32x16_store(y, i32x16_load_u16(x, n)); }
static void load_f16(const void *x, size_t n, void *y) { f32x16_store(y, f32x16_load_f16(x, n)); }
static void load_f64(const void *x, size_t n, void *y) { (void)n, f64x8_store(y, f64x8_load(x)); }
static void load_first_f64(const void *x, size_t n, void *y) { f64x8_store(y, f64x8_load_first(x, n)); }

static void store_f32(void *y, size_t n, const void *x) { (void)n, f32x16_store(y, f32x16_load(x)); }
static void store_first_f32(void *y, size_t n, const void *x) { f32x16_store_first(y, n, f32x16_load(x)); }
static void store_i32(void *y, size_t n, const void *x) { (void)n, i32x16_store(y, i32x16_load(x)); }
static void store_first_i32(void *y, size_t n, const void *x) { i32x16_store_first(y, n, i32x16_load(x)); }
static void store_u16(void *y, size_t n, const void *x) { i32x16_store_u16(y, n, i32x16_load(x)); }
static void store_halves(void *y, size_t n, const void *x)
{
    uint16_t half[32];
    uint32_t lane[16];
    (void)n;
    memcpy(half, x, sizeof half);
    for (size_t i = 0; i < 16; i++) lane[i] = half[2 * i] | (uint32_t)half[2 * i + 1] << 16;
    i32x16_store_halves(y, i32x16_load(lane));
}

static void store_u8(void *y, size_t n, const void *x) { i32x16_store_u8(y, n, i32x16_load(x)); }
static void store_f16(void *y, size_t n, const void *x) { f32x16_store_f16(y, n, f32x16_load(x)); }
static void store_f64(void *y, size_t n, const void *x) { (void)n, f64x8_store(y, f64x8_load(x)); }
static void store_first_f64(void *y, size_t n, const void *x) { f64x8_store_first(y, n, f64x8_load(x)); }

static void load_f32_f64(const void *x, size_t n, void *y) { f64x8_store(y, f64x8_load_f32(x, n)); }

static uint64_t same(uint64_t bits) { return bits; }
static uint64_t lower_half(uint64_t bits) { return bits & 0xffffu; }
static uint64_t lowest_byte(uint64_t bits) { return bits & 0xffu; }
static uint64_t widened(uint64_t bits) { return voc_bits64(voc_of_bits((uint32_t)bits)); }

static const memory_row memory_rows[] = {
    {"f32x16_load", 16, 4, 4, true, load_f32, NULL, same, VOC_BITS},
    {"f32x16_load_first", 16, 4, 4, false, load_first_f32, NULL, same, VOC_BITS},
    {"f32x16_store", 16, 4, 4, true, NULL, store_f32, same, VOC_BITS},
    {"f32x16_store_first", 16, 4, 4, false, NULL, store_first_f32, same, VOC_BITS},
    {"i32x16_load", 16, 4, 4, true, load_i32, NULL, same, VOC_BITS},
    {"i32x16_load_first", 16, 4, 4, false, load_first_i32, NULL, same, VOC_BITS},
    {"i32x16_store", 16, 4, 4, true, NULL, store_i32, same, VOC_BITS},
    {"i32x16_store_first", 16, 4, 4, false, NULL, store_first_i32, same, VOC_BITS},
    {"i32x16_load_u16", 16, 4, 2, false, load_u16, NULL, same, VOC_BITS},
    {"i32x16_store_u16", 16, 4, 2, false, NULL, store_u16, lower_half, VOC_BITS},
    {"i32x16_store_halves", 32, 2, 2, true, NULL, store_halves, same, VOC_BITS},
    {"i32x16_store_u8", 16, 4, 1, false, NULL, store_u8, lowest_byte, VOC_BITS},
    {"f64x8_load", 8, 8, 8, true, load_f64, NULL, same, VOC_BITS},
    {"f64x8_load_first", 8, 8, 8, false, load_first_f64, NULL, same, VOC_BITS},
    {"f64x8_load_f32", 8, 8, 4, false, load_f32_f64, NULL, widened, VOC_F64},
    {"f64x8_store", 8, 8, 8, true, NULL, store_f64, same, VOC_BITS},
    {"f64x8_store_first", 8, 8, 8, false, NULL, store_first_f64, same, VOC_BITS},
};
static const memory_row f16_rows[] = {
    {"f32x16_load_f16", 16, 4, 2, false, load_f16, NULL, voc_of_f16, VOC_F32},
    {"f32x16_store_f16", 16, 4, 2, false, NULL, store_f16, voc_to_f16, VOC_F16},
};

/* Where count elements lie: the place, what can be looked at around them, and what was there. */
typedef struct spot {
    unsigned char *at, *from, before[AROUND * 4];
    size_t bytes, looked; /* of the elements; from `from` on */
} spot;

static void spot_choose(voc_run *r, spot *s, voc_arena arena, size_t size, size_t count)
{
    const size_t kind = voc_below(r, 4), gap = kind < 2 ? 0 : size * (1 + voc_below(r, 9));
    s->bytes = size * count;
    s->at = voc_place(arena, s->bytes, gap, kind & 1);
    s->from = s->at - arena.start < AROUND ? arena.start : s->at - AROUND;
    s->looked = (size_t)(s->at - s->from) + s->bytes;
    s->looked += arena.end - s->at - (ptrdiff_t)s->bytes < AROUND ? (size_t)(arena.end - s->at) - s->bytes : AROUND;
    voc_scramble(r, s->from, s->looked);
    memcpy(s->before, s->from, s->looked);
}

/* The bytes outside the elements, and with all those of the elements, too, must be what they were. */
static void spot_check(voc_run *r, const spot *s, bool all, size_t n)
{
    const uint64_t input = n;
    for (size_t i = 0; i < s->looked; i++) {
        const bool element = s->from + i >= s->at && s->from + i < s->at + s->bytes;
        if (element && !all) continue;
        if (s->from[i] != s->before[i])
            voc_fail(r, "n = %zu: wrote byte %td from its first element", n, s->from + i - s->at);
    }
    voc_expect(r, VOC_BITS, 0, input, n, &input, 1);
}

static void test_load(voc_run *r, const memory_row *row, size_t n)
{
    const size_t count = row->all || n > row->lanes ? row->lanes : n;
    unsigned char y[64];
    spot s;
    spot_choose(r, &s, r->in, row->size, count);
    voc_scramble(r, y, sizeof y);
    row->load(s.at, n, y);
    for (size_t i = 0; i < row->lanes; i++) {
        const uint64_t element = i < count ? voc_element(s.at + i * row->size, row->size) : 0;
        const uint64_t inputs[2] = {n, element};
        voc_expect(r, row->format, i, voc_element(y + i * row->lane, row->lane), i < count ? row->want(element) : 0,
                   inputs, 2);
    }
    spot_check(r, &s, true, n);
}

static void test_store(voc_run *r, const memory_row *row, size_t n)
{
    const size_t count = row->all || n > row->lanes ? row->lanes : n;
    float x[16];
    spot s;
    spot_choose(r, &s, r->out, row->size, count);
    voc_floats(r, x, 16);
    if (row->format == VOC_BITS && voc_below(r, 2)) voc_scramble(r, x, sizeof x);
    row->store(s.at, n, x);
    for (size_t i = 0; i < count; i++) {
        const uint64_t lane = voc_element((const unsigned char *)x + i * row->lane, row->lane), inputs[2] = {n, lane};
        voc_expect(r, row->format, i, voc_element(s.at + i * row->size, row->size), row->want(lane), inputs, 2);
    }
    spot_check(r, &s, false, n);
}

static void test_memory(voc_run *r, const void *entry)
{
    const memory_row *row = entry;
    for (size_t round = 0; round < ROUNDS * VOC_COUNTS; round++) {
        const size_t n = row->all ? row->lanes : voc_count(round % VOC_COUNTS);
        if (row->load)
            test_load(r, row, n);
        else
            test_store(r, row, n);
    }
}

/* ---- Half floats: all of them, and floats from all over --------------------------------------------------------- */

static void test_load_f16(voc_run *r, const void *entry)
{
    test_memory(r, entry);
    for (uint32_t first = 0; first < 1u << 16; first += 16) {
        uint16_t x[16];
        float y[16];
        for (uint32_t i = 0; i < 16; i++) x[i] = (uint16_t)(first + i);
        f32x16_store(y, f32x16_load_f16(x, 16));
        for (size_t i = 0; i < 16; i++) {
            const uint64_t input = x[i];
            voc_expect(r, VOC_F32, i, voc_bits(y[i]), voc_of_f16(x[i]), &input, 1);
        }
    }
}

static void expect_to_f16(voc_run *r, const uint32_t *bits)
{
    float x[16];
    uint16_t y[16];
    for (size_t i = 0; i < 16; i++) x[i] = voc_of_bits(bits[i]);
    f32x16_store_f16(y, 16, f32x16_load(x));
    for (size_t i = 0; i < 16; i++) {
        const uint64_t input = bits[i];
        voc_expect(r, VOC_F16, i, y[i], voc_to_f16(bits[i]), &input, 1);
    }
}

/* Every half, the float halfway to the next one, and the neighbours of both. */
static void test_store_f16(voc_run *r, const void *entry)
{
    enum { STRIDE = 1021 };
    test_memory(r, entry);
    for (uint64_t first = 0; first < UINT64_C(1) << 32; first += UINT64_C(16) * STRIDE) {
        uint32_t bits[16];
        for (uint32_t i = 0; i < 16; i++) bits[i] = (uint32_t)first + i * STRIDE;
        expect_to_f16(r, bits);
    }
    for (uint32_t half = 0; half < 1u << 15; half++) {
        const float low = voc_of_bits((uint32_t)voc_of_f16(half)), high = voc_of_bits((uint32_t)voc_of_f16(half + 1));
        const float middle = half + 1 < 0x7c00u ? 0.5f * (low + high) : 65520.0f; /* where the largest ends */
        uint32_t bits[16];
        for (uint32_t i = 0; i < 16; i++)
            bits[i] = (i < 8 ? voc_bits(low) : voc_bits(middle)) + i % 4 - 1u + (i & 4 ? 0x80000000u : 0u);
        expect_to_f16(r, bits);
    }
}

/* ---- Blocks ----------------------------------------------------------------------------------------------------- */

typedef struct block {
    size_t rows, columns, kept, ldx, ldy;
} block;

static void call_transpose(const block *b, const float *x, float *y) { block16_transpose(x, b->ldx, y, b->ldy); }

static void call_transpose_part(const block *b, const float *x, float *y)
{
    block16_transpose_part(b->rows, b->columns, b->kept, x, b->ldx, y, b->ldy);
}

static void call_interleave6(const block *b, const float *x, float *y) { block16_interleave6(x, b->ldx, y); }

/* Both operands flush against the page in front of them or, at_end, behind. All of y is looked at, with a margin. */
static void check_block(voc_run *r, const block *b, void (*call)(const block *b, const float *x, float *y), bool at_end)
{
    enum { MARGIN = 16, LARGEST = 15 * 48 + 16 + MARGIN };
    const size_t read = b->rows > 0 && b->columns > 0 ? (b->rows - 1) * b->ldx + b->columns : 0;
    const size_t written = b->kept > 0 && b->columns > 0 ? (b->columns - 1) * b->ldy + b->kept : 0;
    const size_t front = at_end ? MARGIN : 0, looked = written + MARGIN;
    const float *x = voc_place(r->in, read * sizeof *x, 0, at_end);
    float *y = voc_place(r->out, written * sizeof *y, 0, at_end), *from = y - front;
    uint64_t want[LARGEST];
    voc_scramble(r, voc_place(r->in, read * sizeof *x, 0, at_end), read * sizeof *x);
    voc_scramble(r, from, looked * sizeof *from);
    for (size_t i = 0; i < looked; i++) want[i] = voc_element(from + i, sizeof *from);
    for (size_t j = 0; j < b->columns; j++)
        for (size_t i = 0; i < b->kept; i++)
            want[front + j * b->ldy + i] = i < b->rows ? voc_element(x + i * b->ldx + j, sizeof *x) : 0;
    call(b, x, y);
    const uint64_t inputs[5] = {b->rows, b->columns, b->kept, b->ldx, b->ldy};
    for (size_t i = 0; i < looked; i++)
        voc_expect(r, VOC_BITS, i, voc_element(from + i, sizeof *from), want[i], inputs, 5);
}

static void test_transpose(voc_run *r, const void *entry)
{
    (void)entry;
    for (size_t ldx = 16; ldx <= 48; ldx++)
        for (size_t ldy = 16; ldy <= 48; ldy++)
            check_block(r, &(block){16, 16, 16, ldx, ldy}, call_transpose, (ldx + ldy) & 1);
}

static void test_transpose_part(voc_run *r, const void *entry)
{
    (void)entry;
    for (size_t rows = 0; rows <= 16; rows++)
        for (size_t columns = 0; columns <= 16; columns++)
            for (size_t kept = 0; kept <= 16; kept++) {
                const size_t ldx = columns + voc_below(r, 33), ldy = kept + voc_below(r, 33);
                check_block(r, &(block){rows, columns, kept, columns, kept}, call_transpose_part, true);
                check_block(r, &(block){rows, columns, kept, ldx, ldy}, call_transpose_part, voc_below(r, 2));
            }
}

static void test_interleave6(voc_run *r, const void *entry)
{
    (void)entry;
    for (size_t ldx = 16; ldx <= 48; ldx++) {
        check_block(r, &(block){6, 16, 6, ldx, 6}, call_interleave6, false);
        check_block(r, &(block){6, 16, 6, ldx, 6}, call_interleave6, true);
    }
}

void vocabulary_test_memory(voc_run *r)
{
#ifdef VOCABULARY_BROKEN
    broken = r->breakage;
#endif
    for (size_t i = 0; i < sizeof memory_rows / sizeof *memory_rows; i++)
        voc_function(r, memory_rows[i].name, test_memory, &memory_rows[i]);
    voc_function(r, f16_rows[0].name, test_load_f16, &f16_rows[0]);
    voc_function(r, f16_rows[1].name, test_store_f16, &f16_rows[1]);
    voc_function(r, "block16_transpose", test_transpose, NULL);
    voc_function(r, "block16_transpose_part", test_transpose_part, NULL);
    voc_function(r, "block16_interleave6", test_interleave6, NULL);
}
