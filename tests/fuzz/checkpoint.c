/* libFuzzer target: safetensors, converted ones too, and torch archives (tests/fuzz/fuzz.sh). With FUZZ_PICKLE the input is
 * the pickle of an otherwise sound archive, which a mutation of the whole file would rarely reach. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/files.h"
#include "weights/names.h"
#include "weights/panels.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads one byte at each end of every tensor, and every name. */
static void use(const wts_checkpoint *c)
{
    volatile unsigned char sink = 0;
    for (size_t i = 0; i < c->count; i++) {
        const wts_tensor *t = &c->tensors[i];
        const unsigned char *bytes = t->data;
        char text[80];
        if (bytes && t->bytes) sink = (unsigned char)(bytes[0] ^ bytes[t->bytes - 1]);
        wts_tensor_describe(t, text, sizeof text);
        if (wts_checkpoint_find(c, t->name) != t) abort();
    }
    (void)sink;
    wts_name_map map;
    wts_layout layout = wts_layout_detect(c, c->extra);
    if (wts_name_map_init(&map, c, layout, NULL) == ENG_OK) wts_name_map_fini(&map);
    wts_layout_hint(c);
}

/* What a converted file's metadata say: something that a loader can compute with, or an error that names the file. */
static void use_panels(const wts_checkpoint *c)
{
    wts_panels panels;
    eng_error err;
    if (wts_panels_read(c, &panels, &err) != ENG_OK) {
        if (!strstr(err.message, "fuzz")) abort();
    } else if (panels.present &&
               (panels.width < 1 || panels.width > WTS_PANELS_MAX_WIDTH || panels.precision > ENG_INT8)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wts_checkpoint c;
    eng_error err;
    bytes file = {0};
#ifdef FUZZ_PICKLE
    bytes pickle = {0};
    bytes_add(&pickle, data, size);
    file = file_torch(&pickle, 64);
    bytes_free(&pickle);
    data = file.data;
    size = file.size;
#endif
    if (wts_checkpoint_open_memory("fuzz", data, size, &c, &err) == ENG_OK) {
        use(&c);
        use_panels(&c);
        wts_checkpoint_close(&c);
    } else if (!strstr(err.message, "fuzz")) {
        abort();
    }
    bytes_free(&file);
    return 0;
}
