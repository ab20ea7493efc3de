/* gru_rel_pos_linear's eight outputs are summed in two groups of four before the sigmoid, which is the same as two rows
 * with the sums of the weights. Backward: each of the four gets its sum's gradient. */
#include "engine/tape.h"
#include "model/network/forward.h"

typedef struct fold_saved {
    const mdl_gate *gate;
    size_t dim;
    float *dw, *db; /* gradients of the sums */
} fold_saved;

static void fold_backward(eng_context *ctx, void *saved)
{
    (void)ctx;
    const fold_saved *s = saved;
    for (size_t row = 0; row < 8; row++) {
        for (size_t j = 0; s->gate->w.grad && j < s->dim; j++)
            s->gate->w.grad[row * s->dim + j] += s->dw[row / 4 * s->dim + j];
        if (s->gate->b.grad) s->gate->b.grad[row] += s->db[row / 4];
    }
}

eng_gate_weights mdl_fold_gate(const mdl_gate *gate, eng_context *ctx, size_t dim)
{
    eng_tensor w = eng_tensor_new(ctx, 2, dim), b = eng_tensor_new(ctx, 1, 2);
    for (size_t g = 0; g < 2 && eng_good(ctx); g++) {
        for (size_t j = 0; j < dim; j++) {
            const float *column = gate->w.data + 4 * g * dim + j;
            eng_row(w, g)[j] = (float)((double)column[0] + column[dim] + column[2 * dim] + column[3 * dim]);
        }
        const float *four = gate->b.data + 4 * g;
        b.data[g] = (float)((double)four[0] + four[1] + four[2] + four[3]);
    }
    fold_saved *s = eng_record(ctx, fold_backward, sizeof *s);
    if (s) *s = (fold_saved){gate, dim, w.grad, b.grad};
    return (eng_gate_weights){{w.data, w.grad}, {b.data, b.grad}, gate->constant};
}
