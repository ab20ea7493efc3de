/* The moving average of a model's weights: its values by the formula, written another way; what it leaves alone. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "engine/memory.h"
#include "model/checkpoint/average.h"

enum { COUNT = 5 };

typedef struct weights {
    mdl_params params;
    float learns[COUNT], rests[COUNT], grad[COUNT];
} weights;

static void weights_init(weights *w)
{
    size_t shape[] = {COUNT};
    eng_error err = {0};
    *w = (weights){0};
    for (size_t j = 0; j < COUNT; j++) w->learns[j] = w->rests[j] = (float)j - 1.5f;
    cr_assert_eq(mdl_params_add(&w->params, "learns", 1, shape, MDL_PARAM_AS_IS, w->learns, w->grad, &err), ENG_OK);
    cr_assert_eq(mdl_params_add(&w->params, "rests", 1, shape, MDL_PARAM_AS_IS, w->rests, w->grad, &err), ENG_OK);
    w->params.param[1].frozen = true;
}

static void average_init(mdl_average *a, const weights *w)
{
    eng_error err = {0};
    cr_assert_eq(mdl_average_init(a, &w->params, NULL, &err), ENG_OK, "%s", err.message);
}

/* Weight j of step t. */
static float moved(size_t j, size_t t)
{
    return (float)sin((double)(3 * t + j));
}

Test(average, follows_the_formula)
{
    weights w;
    mdl_average a;
    double expected[COUNT];
    weights_init(&w);
    average_init(&a, &w);
    for (size_t j = 0; j < COUNT; j++) expected[j] = w.learns[j];
    for (size_t t = 1; t <= 200; t++) {
        double d = (1.0 + (double)t) / (10.0 + (double)t);
        if (d > 0.9) d = 0.9; /* from step 80 on */
        for (size_t j = 0; j < COUNT; j++) {
            w.learns[j] = moved(j, t);
            w.rests[j] = moved(j, t);
            expected[j] = d * expected[j] + (1 - d) * w.learns[j];
        }
        mdl_average_step(&a, &w.params, 0.9, t);
        for (size_t j = 0; j < COUNT; j++) {
            cr_assert_eq(w.learns[j], moved(j, t), "the parameters stay what they were");
            double err = fabs((double)a.value[0][j] - expected[j]);
            cr_assert_not(!(err <= 1e-6), "step %zu, weight %zu: %.9g, expected %.9g", t, j, (double)a.value[0][j],
                          expected[j]);
        }
    }
    cr_assert_null(a.value[1]);
    mdl_average_fini(&a);
    mdl_params_fini(&w.params);
}

Test(average, swapped_and_back)
{
    weights w;
    mdl_average a;
    float average[COUNT], parameters[COUNT], rests[COUNT];
    weights_init(&w);
    average_init(&a, &w);
    for (size_t j = 0; j < COUNT; j++) w.learns[j] = moved(j, 1);
    mdl_average_step(&a, &w.params, 0.999, 1);
    memcpy(average, a.value[0], sizeof average);
    memcpy(parameters, w.learns, sizeof parameters);
    memcpy(rests, w.rests, sizeof rests);
    cr_assert_neq(memcmp(average, parameters, sizeof average), 0);
    mdl_average_swap(&a, &w.params);
    cr_assert_arr_eq(w.learns, average, sizeof average);
    cr_assert_arr_eq(a.value[0], parameters, sizeof parameters);
    cr_assert_arr_eq(w.rests, rests, sizeof rests);
    mdl_average_swap(&a, &w.params);
    cr_assert_arr_eq(w.learns, parameters, sizeof parameters);
    cr_assert_arr_eq(a.value[0], average, sizeof average);
    mdl_average_fini(&a);
    mdl_params_fini(&w.params);
}

Test(average, none_does_nothing)
{
    weights w;
    mdl_average a = {0};
    float before[COUNT];
    weights_init(&w);
    memcpy(before, w.learns, sizeof before);
    mdl_average_step(&a, &w.params, 0.9, 1);
    mdl_average_swap(&a, &w.params);
    cr_assert_arr_eq(w.learns, before, sizeof before);
    mdl_average_fini(&a);
    mdl_params_fini(&w.params);
}
