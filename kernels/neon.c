/* The NEON tier's table: every kernel of the base aarch64 instruction set. */
#include "kernels/neon.h"

void kern_table_fill_neon(kern_table *t)
{
    t->tier = KERN_TIER_NEON;

    /* A 256 x 12 panel of B takes 12 KiB, so that with 8 KiB of A it stays in the 32 KiB L1 of small cores too;
     * 128 x 256 of A take 128 KiB of L2. */
    t->gemm_blocks = t->bf16_blocks = t->i8_blocks =
        (kern_gemm_blocks){.mr = KERN_NEON_MR, .nr = KERN_NEON_NR, .kc = 256, .mc = 128, .nc = 384, .run = 1};
    t->gemm_f32 = kern_gemm_f32_neon;
    t->gemm_i8 = kern_gemm_i8_neon;
    t->gemm_pack = kern_gemm_pack_neon;
    t->quantise_u8 = kern_quantise_u8_neon;
    t->absmax_f32 = kern_absmax_f32_neon;
    t->epilogue_f32 = kern_epilogue_f32_neon;

    t->layer_norm_f32 = kern_layer_norm_f32_neon;
    t->channel_moments_f32 = kern_channel_moments_f32_neon;
    t->channel_affine_f32 = kern_channel_affine_f32_neon;

    t->exp_f32 = kern_exp_f32_neon;
    t->tanh_f32 = kern_tanh_f32_neon;
    t->sigmoid_f32 = kern_sigmoid_f32_neon;
    t->gelu_f32 = kern_gelu_f32_neon;
    t->relu_f32 = kern_relu_f32_neon;
    t->add_f32 = kern_add_f32_neon;
    t->mul_f32 = kern_mul_f32_neon;
    t->axpy_f32 = kern_axpy_f32_neon;
    t->scale_rows_f32 = kern_scale_rows_f32_neon;

    t->sum_f32 = kern_sum_f32_neon;
    t->max_f32 = kern_max_f32_neon;
    t->dot_f32 = kern_dot_f32_neon;

    t->softmax_f32 = kern_softmax_f32_neon;
    t->attention_softmax_f32 = kern_attention_softmax_f32_neon;
    t->relative_gate_f32 = kern_relative_gate_f32_neon;

    t->transpose_f32 = kern_transpose_f32_neon;
    t->channel_sum_f32 = kern_channel_sum_f32_neon;
    t->channel_dot_f32 = kern_channel_dot_f32_neon;
    t->layer_norm_backward_f32 = kern_layer_norm_backward_f32_neon;
    t->gelu_backward_f32 = kern_gelu_backward_f32_neon;
    t->relu_backward_f32 = kern_relu_backward_f32_neon;
    t->tanh_backward_f32 = kern_tanh_backward_f32_neon;
    t->softmax_backward_f32 = kern_softmax_backward_f32_neon;
    t->attention_backward_f32 = kern_attention_backward_f32_neon;
    t->relative_gate_backward_f32 = kern_relative_gate_backward_f32_neon;
    t->sum_squares_f32 = kern_sum_squares_f32_neon;
    t->adamw_f32 = kern_adamw_f32_neon;

    t->f16_to_f32 = kern_f16_to_f32_neon;
    t->f32_to_f16 = kern_f32_to_f16_neon;
    t->bf16_to_f32 = kern_bf16_to_f32_neon;
    t->f32_to_bf16 = kern_f32_to_bf16_neon;
    t->f32_to_bf16_pairs = kern_f32_to_bf16_pairs_neon;
    t->bf16_pairs_to_f32 = kern_bf16_pairs_to_f32_neon;
}
