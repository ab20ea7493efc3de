#include "weights/store.h"

#include <string.h>

eng_status wts_store_add_tensor(wts_checkpoint *c, const wts_tensor *t, eng_error *err)
{
    wts_store *s = c->store;
    if (c->count == s->tensor_space) {
        size_t space = s->tensor_space ? 2 * s->tensor_space : 64;
        wts_tensor *grown = eng_grow(c->tensors, c->count, space, sizeof *grown);
        if (!grown) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory for %zu tensors", c->path, space);
        c->tensors = grown;
        s->tensor_space = space;
    }
    c->tensors[c->count++] = *t;
    return ENG_OK;
}

eng_status wts_store_adopt_doc(wts_checkpoint *c, wts_doc *doc, eng_error *err)
{
    wts_store *s = c->store;
    wts_doc **grown = eng_grow(s->docs, s->doc_count, s->doc_count + 1, sizeof(wts_doc *));
    if (!grown) {
        wts_doc_free(doc);
        return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", c->path);
    }
    s->docs = grown;
    s->docs[s->doc_count++] = doc;
    return ENG_OK;
}

const char *wts_store_text(wts_checkpoint *c, const char *text, size_t length)
{
    char *copy = eng_arena_alloc(&c->store->arena, length + 1, 1);
    if (!copy) return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}
