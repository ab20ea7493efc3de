/* Kernels: numbers in registers.
 *
 * Every kernel is single-threaded, allocates nothing, keeps no state, reports no errors and takes any size >= 0.
 * It reads and writes only the elements its contract names. Matrices are row-major: element (i, j) of x lies at
 * x[i * ldx + j]. Outputs may alias inputs only where the contract says "in place".
 *
 * A kern_table holds one implementation of each kernel. Filling it is pure (no global state), so a program may
 * hold tables of several tiers at once. Every kernel gives the same bits in every tier, with every compiler and libc, but
 * for gemm_bf16 where a CPU's instruction sums in another way, and for which NaN a NaN is. Kernels marked [exact] give
 * the bits of the specification (kernels/spec/), too; the others agree with it to the bound that
 * tests/kernels/conformance/main.c states for each.
 *
 * Determinism: the result for one row (or one element, for element-wise kernels) depends on that row's values and
 * length alone, never on how many rows are processed in one call nor on its alignment or position in memory. */
#ifndef KERNELS_KERNELS_H
#define KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum kern_tier {
    KERN_TIER_PORTABLE, /* plain C, any CPU */
    KERN_TIER_NEON,     /* aarch64 base instruction set */
    KERN_TIER_AVX2,     /* AVX2 + FMA + F16C */
    KERN_TIER_AVX512,   /* AVX-512 F + BW + DQ + VL */
    KERN_TIER_COUNT
} kern_tier;

/* Capabilities beyond a tier's bundle. */
enum {
    KERN_CAP_AVX512_BF16 = 1u << 0,
    KERN_CAP_AVX512_VNNI = 1u << 1,
    KERN_CAP_NEON_DOT = 1u << 2, /* aarch64's dot product extension */
    KERN_CAP_SLOW_BF16 = 1u << 3, /* AVX512-BF16 below the rate of f32: VDPBF16PS once in two cycles, as on Intel */
    KERN_CAP_AMX = 1u << 4,       /* AMX tiles of bf16 and of 8-bit integers, which the system lets this process use */
};

/* Activation applied in an epilogue. */
typedef enum kern_act { KERN_ACT_NONE, KERN_ACT_GELU, KERN_ACT_RELU, KERN_ACT_TANH } kern_act;

/* Register tile and cache blocks of a tier's GEMM. The operands of every precision are made of units of four bytes: a
 * float, two bf16 or four bytes, successive in k. A panel of B is [k in units][nr] units. One of A is [k in units][mr], or
 * where run is more than 1 [runs][mr][run]: `run` units of a row together, the last of them filled up with zeros. kc counts
 * units and is a multiple of run; the rest are elements. mc is a multiple of mr, nc of nr. */
typedef struct kern_gemm_blocks {
    size_t mr, nr; /* micro-kernel's tile */
    size_t kc;     /* depth of a block */
    size_t mc;     /* rows of a block: mc x kc of A and the panel of B, kc x nr, share L2 */
    size_t nc;     /* columns of a task */
    size_t run;    /* of a panel of A */
} kern_gemm_blocks;

/* A row stride of A that says: a is a panel, [k][mr]. */
enum { KERN_PANEL = 0 };

/* What to fetch into L2 while a GEMM micro-kernel runs: in every fourth step p of k the cache line at start + p / 4 *
 * step bytes and the one behind it. Any address will do: a prefetch of one that is not there does nothing. A kernel that
 * goes over its tile in parts may spread what lies from start on over all of them. */
typedef struct kern_ahead {
    const void *start;
    size_t step;
} kern_ahead;

/* Constants of one AdamW step; see kern_table.adamw_f32. */
typedef struct kern_adamw {
    float decay, step_size, root, eps, beta1, one_minus_beta1, beta2, one_minus_beta2, grad_scale;
} kern_adamw;

/* Data come first; from gemm_f32 on there are function pointers only (kern_table_check walks them). */
typedef struct kern_table {
    kern_tier tier;
    unsigned caps;

    /* ---- GEMM -------------------------------------------------------------------------------------------- */
    kern_gemm_blocks gemm_blocks, bf16_blocks, i8_blocks; /* of gemm_f32 (run 1), gemm_bf16, gemm_i8: of one nr */
    bool bf16_is_fast; /* gemm_bf16 is faster than widening bf16 and gemm_f32: the CPU has instructions for it */

    /* Micro-kernel [exact]: C[m,n] = (accumulate ? C : 0) + A[m,k] * B[k,n], for 0 <= m <= mr, 0 <= n <= nr.
     * Each element is one chain of fused multiply-adds over ascending k, starting from C (or from +0), so its bits
     * depend neither on the tier nor on how k is split into blocks.
     * a: m rows of k floats, row stride lda >= 1 (rows may overlap: lda < k is a strided convolution); or, with
     * lda = KERN_PANEL, a panel [k][mr], whose columns m..mr-1 are read but do not matter.
     * b: k rows of nr readable floats, row stride ldb >= nr; columns n..nr-1 are read but do not matter.
     * c: row stride ldc; only [m,n] is read (accumulate) or written. accumulate = false never reads C.
     * ahead: a hint without effect on the result, or NULL. */
    void (*gemm_f32)(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb, float *c,
                     size_t ldc, bool accumulate, const kern_ahead *ahead);

    /* The same product of bf16 from panels of pairs: unit p of row i of A lies at a[p * lda + i] (where run is 1) and has
     * element 2p in its lower and 2p + 1 in its upper half; B likewise, at b[p * ldb + j]. lda = mr, ldb = nr: they tell the
     * tile to kernels that a tier inherits. k counts units; the rest as in gemm_f32. A chain of fused multiply-adds into
     * float, element 2p + 1 before 2p: the order of AVX512-BF16's VDPBF16PS (Intel SDM), which moreover takes subnormal
     * numbers for zeros; AMX's TDPBF16PS adds the two halves' chains over a run, then those to C. The bits of a row do not
     * depend on how k is split at multiples of the run. Agrees with the specification to the rounding of a sum of 2k
     * products. */
    void (*gemm_bf16)(size_t m, size_t n, size_t k, const uint32_t *a, size_t lda, const uint32_t *b, size_t ldb,
                      float *c, size_t ldc, bool accumulate, const kern_ahead *ahead);

    /* The product of 8-bit integers [exact], from panels as above whose units hold four bytes, elements 4p .. 4p+3,
     * lowest byte first: A's are the quantised values + 128 (quantise_u8), unsigned and never 0, B's are signed.
     *   C[i,j] = (float)(sum_p a * b + correction[j]) * (row_scale[i] * column_scale[j])
     * with correction[j] = -128 * sum_p b[p,j], which takes the 128 away again; a kernel that does without the 128 need
     * not read it. The sum is exact for 4k <= 65536. correction and column_scale [n], row_scale [m]. */
    void (*gemm_i8)(size_t m, size_t n, size_t k, const uint32_t *a, size_t lda, const uint32_t *b, size_t ldb,
                    const int32_t *correction, const float *row_scale, const float *column_scale, float *c, size_t ldc,
                    const kern_ahead *ahead);

    /* Packs n <= width rows of k units (row stride ldx in units; torch's Linear layout for B) into a panel [k][width]:
     * panel[p * width + j] = x[j * ldx + p], zero for n <= j < width. The units are copied as they are; they are called
     * floats, whatever they hold. Fastest for width = mr and width = nr. [exact] */
    void (*gemm_pack)(size_t width, size_t n, size_t k, const float *x, size_t ldx, float *panel);

    /* y[i] = round(x[i] * inverse_scale) + 128, to nearest even, held to [1, 255]; NaN becomes 128. [exact] */
    void (*quantise_u8)(size_t n, const float *x, float inverse_scale, uint8_t *y);

    /* max_i |x[i]|, 0 for n = 0; NaN if any is NaN (as if by comparing the bits of the magnitudes). [exact, but for
     * which NaN] */
    float (*absmax_f32)(size_t n, const float *x);

    /* c[i,j] = act(c[i,j] + bias[j]) + residual[i,j]. bias and residual may be NULL. residual may be c's own source
     * buffer only if it does not overlap c. */
    void (*epilogue_f32)(size_t m, size_t n, float *c, size_t ldc, const float *bias, kern_act act,
                         const float *residual, size_t ldr);

    /* ---- Normalisation ----------------------------------------------------------------------------------- */
    /* Layer norm over the last dimension (torch.nn.LayerNorm; population variance, two passes over the row):
     * y[i,j] = (x[i,j] - mean_i) * rstd_i * gamma[j] + beta[j], rstd = 1 / sqrt(var + eps). In place allowed (y == x).
     * mean and rstd [rows] receive the statistics if not NULL (the backward pass needs them). n = 0 writes nothing. */
    void (*layer_norm_f32)(size_t rows, size_t n, const float *x, size_t ldx, const float *gamma, const float *beta,
                           float eps, float *y, size_t ldy, float *mean, float *rstd);

    /* Moments per channel over rows (group norm over time, statistics pooling) [exact]:
     * sum[c] += w_i * x[i,c] and sumsq[c] += w_i * x[i,c]^2, in double, rows in ascending order; the products are
     * formed in double: (double)w * (double)x, then times x, no fused multiply-add. weight NULL means w_i = 1 (no
     * product with w). */
    void (*channel_moments_f32)(size_t rows, size_t channels, const float *x, size_t ldx, const float *weight,
                                double *sum, double *sumsq);

    /* y[i,c] = fma(x[i,c], scale[c], shift[c]). In place allowed. [exact] */
    void (*channel_affine_f32)(size_t rows, size_t channels, const float *x, size_t ldx, const float *scale,
                               const float *shift, float *y, size_t ldy);

    /* ---- Element-wise; in place allowed (y == x) --------------------------------------------------------- */
    void (*exp_f32)(size_t n, const float *x, float *y);     /* underflows to 0 (gradually or not), overflows to inf */
    void (*tanh_f32)(size_t n, const float *x, float *y);
    void (*sigmoid_f32)(size_t n, const float *x, float *y); /* 1 / (1 + exp(-x)) */
    void (*gelu_f32)(size_t n, const float *x, float *y);    /* x * (1 + erf(x / sqrt 2)) / 2 (torch's default); 0 at -inf */
    void (*relu_f32)(size_t n, const float *x, float *y);    /* x < 0 ? 0 : x; NaN and -0 stay [exact] */
    void (*add_f32)(size_t n, const float *a, const float *b, float *y); /* a + b [exact] */
    void (*mul_f32)(size_t n, const float *a, const float *b, float *y); /* a * b [exact] */
    void (*axpy_f32)(size_t n, float alpha, const float *x, float *y);   /* y = fma(alpha, x, y) [exact] */

    /* x[i,j] *= factor[i]. [exact] */
    void (*scale_rows_f32)(size_t rows, size_t n, float *x, size_t ldx, const float *factor);

    /* ---- Reductions over a contiguous vector (order: kernels/body/sum.h) ---------------------------------- */
    float (*sum_f32)(size_t n, const float *x);
    float (*max_f32)(size_t n, const float *x); /* -inf for n = 0; NaN if any is NaN [exact, but for a zero's sign] */
    float (*dot_f32)(size_t n, const float *x, const float *y);

    /* y = softmax(x) over n elements: exp(x - max) / sum. In place allowed. */
    void (*softmax_f32)(size_t n, const float *x, float *y);

    /* ---- Attention with WavLM's gated relative position bias ---------------------------------------------- */
    /* One tile of an online softmax. For each row r < rows (a query) and j < keys:
     *   s[r,j] = s[r,j] * scale + gate[r] * bias[j - r]
     * (bias points at the entry for row 0, key 0 of the tile; the table is indexed by key - query, so entries
     * bias[-(rows-1)] .. bias[keys-1] are read; bias NULL: no bias term), then with m' = max(running_max[r], max_j s):
     *   rescale[r] = exp(running_max[r] - m') (0 if running_max was -inf), s[r,j] = exp(s[r,j] - m'),
     *   running_sum[r] = running_sum[r] * rescale[r] + sum_j s[r,j], running_max[r] = m'.
     * Start with running_max = -inf, running_sum = 0. keys = 0 leaves the running values and sets rescale to 1. */
    void (*attention_softmax_f32)(size_t rows, size_t keys, float *s, size_t lds, float scale, const float *gate,
                                  const float *bias, float *running_max, float *running_sum, float *rescale);

    /* The gate of the relative bias (modeling_wavlm.WavLMAttention, gru_rel_pos). For row i and head h, with
     * x_ih = x[i, h*dim .. h*dim+dim): a = sigmoid(w[0].x_ih + b[0]), g = sigmoid(w[1].x_ih + b[1]),
     * gate[h * ldg + i] = a * (g * constant[h] - 1) + 2. w is [2, dim] and b [2]: the sums over the groups of four
     * output rows of gru_rel_pos_linear, formed once at load. */
    void (*relative_gate_f32)(size_t rows, size_t heads, size_t dim, const float *x, size_t ldx, const float *w,
                              const float *b, const float *constant, float *gate, size_t ldg);

    /* ---- Conversions [exact] ------------------------------------------------------------------------------ */
    void (*f16_to_f32)(size_t n, const uint16_t *x, float *y);
    void (*f32_to_f16)(size_t n, const float *x, uint16_t *y); /* to nearest even; NaN stays a quiet NaN */
    void (*bf16_to_f32)(size_t n, const uint16_t *x, float *y);
    void (*f32_to_bf16)(size_t n, const float *x, uint16_t *y); /* to nearest even; NaN stays a quiet NaN */

    /* Two rows of n to pairs, y[i] = bf16(low[i]) | bf16(high[i]) << 16, each rounded as by f32_to_bf16, and back. high
     * NULL: a row of zeros; not wanted. */
    void (*f32_to_bf16_pairs)(size_t n, const float *low, const float *high, uint32_t *y);
    void (*bf16_pairs_to_f32)(size_t n, const uint32_t *x, float *low, float *high);

    /* Rows of n floats, rounded as by f32_to_bf16, to units in runs, as gemm_bf16 takes its A where run > 1, run <= 16: unit p
     * of row i at y[p / run * stride + i * run + p % run]; zeros fill the last run up. */
    void (*f32_to_bf16_runs)(size_t rows, size_t n, const float *x, size_t ldx, size_t run, size_t stride, uint32_t *y);

    /* ---- Backward ---------------------------------------------------------------------------------------- */
    /* d* is the gradient of a scalar loss with respect to *. "+=" adds to what is there, rounding once an addition, so
     * gradients start at 0 and gather over calls. Outputs overlap neither inputs nor each other. What is gathered over
     * rows is added row by row, in ascending order: the rows may be split over several calls without changing a bit. */

    /* y[j,i] = x[i,j]: x [rows, cols] to y [cols, rows]. [exact] */
    void (*transpose_f32)(size_t rows, size_t cols, const float *x, size_t ldx, float *y, size_t ldy);

    /* Per channel over rows, in double [exact]: sum[c] += x[i,c] (gradients of biases), and sum[c] += x[i,c] * y[i,c]
     * (of scales); the product of two floats is exact in double, fused with the addition or not. */
    void (*channel_sum_f32)(size_t rows, size_t channels, const float *x, size_t ldx, double *sum);
    void (*channel_dot_f32)(size_t rows, size_t channels, const float *x, size_t ldx, const float *y, size_t ldy,
                            double *sum);

    /* Layer norm, from layer_norm_f32's x, mean and rstd: with h[j] = (x[i,j] - mean_i) * rstd_i, g = dy * gamma and
     * means over the row, dx[i,j] += rstd_i * (g[j] - mean(g) - h[j] * mean(g * h)); in double dgamma[j] += dy[i,j] *
     * h[j] and dbeta[j] += dy[i,j], the latter [exact] (h may be a float). Each of dx, dgamma and dbeta may be NULL. */
    void (*layer_norm_backward_f32)(size_t rows, size_t n, const float *x, size_t ldx, const float *gamma,
                                    const float *mean, const float *rstd, const float *dy, size_t lddy, float *dx,
                                    size_t lddx, double *dgamma, double *dbeta);

    /* dx[i] += dy[i] * f'(x[i]). gelu: f' = Phi(x) + x * phi(x), the normal distribution and its density; 0 at -inf and
     * 1 at inf, the limits. relu [exact]: dx[i] += x[i] > 0 ? dy[i] : +0, dy not being looked at where x <= 0 or NaN.
     * tanh takes the result y = tanh(x): f' = 1 - y * y, to a float's precision also where |y| is nearly 1. */
    void (*gelu_backward_f32)(size_t n, const float *x, const float *dy, float *dx);
    void (*relu_backward_f32)(size_t n, const float *x, const float *dy, float *dx);
    void (*tanh_backward_f32)(size_t n, const float *y, const float *dy, float *dx);

    /* Softmax, from its result y: dx[i] += y[i] * (dy[i] - sum_j dy[j] * y[j]). */
    void (*softmax_backward_f32)(size_t n, const float *y, const float *dy, float *dx);

    /* One tile of attention, recomputed from its scores. For row r (a query) and key j, with ds = p * (dp[r,j] -
     * delta[r]) and p = exp(s[r,j] * scale + gate[r] * bias[j - r] - max[r]) * inverse_sum[r]:
     *   s[r,j] = p, dp[r,j] = ds * scale, dgate[r] += sum_j ds * bias[j - r], dbias[j - r] += ds * gate[r].
     * On entry s holds the scores and dp the gradients of the probabilities (dO V^T); on return s the probabilities
     * (for dV) and dp the gradients of the scores (for dQ, dK). max and inverse_sum are the forward pass's running_max
     * and 1 / running_sum after its last tile; delta[r] is the dot product of the row's output and its gradient. bias
     * is placed as in attention_softmax_f32, dbias like it: entries -(rows-1) .. keys-1. bias NULL: no bias term, and
     * gate, dgate and dbias are not touched. dbias alone NULL: not wanted (a frozen table). */
    void (*attention_backward_f32)(size_t rows, size_t keys, float *s, size_t lds, float *dp, size_t lddp, float scale,
                                   const float *gate, const float *bias, const float *max, const float *inverse_sum,
                                   const float *delta, float *dgate, float *dbias);

    /* relative_gate_f32, its a and g recomputed; dgate is indexed like its gate, [h * ldg + i]. With the gradients of
     * the two logits, u = dgate * (g * constant[h] - 1) * a * (1 - a) and v = dgate * a * constant[h] * g * (1 - g):
     *   dx[i, h*dim + j] += u * w[0,j] + v * w[1,j] (one addition), and in double
     *   dw[0,j] += u * x[i, h*dim + j], dw[1,j] += v * x[i, h*dim + j], db[0] += u, db[1] += v,
     *   dconstant[h] += dgate * a * g,
     * heads in ascending order within a row. dw is [2, dim], db [2], dconstant [heads]. dx may be NULL. */
    void (*relative_gate_backward_f32)(size_t rows, size_t heads, size_t dim, const float *x, size_t ldx,
                                       const float *w, const float *b, const float *constant, const float *dgate,
                                       size_t ldg, float *dx, size_t lddx, double *dw, double *db, double *dconstant);

    /* sum_i x[i]^2 in double, the squares exact, in a fixed order (gradient norms). */
    double (*sum_squares_f32)(size_t n, const float *x);

    /* One step of AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization"; torch.optim.AdamW), element by
     * element, w, m and v in place, every operation rounded to float, no fused multiply-add [exact]:
     *   g = grad * grad_scale, w = w * decay, m = m * beta1 + g * (1 - beta1), v = v * beta2 + (g * g) * (1 - beta2),
     *   w = w - step_size * (m / (sqrt(v) / root + eps))
     * with decay = 1 - lr * weight_decay, step_size = lr / (1 - beta1^t), root = sqrt(1 - beta2^t), t = 1 in the first
     * step; the differences 1 - beta are given as one_minus_beta1, one_minus_beta2. */
    void (*adamw_f32)(size_t n, float *w, const float *grad, float *m, float *v, const kern_adamw *a);
} kern_table;

/* What this machine can run: bit t of tiers is set when tier t works here (CPUID bundle present and the operating
 * system saves the registers). best is the highest such tier. caps holds KERN_CAP_*. */
typedef struct kern_cpu {
    unsigned tiers;
    unsigned caps;
    kern_tier best;
} kern_cpu;

/* On Linux asks the system to let this process use AMX where the CPU has it. */
kern_cpu kern_cpu_probe(void);

/* Fills t with the kernels of the tier and of those of the capabilities that belong to the tier and that this build
 * contains; others do nothing. Returns false, with t untouched, when this build does not contain the tier or
 * kern_table_check refuses the result. Does not look at the CPU: running a kernel of a tier or a capability that the CPU
 * lacks ends the process. */
bool kern_table_fill(kern_table *t, kern_tier tier, unsigned caps);

/* True when no kernel of t is missing and its blocks are consistent: none is 0, mc % mr = 0, nc % nr = 0,
 * kc % run = 0, one nr, f32's run 1. */
bool kern_table_check(const kern_table *t);

/* "portable", "neon", "avx2", "avx512". */
const char *kern_tier_name(kern_tier tier);

/* Finds the tier of that name; "scalar" is portable's former name. Returns false when there is none. */
bool kern_tier_find(const char *name, kern_tier *tier);

/* Finds the tier and the capabilities that "TIER" or "TIER-CAP-CAP.." names: without those of "bf16", "vnni", "dotprod"
 * and "amx" that it lists. all: those there are. Returns false when there is no such tier or capability. */
bool kern_tier_parse(const char *name, unsigned all, kern_tier *tier, unsigned *caps);

#endif
