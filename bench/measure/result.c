/* One line a measurement: JSON or text. */
#include <math.h>
#include <stdio.h>

#include "bench/bench.h"
#include "bench/work/lists.h"
#include "bench/measure/table.h"
#include "weights/value.h"

void bench_put_number(const char *name, double value)
{
    if (isfinite(value))
        printf(", \"%s\": %.6g", name, value);
    else
        printf(", \"%s\": null", name);
}

void bench_put_text(const char *key, const char *value)
{
    char quoted[4096];
    if (wts_json_quote(quoted, sizeof quoted, value) < sizeof quoted)
        printf(", \"%s\": %s", key, quoted);
    else
        printf(", \"%s\": \"...\"", key);
}

static const char *truth(bool value)
{
    return value ? "true" : "false";
}

static void print_json(const bench_result *r)
{
    const bench_network *w = r->network;
    printf("{\"bench\": \"%s\", \"engine\": \"%s\"", r->bench, r->engine);
    bench_put_text(w ? "model" : "shape", w ? w->model : r->shape);
    if (r->kind) bench_put_text("kind", r->kind);
    printf(", \"precision\": \"%s\", \"threads\": %zu", bench_precision_name(r->precision), r->threads);
    if (w) printf(", \"batch\": %zu", w->batch);
    bench_put_number("seconds_audio", w ? w->seconds_audio : NAN);
    bench_put_number("time_s", r->time_s);
    bench_put_number("time_min_s", r->time_min_s);
    bench_put_number("quiet_time_s", r->quiet_time_s);
    printf(", \"calls\": %zu, \"quiet_calls\": %zu", r->calls, r->quiet_calls);
    bench_put_number("gflops", r->gflops);
    bench_put_number("peak_gflops", r->peak_gflops);
    bench_put_text("peak_precision", bench_precision_name(r->peak_precision));
    bench_put_number("share_of_peak", r->gflops / r->peak_gflops);
    bench_put_number("quiet_share_of_peak", r->quiet_share);
    bench_put_number("gbytes_s", r->gbytes_s);
    bench_put_number("max_error", r->max_error);
    if (w) {
        bench_put_number("x_realtime", w->seconds_audio / r->time_s);
        bench_put_number("work_gflop", w->work_gflop);
        printf(", \"peak_bytes\": %zu", w->peak_bytes);
        if (w->training)
            printf(", \"checkpoint_layers\": %s, \"train_feature_encoder\": %s", truth(w->checkpoint_layers),
                   truth(w->train_feature_encoder));
        if (w->training) {
            bench_put_number("forward_backward_s", w->forward_backward_s);
            printf(", \"ranks\": %zu", w->ranks);
            bench_put_number("sent_bytes", w->sent_bytes);
            bench_put_number("waited_s", w->waited_s);
        }
    }
    printf("}\n");
}

static void print_shape_text(FILE *to, const bench_result *r)
{
    fprintf(to, "%-5s %-9s %-2s %-28s %s x%zu %11.2f us (least %11.2f)", r->bench, r->engine, r->kind ? r->kind : "",
            r->shape, bench_precision_name(r->precision), r->threads, 1e6 * r->time_s, 1e6 * r->time_min_s);
}

static void print_network_text(FILE *to, const bench_result *r)
{
    const bench_network *w = r->network;
    fprintf(to, "%-5s %s, %zu x %g s%s%s %s x%zu %8.3f s (least %.3f)", r->bench, w->model, w->batch,
            w->seconds_audio / (double)w->batch, w->checkpoint_layers ? ", checkpointed layers" : "",
            w->train_feature_encoder ? ", feature encoder trained" : "", bench_precision_name(r->precision), r->threads,
            r->time_s, r->time_min_s);
    if (w->training) fprintf(to, ", %.3f s without the optimizer", w->forward_backward_s);
    if (w->ranks > 1)
        fprintf(to, ", %zu ranks: each sent %.1f MB and waited %.3f s", w->ranks, 1e-6 * w->sent_bytes, w->waited_s);
}

static void print_quiet_text(FILE *to, const bench_result *r)
{
    fprintf(to, "  quiet %zu of %zu", r->quiet_calls, r->calls);
    if (!isfinite(r->quiet_time_s)) return;
    if (r->network)
        fprintf(to, ": %.3f s", r->quiet_time_s);
    else
        fprintf(to, ": %.2f us", 1e6 * r->quiet_time_s);
    if (isfinite(r->gflops)) fprintf(to, " (%.0f %%)", 100 * r->quiet_share);
}

static void print_text(FILE *to, const bench_result *r)
{
    if (r->network)
        print_network_text(to, r);
    else
        print_shape_text(to, r);
    if (isfinite(r->gflops))
        fprintf(to, "  %6.1f of %6.1f%s GFLOP/s (%3.0f %%)", r->gflops, r->peak_gflops,
                r->peak_precision == r->precision ? "" : " (f32's)", 100.0 * r->gflops / r->peak_gflops);
    print_quiet_text(to, r);
    if (isfinite(r->gbytes_s)) fprintf(to, "  %6.1f GB/s", r->gbytes_s);
    if (r->network)
        fprintf(to, "  %.1f x real time, %.2f GB", r->network->seconds_audio / r->time_s,
                1e-9 * (double)r->network->peak_bytes);
    if (isfinite(r->max_error)) fprintf(to, "  error %.1e", r->max_error);
    fputc('\n', to);
}

void bench_print(bench_run *run, const bench_result *r)
{
    if (run->table) {
        if (!bench_table_add(run->table, r)) eng_out_of_memory(&run->ctx, "the table", sizeof *r);
        print_text(stderr, r);
        return;
    }
    if (run->options->json)
        print_json(r);
    else
        print_text(stdout, r);
    fflush(stdout);
}
