/* What the pickle reader makes from classes and functions: torch's tensors, dicts, and objects to step over. The
 * functions' arguments are defined in torch/_utils.py and torch/_tensor.py. */
#include <string.h>

#include "weights/torch/pickle.h"

_Static_assert(sizeof(wts_pickled) <= 64, "pickle.h promises at most 64 bytes an object");

wts_pickled *wts_pickle_new(eng_arena *arena, wts_pickle_kind kind)
{
    wts_pickled *p = eng_arena_alloc(arena, 1, sizeof *p);
    if (p) {
        memset(p, 0, sizeof *p);
        p->kind = (unsigned char)kind;
    }
    return p;
}

static bool same(const char *bytes, size_t length, const char *text)
{
    return strlen(text) == length && memcmp(bytes, text, length) == 0;
}

bool wts_pickle_text_is(const wts_pickled *p, const char *text)
{
    return p->kind == WTS_P_TEXT && same(p->as.text.bytes, p->as.text.length, text);
}

bool wts_pickle_global_is(const wts_pickled *p, const char *module, const char *name)
{
    return p->kind == WTS_P_GLOBAL && same(p->as.global.module, p->as.global.module_length, module) &&
           same(p->as.global.name, p->as.global.name_length, name);
}

wts_pickled *wts_pickle_get(const wts_pickled *dict, const char *key)
{
    if (dict->kind != WTS_P_DICT) return NULL;
    for (size_t i = 0; i + 1 < dict->as.list.count; i += 2)
        if (wts_pickle_text_is(dict->as.list.items[i], key)) return dict->as.list.items[i + 1];
    return NULL;
}

static bool is_sizes(const wts_pickled *p)
{
    if (p->kind != WTS_P_TUPLE && p->kind != WTS_P_LIST) return false;
    for (size_t i = 0; i < p->as.list.count; i++) {
        const wts_pickled *n = p->as.list.items[i];
        if (n->kind != WTS_P_INT || n->as.integer < 0 || (uint64_t)n->as.integer > SIZE_MAX) return false;
    }
    return true;
}

/* _rebuild_tensor(storage, offset, shape, stride), _v2(..., requires_grad, hooks), _v3(..., requires_grad, hooks,
 * dtype). */
static eng_status make_tensor(const char *name, eng_arena *arena, const wts_pickled *args, bool has_dtype,
                              wts_pickled **out, eng_error *err)
{
    size_t count = args->as.list.count;
    wts_pickled **items = args->as.list.items;
    if (count < (has_dtype ? 7 : 4) || items[0]->kind != WTS_P_STORAGE || items[1]->kind != WTS_P_INT ||
        items[1]->as.integer < 0 || (uint64_t)items[1]->as.integer > SIZE_MAX || !is_sizes(items[2]) ||
        !is_sizes(items[3]) || items[2]->as.list.count != items[3]->as.list.count ||
        (has_dtype && items[6]->kind != WTS_P_GLOBAL))
        return eng_fail(err, ENG_E_FORMAT, "%s: a tensor whose description is not torch's", name);
    wts_pickled *p = wts_pickle_new(arena, WTS_P_TENSOR);
    if (!p) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", name);
    p->as.tensor.storage = items[0];
    p->as.tensor.offset = (size_t)items[1]->as.integer;
    p->as.tensor.shape = items[2];
    p->as.tensor.stride = items[3];
    p->as.tensor.dtype = has_dtype ? items[6] : NULL;
    *out = p;
    return ENG_OK;
}

static bool is_util(const wts_pickled *maker, const char *name)
{
    return wts_pickle_global_is(maker, "torch._utils", name);
}

static eng_status make_plain(const char *name, eng_arena *arena, wts_pickle_kind kind, wts_pickled **out,
                             eng_error *err)
{
    *out = wts_pickle_new(arena, kind);
    return *out ? ENG_OK : eng_fail(err, ENG_E_MEMORY, "%s: out of memory", name);
}

eng_status wts_pickle_construct(const char *name, eng_arena *arena, wts_pickled *maker, wts_pickled *args,
                                wts_pickled **out, eng_error *err)
{
    wts_pickled **items = args->as.list.items;
    size_t count = args->as.list.count;
    /* subclasses of Tensor: (function, class, its arguments, attributes) */
    while (wts_pickle_global_is(maker, "torch._tensor", "_rebuild_from_type_v2") && count >= 3 &&
           items[2]->kind == WTS_P_TUPLE) {
        maker = items[0];
        args = items[2];
        items = args->as.list.items;
        count = args->as.list.count;
    }
    if (is_util(maker, "_rebuild_tensor_v2") || is_util(maker, "_rebuild_tensor"))
        return make_tensor(name, arena, args, false, out, err);
    if (is_util(maker, "_rebuild_tensor_v3")) return make_tensor(name, arena, args, true, out, err);
    bool passes = is_util(maker, "_rebuild_parameter") || is_util(maker, "_rebuild_parameter_with_state") ||
                  wts_pickle_global_is(maker, "torch", "Size");
    if (passes && count > 0) { /* (tensor, ...), (tuple,) */
        *out = items[0];
        return ENG_OK;
    }
    if ((wts_pickle_global_is(maker, "collections", "OrderedDict") && count == 0) ||
        wts_pickle_global_is(maker, "collections", "defaultdict"))
        return make_plain(name, arena, WTS_P_DICT, out, err);
    eng_status status = make_plain(name, arena, WTS_P_OBJECT, out, err);
    if (status == ENG_OK) (*out)->as.object.maker = maker;
    return status;
}
