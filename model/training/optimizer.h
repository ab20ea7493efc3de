/* AdamW over a model's parameters (Loshchilov and Hutter, "Decoupled weight decay regularization"; torch.optim.AdamW). */
#ifndef MODEL_TRAINING_OPTIMIZER_H
#define MODEL_TRAINING_OPTIMIZER_H

#include "engine/context.h"
#include "model/checkpoint/params.h"

typedef struct mdl_adamw {
    double learning_rate, beta1, beta2, eps, weight_decay;
} mdl_adamw;

/* torch's defaults but for the rates, which are the paper's (arXiv 2405.04485): 1e-5 and 0.01. */
mdl_adamw mdl_adamw_defaults(void);

/* First and second moments of what learns, and the number of steps taken. */
typedef struct mdl_optimizer {
    size_t step, count;
    mdl_span *own;          /* [count]: of each parameter */
    float **mean, **square; /* [count] of [own.count]; NULL where that is 0 */
} mdl_optimizer;

/* Moments of zero for the spans own [p->count] of p's parameters, which learn; NULL: for the whole of those that are not
 * frozen, and none that thaws later. Error: out of memory. Free with mdl_optimizer_fini, also after an error. */
eng_status mdl_optimizer_init(mdl_optimizer *o, const mdl_params *p, const mdl_span *own, eng_error *err);
void mdl_optimizer_fini(mdl_optimizer *o);

/* One step: what o owns moves along its gradient times gradient_scale, at the parameter's own rate (params.h). Then all
 * gradients are zero, for the next step's to be added to. The same bits on any number of threads. */
void mdl_optimizer_step(mdl_optimizer *o, const mdl_params *p, eng_context *ctx, const mdl_adamw *a,
                        double gradient_scale);

#endif
