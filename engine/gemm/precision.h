/* Arithmetic of a matrix product's operands; sums are f32 (int8: integers) in all of them. gemm.h says what each does.
 */
#ifndef ENGINE_GEMM_PRECISION_H
#define ENGINE_GEMM_PRECISION_H

#include <stdbool.h>

typedef enum eng_precision { ENG_F32, ENG_BF16, ENG_INT8 } eng_precision;

/* "f32", "bf16", "int8". */
const char *eng_precision_name(eng_precision precision);

/* The precision of that name; false when there is none. */
bool eng_precision_find(const char *name, eng_precision *out);

#endif
