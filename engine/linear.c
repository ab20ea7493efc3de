#include "engine/linear.h"

void eng_linear_into(eng_context *ctx, eng_tensor x, const eng_packed *w, const float *bias, kern_act act,
                     eng_tensor residual, eng_tensor y)
{
    if (!eng_good(ctx)) return;
    ENG_CHECK(x.cols == w->k && y.cols == w->n && y.rows == x.rows, "linear: x [%zu, %zu], W [%zu, %zu], y [%zu, %zu]",
              x.rows, x.cols, w->n, w->k, y.rows, y.cols);
    ENG_CHECK(!residual.data || (residual.rows == y.rows && residual.cols == y.cols),
              "linear: residual [%zu, %zu], y [%zu, %zu]", residual.rows, residual.cols, y.rows, y.cols);
    eng_epilogue e = {bias, act, residual.data, residual.stride};
    eng_gemm(ctx, x.rows, x.data, x.stride, w, y.data, y.stride, &e);
}

eng_tensor eng_linear(eng_context *ctx, eng_tensor x, const eng_packed *w, const float *bias, kern_act act,
                      eng_tensor residual)
{
    eng_tensor y = eng_tensor_new(ctx, x.rows, w->n);
    eng_linear_into(ctx, x, w, bias, act, residual, y);
    return y;
}
