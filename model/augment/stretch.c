/* Time stretching by WSOLA (W. Verhelst, M. Roelands, "An overlap-add technique based on waveform similarity (WSOLA)
 * for high quality time-scale modification of speech", ICASSP 1993, 554-557): frames of the input, half overlapping
 * under Hann windows, are laid down at the output's pace. A frame is taken from where its time says, or up to REACH
 * away from there, where it resembles best what would have followed the frame before, so that voices keep their
 * periods. Chosen over a phase vocoder since speech is one voice: consonants stay sharp, and no transform is needed.
 *
 * Resemblance is the normalised correlation over the overlap. REACH covers a period of a 50 Hz voice. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "engine/math/math.h"
#include "engine/memory.h"
#include "model/augment/parts.h"

enum { HOP = 256, FRAME = 2 * HOP, REACH = 160, LANES = 16 }; /* samples at 16 kHz: frames of 32 ms */

static const double PI = 3.14159265358979323846;

static float dot(const float *x, const float *y)
{
    float sum[LANES] = {0};
    for (size_t j = 0; j < HOP; j += LANES)
        for (size_t i = 0; i < LANES; i++) sum[i] += x[j + i] * y[j + i];
    for (size_t width = LANES / 2; width; width /= 2)
        for (size_t i = 0; i < width; i++) sum[i] += sum[i + width];
    return sum[0];
}

/* Where in from .. to the input resembles [HOP] `wanted` best; `at` where nothing does. */
static size_t best_match(const float *in, const float *wanted, size_t from, size_t at, size_t to)
{
    double energy = 0, best = 0;
    for (size_t j = 0; j < HOP; j++) energy += (double)in[from + j] * in[from + j];
    size_t found = at;
    for (size_t p = from; p <= to; p++) {
        double c = dot(wanted, in + p);
        double score = c > 0 && energy > 1e-30 ? c * c / energy : 0; /* monotonic in c / sqrt(energy), c > 0 */
        if (score > best) {
            best = score;
            found = p;
        }
        if (p < to) /* in[to + HOP] may lie behind the end */
            energy += (double)in[p + HOP] * in[p + HOP] - (double)in[p] * in[p];
    }
    return found;
}

/* Adds the window's rising half times x to the first HOP of out, and its falling half to the second; room: what out
 * has. The first frame does not rise. */
static void add_frame(const float *x, const float *rise, bool first, size_t room, float *out)
{
    size_t n = room < FRAME ? room : FRAME;
    for (size_t j = 0; j < n; j++) out[j] += x[j] * (j >= HOP ? 1 - rise[j - HOP] : first ? 1 : rise[j]);
}

eng_status mdl_augment_stretch(const float *in, size_t count, double stretch, size_t n, float *out, eng_error *err)
{
    float rise[HOP], *padded = NULL;
    for (size_t j = 0; j < HOP; j++) rise[j] = (float)(0.5 - 0.5 * eng_cos(PI * ((double)j + 0.5) / HOP));
    if (count < FRAME) {
        padded = eng_alloc_zero(FRAME, sizeof *padded);
        if (!padded) return eng_fail(err, ENG_E_MEMORY, "out of memory to change a pitch");
        memcpy(padded, in, count * sizeof *padded);
        in = padded;
        count = FRAME;
    }
    memset(out, 0, n * sizeof *out);
    const size_t last = count - FRAME;
    size_t p = 0;
    for (size_t at = 0; at < n; at += HOP) {
        if (at) {
            /* The middles of frames correspond. */
            double ideal = (double)(at + HOP) / stretch - HOP;
            size_t target = ideal <= 0 ? 0 : ideal >= (double)last ? last : (size_t)ideal;
            size_t from = target > REACH ? target - REACH : 0, to = last - target > REACH ? target + REACH : last;
            p = best_match(in, in + p + HOP, from, target, to);
        }
        add_frame(in + p, rise, at == 0, n - at, out + at);
    }
    eng_free(padded);
    return ENG_OK;
}
