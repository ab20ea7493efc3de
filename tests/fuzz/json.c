/* libFuzzer target: JSON (tests/fuzz/fuzz.sh). */
#include <stdint.h>
#include <stdlib.h>

#include "weights/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t walk(const wts_value *v)
{
    size_t n = v->kind == WTS_STRING ? wts_json_quote(NULL, 0, v->text) : 1;
    for (size_t i = 0; i < v->count; i++) n += walk(v->kind == WTS_DICT ? &v->members[i].value : &v->items[i]);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wts_doc *doc;
    eng_error err;
    if (wts_json_parse("fuzz", (const char *)data, size, &doc, &err) == ENG_OK && walk(wts_doc_root(doc)) == 0) abort();
    wts_doc_free(doc);
    return 0;
}
