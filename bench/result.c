/* One line a measurement: JSON or text. */
#include <math.h>
#include <stdio.h>

#include "bench/bench.h"
#include "weights/value.h"

static void print_number(const char *name, double value)
{
    if (isfinite(value))
        printf(", \"%s\": %.6g", name, value);
    else
        printf(", \"%s\": null", name);
}

static void print_name(const char *key, const char *value)
{
    char quoted[4096];
    if (wts_json_quote(quoted, sizeof quoted, value) < sizeof quoted) printf(", \"%s\": %s", key, quoted);
    else printf(", \"%s\": \"...\"", key);
}

static const char *truth(bool value)
{
    return value ? "true" : "false";
}

static void print_json(const bench_result *r)
{
    const bench_network *w = r->network;
    printf("{\"bench\": \"%s\", \"engine\": \"%s\"", r->bench, r->engine);
    print_name(w ? "model" : "shape", w ? w->model : r->shape);
    printf(", \"precision\": \"f32\", \"threads\": %zu", r->threads);
    if (w) printf(", \"batch\": %zu", w->batch);
    print_number("seconds_audio", w ? w->seconds_audio : NAN);
    print_number("time_s", r->time_s);
    print_number("time_min_s", r->time_min_s);
    print_number("gflops", r->gflops);
    print_number("peak_gflops", r->peak_gflops);
    print_number("share_of_peak", r->gflops / r->peak_gflops);
    print_number("gbytes_s", r->gbytes_s);
    print_number("max_error", r->max_error);
    if (w) {
        print_number("x_realtime", w->seconds_audio / r->time_s);
        print_number("work_gflop", w->work_gflop);
        printf(", \"peak_bytes\": %zu", w->peak_bytes);
        if (w->training)
            printf(", \"checkpoint_layers\": %s, \"train_feature_encoder\": %s", truth(w->checkpoint_layers),
                   truth(w->train_feature_encoder));
        if (w->training) print_number("forward_backward_s", w->forward_backward_s);
    }
    printf("}\n");
}

static void print_shape_text(const bench_result *r)
{
    printf("%-5s %-9s %-28s f32 x%zu %11.2f us (least %11.2f)", r->bench, r->engine, r->shape, r->threads,
           1e6 * r->time_s, 1e6 * r->time_min_s);
}

static void print_network_text(const bench_result *r)
{
    const bench_network *w = r->network;
    printf("%-5s %s, %zu x %g s%s%s f32 x%zu %8.3f s (least %.3f)", r->bench, w->model, w->batch,
           w->seconds_audio / (double)w->batch, w->checkpoint_layers ? ", checkpointed layers" : "",
           w->train_feature_encoder ? ", feature encoder trained" : "", r->threads, r->time_s, r->time_min_s);
    if (w->training) printf(", %.3f s without the optimizer", w->forward_backward_s);
}

static void print_text(const bench_result *r)
{
    if (r->network) print_network_text(r);
    else print_shape_text(r);
    if (isfinite(r->gflops))
        printf("  %6.1f of %6.1f GFLOP/s (%3.0f %%)", r->gflops, r->peak_gflops, 100.0 * r->gflops / r->peak_gflops);
    if (isfinite(r->gbytes_s)) printf("  %6.1f GB/s", r->gbytes_s);
    if (r->network)
        printf("  %.1f x real time, %.2f GB", r->network->seconds_audio / r->time_s,
               1e-9 * (double)r->network->peak_bytes);
    if (isfinite(r->max_error)) printf("  error %.1e", r->max_error);
    putchar('\n');
}

void bench_print(const bench_run *run, const bench_result *r)
{
    if (run->options->json)
        print_json(r);
    else
        print_text(r);
    fflush(stdout);
}
