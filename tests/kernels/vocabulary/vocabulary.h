/* What the conformance test of the vocabulary (kernels/vector/vector.h) shares between its copies: the run and its
 * counts, comparison, hostile numbers, guarded memory (support.c), and what each function means, lane by
 * lane, in plain C (reference.c). Lanes are handed about as bits, in the lower part of a uint64_t. */
#ifndef TESTS_KERNELS_VOCABULARY_VOCABULARY_H
#define TESTS_KERNELS_VOCABULARY_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Memory between two pages that can be neither read nor written. */
typedef struct voc_arena {
    unsigned char *start, *end;
} voc_arena;

typedef struct voc_run {
    const char *tier; /* as printed */
    const char *only; /* the one function to test; NULL: all */
    bool quiet;       /* print no failures */
    bool flip;        /* self-test: the first result of each function has a bit flipped */
    size_t breakage;  /* self-test: which function of broken.h is broken; 0: none */
    uint64_t rng;
    voc_arena in, out;
    size_t passed, failed; /* functions */
    const char *function;  /* being tested: */
    size_t compared, wrong;
} voc_run;

/* A test of one function; row is its entry in the test's table. */
typedef void (*voc_test)(voc_run *r, const void *row);

/* Tests the vocabulary of one tier: counts, and prints failures. The second is the part of the first in
 * memory.c. Each copy has names of its own: the build renames them. */
void vocabulary_test(voc_run *r);
void vocabulary_test_memory(voc_run *r);

/* What broken.h breaks; entry 0 is nothing. */
typedef struct voc_breakage {
    const char *function, *what;
} voc_breakage;
const voc_breakage *vocabulary_breakages(size_t *count);

/* ---- The run ---------------------------------------------------------------------------------------------------- */

/* Allocates both arenas and catches faults. False: the system has none. */
bool voc_start(voc_run *r);

/* Runs the test of a function, if it is to be run, and counts it. One that compares nothing or faults has failed. */
void voc_function(voc_run *r, const char *name, voc_test test, const void *row);

/* How results are compared: by their bits, or any quiet NaN for any NaN. */
typedef enum voc_format { VOC_BITS, VOC_F16, VOC_F32, VOC_F64 } voc_format;

/* Compares a lane; the inputs (count of them) are for the message. */
void voc_expect(voc_run *r, voc_format format, size_t lane, uint64_t got, uint64_t want, const uint64_t *inputs,
                size_t count);

__attribute__((format(printf, 2, 3))) void voc_fail(voc_run *r, const char *format, ...);

/* ---- Numbers ---------------------------------------------------------------------------------------------------- */

uint64_t voc_random(voc_run *r);
size_t voc_below(voc_run *r, size_t n); /* of 0 .. n - 1 */
void voc_scramble(voc_run *r, void *x, size_t bytes);

/* Room for bytes, gap bytes from the unreadable page in front of the arena or, at_end, from the one behind it. */
void *voc_place(voc_arena arena, size_t bytes, size_t gap, bool at_end);

/* Random bits, special numbers, numbers near one, whole numbers with halves, numbers near powers of two; of a row of
 * them all may be near one (so that the order of a sum matters), or zeros, ones and NaN. */
float voc_float(voc_run *r);
double voc_double(voc_run *r);
void voc_floats(voc_run *r, float *x, size_t n);
void voc_doubles(voc_run *r, double *x, size_t n);
void voc_integers(voc_run *r, uint32_t *x, size_t n); /* random bits, small numbers, those near 2^31; or all negative */

/* Sixteen triples for a b + c that rounding twice gets wrong, whose results are subnormal, overflow or cancel. Often
 * only one lane is such a triple, or none, so that it is looked for in every lane. */
void voc_triples(voc_run *r, float *a, float *b, float *c);

uint32_t voc_bits(float x);
uint64_t voc_bits64(double x);
float voc_of_bits(uint32_t bits);

/* The element of size bytes (1, 2, 4 or 8) at x. */
uint64_t voc_element(const void *x, size_t size);

/* Numbers of lanes to try: 0 to 18, and huge ones. */
enum { VOC_COUNTS = 22 };
size_t voc_count(size_t i);

/* ---- Meanings, one lane each, and of all lanes ------------------------------------------------------------------ */

float voc_add(float a, float b, float c);
float voc_sub(float a, float b, float c);
float voc_mul(float a, float b, float c);
float voc_div(float a, float b, float c);
float voc_sqrt(float a, float b, float c);
float voc_fma(float a, float b, float c);
float voc_fms(float a, float b, float c);
float voc_fnma(float a, float b, float c);
float voc_min(float a, float b, float c);
float voc_max(float a, float b, float c);
float voc_abs(float a, float b, float c);
float voc_same(float a, float b, float c);
float voc_absolute_with_sign(float a, float b, float c); /* |a| with b's sign */

bool voc_less(float a, float b);
bool voc_greater(float a, float b);
bool voc_not_less(float a, float b);
bool voc_is_nan(float a, float b);
bool voc_negative(float a, float b);

double voc_add_f64(double a, double b, double c);
double voc_mul_f64(double a, double b, double c);
double voc_add_product(double a, double b, double s); /* a and b are looked at as floats */

uint32_t voc_of_i32(uint32_t x);           /* the bits of the float nearest to a signed integer */
uint32_t voc_round(float x, bool *inside); /* false: outside int32_t, or NaN */
uint64_t voc_of_f16(uint64_t half);        /* the bits of a float */
uint64_t voc_to_f16(uint64_t bits);

float voc_first16(const float *x);
float voc_sum16(const float *x);
float voc_top16(const float *x);
double voc_sum8(const double *x);

#endif
