/* Binding a checkpoint's tensors to a model's parameters, by canonical name (weights/names.h). Every tensor is asked for
 * at most once; what nobody asked for is an error at the end. The first failure sticks.
 *
 * A second source of tensors stands beside the checkpoint: an initialiser, from which the head, or all parameters, are
 * drawn. Whoever asks for a tensor does not see where it comes from. */
#ifndef MODEL_CHECKPOINT_LOADER_H
#define MODEL_CHECKPOINT_LOADER_H

#include "engine/context.h"
#include "engine/param.h"
#include "model/checkpoint/initialise.h"
#include "model/checkpoint/params.h"
#include "model/checkpoint/precision.h"
#include "weights/checkpoint.h"
#include "weights/names.h"
#include "weights/panels.h"

typedef struct mdl_loader {
    const char *path;            /* for messages */
    const wts_checkpoint *file;  /* NULL: there is none, and init draws the backbone too */
    const mdl_initialiser *init; /* NULL: everything comes from the file */
    wts_layout layout;
    wts_panels panels; /* of the file: its weights are packed already */
    const kern_table *k;
    eng_pool *pool;
    eng_precision precision; /* of the model */
    bool bf16_is_fast;       /* on this CPU, and allowed in an int8 model */
    mdl_part part;           /* what is being loaded: it settles the precision of what is packed */
    bool to_store;           /* ... as in a converted file; else as it runs here */
    eng_arena *memory;  /* the model's, for vectors */
    bool trainable;     /* parameters lie in plain memory with a gradient */
    mdl_params *params; /* NULL: for inference; else parameters are listed here */
    wts_name_map names;
    bool *used; /* [file->count] */
    bool borrowed; /* some weight lies in the file's mapping */
    eng_arena drawn; /* tensors of init, until the function that asked for them returns */
    eng_error *err;
    eng_status status;
} mdl_loader;

/* Indexes the checkpoint, if l->file is one, by canonical names. The caller has set path, file, init, layout,
 * panels, k, pool, precision, bf16_is_fast, to_store, memory, trainable, params and err; the rest is zero. Error: two tensors of one
 * canonical name. */
eng_status mdl_loader_init(mdl_loader *l);
void mdl_loader_fini(mdl_loader *l);

/* True when the parameter of that name is drawn, not read. */
bool mdl_loader_draws(const mdl_loader *l, const char *name);

/* True when the checkpoint has a tensor of that canonical name, and it is to be read. */
bool mdl_loader_has(const mdl_loader *l, const char *name);

/* The tensor of that name and shape, marked as used, or drawn; NULL, with the error set, when it is missing, has another
 * shape, or a dtype or layout that cannot be read as f32. */
const wts_tensor *mdl_loader_take(mdl_loader *l, const char *name, size_t ndim, const size_t *shape);

/* A tensor's shape in the checkpoint without using it; false, with the error set, when it is missing or has another number
 * of dimensions. */
bool mdl_loader_shape(mdl_loader *l, const char *name, size_t ndim, size_t *shape);

/* Reads the whole tensor as f32 into l->memory. NULL on failure. */
float *mdl_loader_read(mdl_loader *l, const char *name, size_t ndim, const size_t *shape);

/* Appends a parameter to l->params, if there are such. */
void mdl_loader_list(mdl_loader *l, const char *name, size_t ndim, const size_t *shape, mdl_param_layout layout,
                     float *data, float *grad);

/* Zeros for count gradients in l->memory; NULL when not training, and, with the error set, when out of memory. */
float *mdl_loader_gradient(mdl_loader *l, size_t count);

/* count floats of l->memory as a parameter of that shape: with a gradient when training, and listed. */
eng_vector mdl_loader_adopt(mdl_loader *l, const char *name, size_t ndim, const size_t *shape, float *data);

/* mdl_loader_read's tensor as a parameter. */
eng_vector mdl_loader_param(mdl_loader *l, const char *name, size_t ndim, const size_t *shape);
eng_vector mdl_loader_vector(mdl_loader *l, const char *name, size_t n);

/* What a weight of l->part is packed in. */
eng_precision mdl_loader_precision(const mdl_loader *l);

/* Runs the tasks of packing w on l's threads; *failed, which arg holds, is [threads] during the run, and a task that finds
 * no memory sets its worker's. */
void mdl_loader_run(mdl_loader *l, size_t tasks, eng_task_fn task, void *arg, bool **failed, const eng_weight *w);

/* Produces row `row` of a matrix as k floats; false when out of memory. Called from several threads at once, for
 * different rows. */
typedef bool (*mdl_row_source)(void *arg, size_t row, float *out, eng_arena *scratch);

/* Packs a matrix [n, k] whose rows come from source, in l->part's precision; when training, it is laid out in f32 with a
 * gradient beside it. */
void mdl_loader_pack(mdl_loader *l, size_t n, size_t k, mdl_row_source source, void *arg, eng_weight *out);

/* Packs a stack of `parts` matrices [rows, k] one below the other; names[i] + ".weight". If biases is not NULL, it gets
 * the stacked names[i] + ".bias" [parts * rows]. stack: what a converted file calls them together. */
void mdl_loader_linear(mdl_loader *l, const char *stack, size_t parts, const char *const *names, size_t rows, size_t k,
                       eng_weight *out, eng_vector *biases);

/* How many outputs the linear layer of that name has; false, with the error set, when it is not there. */
bool mdl_loader_outputs(mdl_loader *l, const char *name, size_t *out);

/* True when the checkpoint has a linear layer of that name, and it is to be read. */
bool mdl_loader_has_linear(const mdl_loader *l, const char *name);

/* Packs a convolution's name + ".weight" [out, in, kernel] as [out, kernel * in] with index [tap][channel]. */
void mdl_loader_conv(mdl_loader *l, const char *name, size_t out_channels, size_t in_channels, size_t kernel,
                     eng_weight *out);

/* Weight [n, k] of a converted file, by name (README.md): used where it is mapped when it runs in the precision that it has
 * and l's kernels have panels of that width, else packed anew in memory of the model. */
void mdl_loader_bind(mdl_loader *l, const char *name, size_t n, size_t k, eng_weight *out);

/* Appends a packed weight to l->params, if there are such, under the name that it has in a converted file. */
void mdl_loader_list_packed(mdl_loader *l, const char *name, const eng_weight *w);

/* The tensor of that name, dtype and shape, marked as used; NULL, with the error set, when it is not there. */
const wts_tensor *mdl_loader_take_exactly(mdl_loader *l, const char *name, wts_dtype dtype, size_t ndim,
                                          const size_t *shape);

/* The caller has what it wanted of t: its pages or its memory can go. */
void mdl_loader_let_go(mdl_loader *l, const wts_tensor *t);

/* Marks a tensor that may be there but is not needed. */
void mdl_loader_ignore(mdl_loader *l, const char *name);

/* Marks every tensor outside the backbone: its head is replaced. */
void mdl_loader_ignore_head(mdl_loader *l);

/* Error when a floating-point tensor was never asked for; its message names the first such and how many there are. */
eng_status mdl_loader_finish(mdl_loader *l);

/* Records a failure unless there was one before. */
void mdl_loader_fail(mdl_loader *l, eng_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
