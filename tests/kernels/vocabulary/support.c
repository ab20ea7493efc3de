/* The run of the vocabulary's test: counts, comparison, hostile numbers, guarded memory. */
#include "tests/kernels/vocabulary/vocabulary.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- The run ---------------------------------------------------------------------------------------------------- */

/* A function that touches what it must not lands here, and fails alone. */
static sigjmp_buf after_fault;

static void on_fault(int signal_number) { siglongjmp(after_fault, signal_number); }

static bool arena_new(voc_arena *arena)
{
    enum { ROOM = 1 << 14 };
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (ROOM + page - 1) / page * page;
    unsigned char *memory = mmap(NULL, room + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory + page, room, PROT_READ | PROT_WRITE) != 0) return false;
    *arena = (voc_arena){memory + page, memory + page + room};
    return true;
}

bool voc_start(voc_run *r)
{
    struct sigaction action = {.sa_handler = on_fault};
    sigemptyset(&action.sa_mask);
    return arena_new(&r->in) && arena_new(&r->out) && sigaction(SIGSEGV, &action, NULL) == 0 &&
           sigaction(SIGBUS, &action, NULL) == 0 && sigaction(SIGILL, &action, NULL) == 0;
}

void voc_fail(voc_run *r, const char *format, ...)
{
    enum { SHOWN = 3 };
    r->wrong++;
    if (r->quiet || r->wrong > SHOWN) return;
    va_list arguments;
    printf("FAIL %-9s %s ", r->tier, r->function);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
}

void voc_function(voc_run *r, const char *name, voc_test test, const void *row)
{
    if (r->only != NULL && strcmp(r->only, name) != 0) return;
    r->function = name;
    r->compared = r->wrong = 0;
    const int fault = sigsetjmp(after_fault, 1);
    if (fault == 0)
        test(r, row);
    else
        voc_fail(r, "%s", fault == SIGILL ? "illegal instruction" : "touched memory outside its operands");
    if (r->compared == 0 && r->wrong == 0) voc_fail(r, "nothing compared");
    r->passed += r->wrong == 0;
    r->failed += r->wrong != 0;
}

/* The bits of infinity and the quiet bit of a format. */
static const struct {
    uint64_t infinity, quiet, sign;
} formats[] = {[VOC_BITS] = {UINT64_MAX, 0, 0},
               [VOC_F16] = {0x7c00u, 0x200u, 0x8000u},
               [VOC_F32] = {0x7f800000u, 0x400000u, 0x80000000u},
               [VOC_F64] = {0x7ff0000000000000u, 0x8000000000000u, 0x8000000000000000u}};

static bool quiet_nan(voc_format format, uint64_t bits)
{
    return (bits & ~formats[format].sign) > formats[format].infinity && (bits & formats[format].quiet) != 0;
}

void voc_expect(voc_run *r, voc_format format, size_t lane, uint64_t got, uint64_t want, const uint64_t *inputs,
                size_t count)
{
    const bool flipped = r->flip && r->compared == 0;
    if (flipped) got ^= 1;
    r->compared++;
    if (got == want) return;
    const bool nan = (want & ~formats[format].sign) > formats[format].infinity;
    if (nan && quiet_nan(format, got) && !flipped) return;
    char text[128];
    size_t at = 0;
    for (size_t i = 0; i < count; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%llx", i > 0 ? ", " : "", (unsigned long long)inputs[i]);
    voc_fail(r, "lane %zu of (%s): got %llx, want %llx", lane, count > 0 ? text : "", (unsigned long long)got,
             (unsigned long long)want);
}

/* ---- Numbers ---------------------------------------------------------------------------------------------------- */

/* Vigna's splitmix64. */
uint64_t voc_random(voc_run *r)
{
    uint64_t z = r->rng += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

size_t voc_below(voc_run *r, size_t n) { return (size_t)(voc_random(r) >> 32) % n; }

void voc_scramble(voc_run *r, void *x, size_t bytes)
{
    unsigned char *at = x;
    for (size_t i = 0; i < bytes; i += 8) {
        const uint64_t bits = voc_random(r);
        memcpy(at + i, &bits, bytes - i < 8 ? bytes - i : 8);
    }
}

void *voc_place(voc_arena arena, size_t bytes, size_t gap, bool at_end)
{
    return at_end ? arena.end - gap - bytes : arena.start + gap;
}

uint32_t voc_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

uint64_t voc_bits64(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

float voc_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

uint64_t voc_element(const void *x, size_t size)
{
    uint8_t byte;
    uint16_t half;
    uint32_t word;
    uint64_t two;
    if (size == 1) return memcpy(&byte, x, 1), byte;
    if (size == 2) return memcpy(&half, x, 2), half;
    if (size == 4) return memcpy(&word, x, 4), word;
    return memcpy(&two, x, 8), two;
}

size_t voc_count(size_t i)
{
    static const size_t huge[] = {1u << 20, SIZE_MAX / 2 + 4, SIZE_MAX};
    return i < 19 ? i : huge[i - 19];
}

/* A float of random sign and fraction with the exponent 2^exponent, subnormal or infinite where that is outside. */
static float with_exponent(voc_run *r, int exponent)
{
    const uint64_t bits = voc_random(r);
    const float fraction = voc_of_bits(0x3f800000u | (uint32_t)(bits & 0x7fffffu));
    return ldexpf(bits >> 63 ? -fraction : fraction, exponent);
}

float voc_float(voc_run *r)
{
    static const uint32_t special[] = {
        0x00000000u, 0x00000001u, 0x007fffffu, 0x00800000u, 0x00800001u, 0x3f800000u, 0x3f000000u,
        0x3fc00000u, 0x40200000u, 0x477ff000u, 0x477fefffu, 0x33000000u, 0x33000001u, 0x38800000u,
        0x387fffffu, 0x4b000000u, 0x4affffffu, 0x4b000001u, 0x4effffffu, 0x4f000000u, 0x4f000001u,
        0x4f800000u, 0x7f7fffffu, 0x7f800000u, 0x7fc00000u, 0x7f800001u, 0x7fffffffu, 0x7fc01234u,
    };
    const uint64_t bits = voc_random(r);
    const uint32_t sign = bits >> 63 ? 0x80000000u : 0, low = (uint32_t)bits;
    switch (bits >> 32 & 7) {
    case 0:
    case 1: return voc_of_bits(low);
    case 2: return voc_of_bits(sign | special[low % (sizeof special / sizeof *special)]);
    case 3:
    case 4: return with_exponent(r, (int)(low % 8) - 4);
    case 5: return (float)(int32_t)low * 0x1p-15f; /* also beyond 2^15 */
    case 6: return (float)((int32_t)low >> 12) * 0.5f;
    default: return voc_of_bits((sign | (low & 0x7f800000u)) + (low & 7u) - 3u); /* near powers of two */
    }
}

void voc_floats(voc_run *r, float *x, size_t n)
{
    static const uint32_t few[] = {0x00000000u, 0x80000000u, 0x3f800000u, 0xbf800000u, 0x7fc00000u, 0x80000000u};
    const size_t kind = voc_below(r, 4);
    for (size_t i = 0; i < n; i++)
        x[i] = kind == 0   ? with_exponent(r, (int)voc_below(r, 8) - 4)
               : kind == 1 ? voc_of_bits(few[voc_below(r, sizeof few / sizeof *few)])
                           : voc_float(r);
}

double voc_double(voc_run *r)
{
    static const uint64_t special[] = {
        0,
        1,
        0xfffffffffffffu,
        0x10000000000000u,
        0x7fefffffffffffffu,
        0x7ff0000000000000u,
        0x7ff8000000000000u,
        0x7ff0000000000001u,
    };
    const uint64_t kind = voc_random(r) >> 32, bits = voc_random(r);
    double x;
    if (kind % 4 == 0) return (double)(int64_t)bits * 0x1p-60;
    if (kind % 4 == 1) return (double)with_exponent(r, (int)(bits % 40) - 20);
    const uint64_t pick = kind % 4 == 2 ? bits : special[bits % 8] | (bits & 0x8000000000000000u);
    memcpy(&x, &pick, sizeof x);
    return x;
}

void voc_doubles(voc_run *r, double *x, size_t n)
{
    const bool tame = voc_below(r, 2);
    for (size_t i = 0; i < n; i++) x[i] = tame ? (double)(int64_t)voc_random(r) * 0x1p-60 : voc_double(r);
}

void voc_integers(voc_run *r, uint32_t *x, size_t n)
{
    const bool negative = voc_below(r, 8) == 0;
    for (size_t i = 0; i < n; i++) {
        const uint64_t bits = voc_random(r);
        const uint32_t low = (uint32_t)bits, kind = (uint32_t)(bits >> 62);
        x[i] = kind == 0 ? low % 17 - 8 : kind == 1 ? 0x80000000u + low % 17 - 8 : low;
        if (negative) x[i] |= 0x80000000u;
    }
}

/* ---- Triples for a b + c ---------------------------------------------------------------------------------------- */

/* a b is a power of two, or nearly: (1 + x 2^-23) (1 - x 2^-23) = 1 - x^2 2^-46. */
static void nearly_power(voc_run *r, int exponent, float *a, float *b)
{
    const int part = exponent / 2 + (int)voc_below(r, 20) - 10; /* neither factor is subnormal */
    const float x = (float)voc_below(r, 9) * 0x1p-23f;
    *a = ldexpf(1.0f + x, part);
    *b = ldexpf(1.0f - x, exponent - part);
    if (voc_below(r, 2)) *b = -*b;
}

/* Half the last bit of c, or nearly so: the sum is a tie, or nearly so. */
static void tie_by_product(voc_run *r, float *a, float *b, float *c)
{
    const int exponent = (int)voc_below(r, 200) - 100;
    *c = with_exponent(r, exponent);
    nearly_power(r, exponent - 24, a, b);
}

/* a b is halfway between two floats (25 bits, the last of which is 1), and c next to nothing. */
static void tie_by_addend(voc_run *r, float *a, float *b, float *c)
{
    const uint32_t first = (1u << 12) + 1u + 2u * (uint32_t)voc_below(r, 1u << 11);
    const uint32_t second = (1u << 11) + 1u + 2u * (uint32_t)voc_below(r, 1u << 10);
    const int exponent = (int)voc_below(r, 80) - 40;
    *a = ldexpf((float)first, exponent);
    *b = voc_below(r, 2) ? (float)second : -(float)second;
    *c = with_exponent(r, exponent - (int)voc_below(r, 80));
}

/* The last places of subnormal numbers: multiples of 2^-150 or nearly so, on top of a small c. */
static void subnormal_result(voc_run *r, float *a, float *b, float *c)
{
    const int exponent = -152 + (int)voc_below(r, 28);
    if (voc_below(r, 2))
        nearly_power(r, exponent, a, b);
    else {
        *a = with_exponent(r, -70);
        *b = with_exponent(r, exponent + 70);
    }
    const uint32_t masks[3] = {0x80ffffffu, 0x8000000fu, 0x80000003u}, kind = (uint32_t)voc_below(r, 3);
    const uint32_t bits = (uint32_t)voc_random(r) & masks[kind];
    *c = voc_of_bits(kind < 2 ? bits : bits + 0x007ffffdu); /* up to 2^-125; next to 0; next to 2^-126 */
}

/* About the largest float and half a bit more. */
static void overflowing_result(voc_run *r, float *a, float *b, float *c)
{
    nearly_power(r, voc_below(r, 2) ? 103 : 128, a, b);
    *c = voc_below(r, 2) ? FLT_MAX : with_exponent(r, 102 + (int)voc_below(r, 3));
    if (voc_below(r, 2)) *c = -*c;
}

/* c is the product, rounded, or a neighbour of that, taken away. */
static void cancelling(voc_run *r, float *a, float *b, float *c)
{
    *a = with_exponent(r, (int)voc_below(r, 120) - 60);
    *b = with_exponent(r, (int)voc_below(r, 120) - 60);
    *c = voc_of_bits(voc_bits(-(*a * *b)) + (uint32_t)voc_below(r, 3) - 1u);
}

static void hostile_triple(voc_run *r, float *a, float *b, float *c)
{
    switch (voc_below(r, 8)) {
    case 0: tie_by_product(r, a, b, c); break;
    case 1: tie_by_addend(r, a, b, c); break;
    case 2: subnormal_result(r, a, b, c); break;
    case 3: overflowing_result(r, a, b, c); break;
    case 4: cancelling(r, a, b, c); break;
    case 5: /* all exponents */
        *a = with_exponent(r, (int)voc_below(r, 278) - 150);
        *b = with_exponent(r, (int)voc_below(r, 278) - 150);
        *c = with_exponent(r, (int)voc_below(r, 278) - 150);
        break;
    case 6: /* the addend as large as the product */
        *a = with_exponent(r, (int)voc_below(r, 150) - 100);
        *b = with_exponent(r, (int)voc_below(r, 150) - 100);
        *c = with_exponent(r, ilogbf(*a) + ilogbf(*b) + (int)voc_below(r, 60) - 30);
        break;
    default: *a = voc_float(r), *b = voc_float(r), *c = voc_float(r); break;
    }
}

void voc_triples(voc_run *r, float *a, float *b, float *c)
{
    const size_t kind = voc_below(r, 4), one = voc_below(r, 16);
    for (size_t i = 0; i < 16; i++)
        if (kind > 1 || (kind == 1 && i == one))
            hostile_triple(r, &a[i], &b[i], &c[i]);
        else {
            a[i] = with_exponent(r, (int)voc_below(r, 4));
            b[i] = with_exponent(r, (int)voc_below(r, 4));
            c[i] = with_exponent(r, (int)voc_below(r, 4));
        }
}
