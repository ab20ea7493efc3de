/* Constants and tables of the functions, made in arbitrary precision by make_tables.py. A pair, head and tail, is the
 * number to 79 bits or more. */
#ifndef ENGINE_MATH_TABLES_H
#define ENGINE_MATH_TABLES_H

#include <stdint.h>

#include "engine/math/pair.h"

enum {
    ENG_EXP_STEPS = 128, /* entries of the table of powers of two */
    ENG_LOG_STEPS = 256, /* of the table of logarithms, in 1; it holds those from LOG_FIRST on */
    ENG_LOG_FIRST = 181, /* below 256 / sqrt 2 */
    ENG_LOG_ENTRIES = 182,
    ENG_SIN_STEPS = 128, /* of the table of sines, in a quarter of a turn */
    ENG_TURN_WORDS = 40
};

/* [i]: 2^(i / EXP_STEPS), its head of 26 bits */
extern const eng_pair eng_exp_table[ENG_EXP_STEPS];

/* The reciprocal of i / LOG_STEPS, rounded to 24 bits, and minus its logarithm, [i - LOG_FIRST]. log.head is a multiple
 * of 2^-42. */
typedef struct eng_log_entry {
    double reciprocal;
    eng_pair log;
} eng_log_entry;
extern const eng_log_entry eng_log_table[ENG_LOG_ENTRIES];

/* [i]: sin(i / SIN_STEPS quarters of a turn), its head of 26 bits */
extern const eng_pair eng_sin_table[ENG_SIN_STEPS + 1];

/* The bits of 2 / pi behind the binary point, 32 a word, the highest first. */
extern const uint32_t eng_two_over_pi[ENG_TURN_WORDS];

/* ln 2 / EXP_STEPS and the quarter of a turn / SIN_STEPS as sums: parts of a few bits, so that their products with
 * small integers are exact, and the rest. */
extern const double eng_exp_step[3];
extern const double eng_sin_step[4];

extern const eng_pair eng_ln2;      /* head a multiple of 2^-42 */
extern const eng_pair eng_ln2_full; /* head to 53 bits */
extern const eng_pair eng_one_over_ln2, eng_one_over_ln10;
extern const eng_pair eng_sin_step_full; /* pi / 2 / SIN_STEPS */

#endif
