/* The pickle's opcodes: a function each, defined in CPython's Lib/pickletools.py. */
#include <string.h>

#include "weights/torch/machine.h"

enum { MAX_PICKLE = 64 << 20 };

/* ---- Constants ---- */

static eng_status op_none(wts_machine *m) { return wts_machine_push_new(m, WTS_P_NONE); }

static eng_status push_bool(wts_machine *m, bool value)
{
    wts_pickled *p = wts_pickle_new(m->arena, WTS_P_BOOL);
    if (p) p->as.boolean = value;
    return wts_machine_push(m, p);
}

static eng_status op_true(wts_machine *m) { return push_bool(m, true); }
static eng_status op_false(wts_machine *m) { return push_bool(m, false); }

static eng_status push_int(wts_machine *m, int64_t value)
{
    wts_pickled *p = wts_pickle_new(m->arena, WTS_P_INT);
    if (p) p->as.integer = value;
    return wts_machine_push(m, p);
}

static eng_status push_float(wts_machine *m, double value)
{
    wts_pickled *p = wts_pickle_new(m->arena, WTS_P_FLOAT);
    if (p) p->as.number = value;
    return wts_machine_push(m, p);
}

static eng_status push_uint(wts_machine *m, int bytes)
{
    uint64_t v;
    return wts_machine_take_uint(m, bytes, &v) ? push_int(m, (int64_t)v) : wts_machine_fail_short(m);
}

static eng_status op_binint1(wts_machine *m) { return push_uint(m, 1); }
static eng_status op_binint2(wts_machine *m) { return push_uint(m, 2); }

static eng_status op_binint(wts_machine *m)
{
    uint64_t v;
    return wts_machine_take_uint(m, 4, &v) ? push_int(m, (int32_t)(uint32_t)v) : wts_machine_fail_short(m);
}

/* Two's complement of any length, little-endian; beyond 8 bytes it becomes a float. */
static eng_status push_long(wts_machine *m, size_t bytes)
{
    const unsigned char *p = wts_machine_take(m, bytes);
    if (!p) return wts_machine_fail_short(m);
    bool negative = bytes && p[bytes - 1] & 0x80;
    if (bytes <= 8) {
        uint64_t v = negative ? UINT64_MAX : 0;
        for (size_t i = bytes; i-- > 0;) v = v << 8 | p[i];
        return push_int(m, (int64_t)v);
    }
    double v = negative ? -1.0 : 0.0; /* -1: all ones in front */
    for (size_t i = bytes; i-- > 0;) v = v * 256.0 + p[i];
    return push_float(m, v);
}

static eng_status op_long1(wts_machine *m)
{
    uint64_t n;
    return wts_machine_take_uint(m, 1, &n) ? push_long(m, (size_t)n) : wts_machine_fail_short(m);
}

static eng_status op_long4(wts_machine *m)
{
    uint64_t n;
    if (!wts_machine_take_uint(m, 4, &n)) return wts_machine_fail_short(m);
    return n > INT32_MAX ? wts_machine_fail(m, "an integer of negative length") : push_long(m, (size_t)n);
}

/* Big-endian, the only such opcode. */
static eng_status op_binfloat(wts_machine *m)
{
    const unsigned char *p = wts_machine_take(m, 8);
    if (!p) return wts_machine_fail_short(m);
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++) bits = bits << 8 | p[i];
    double value;
    memcpy(&value, &bits, sizeof value);
    return push_float(m, value);
}

/* Text or bytes behind a length of length_bytes bytes. */
static eng_status push_text(wts_machine *m, wts_pickle_kind kind, int length_bytes)
{
    uint64_t n;
    if (!wts_machine_take_uint(m, length_bytes, &n) || n > SIZE_MAX) return wts_machine_fail_short(m);
    const unsigned char *bytes = wts_machine_take(m, (size_t)n);
    if (!bytes) return wts_machine_fail(m, "a string longer than the pickle");
    wts_pickled *p = wts_pickle_new(m->arena, kind);
    if (p) {
        p->as.text.bytes = (const char *)bytes;
        p->as.text.length = (size_t)n;
    }
    return wts_machine_push(m, p);
}

static eng_status op_text1(wts_machine *m) { return push_text(m, WTS_P_TEXT, 1); }
static eng_status op_text4(wts_machine *m) { return push_text(m, WTS_P_TEXT, 4); }
static eng_status op_text8(wts_machine *m) { return push_text(m, WTS_P_TEXT, 8); }
static eng_status op_bytes1(wts_machine *m) { return push_text(m, WTS_P_BYTES, 1); }
static eng_status op_bytes4(wts_machine *m) { return push_text(m, WTS_P_BYTES, 4); }
static eng_status op_bytes8(wts_machine *m) { return push_text(m, WTS_P_BYTES, 8); }

/* ---- Containers ---- */

/* Appends stack[first...] to p's items and takes them off the stack. */
static eng_status append_items(wts_machine *m, wts_pickled *p, size_t first)
{
    size_t count = m->count - first, needed = p->as.list.count + count;
    if (needed > p->as.list.space) {
        size_t space = needed < 2 * p->as.list.space ? 2 * p->as.list.space : needed;
        wts_pickled **items = eng_arena_alloc(m->arena, space, sizeof(wts_pickled *));
        if (!items) return wts_machine_fail_memory(m);
        if (p->as.list.count) memcpy(items, p->as.list.items, p->as.list.count * sizeof *items);
        p->as.list.items = items;
        p->as.list.space = space;
    }
    if (count) memcpy(p->as.list.items + p->as.list.count, m->stack + first, count * sizeof(wts_pickled *));
    p->as.list.count = needed;
    m->count = first;
    return ENG_OK;
}

static eng_status push_items(wts_machine *m, wts_pickle_kind kind, size_t first)
{
    wts_pickled *p = wts_pickle_new(m->arena, kind);
    if (!p) return wts_machine_fail_memory(m);
    eng_status status = append_items(m, p, first);
    return status == ENG_OK ? wts_machine_push(m, p) : status;
}

static eng_status push_marked(wts_machine *m, wts_pickle_kind kind)
{
    size_t first;
    if (!wts_machine_take_mark(m, &first)) return wts_machine_fail_stack(m);
    if (kind == WTS_P_DICT && (m->count - first) % 2) return wts_machine_fail(m, "a dict with a key without a value");
    return push_items(m, kind, first);
}

static eng_status op_tuple(wts_machine *m) { return push_marked(m, WTS_P_TUPLE); }
static eng_status op_list(wts_machine *m) { return push_marked(m, WTS_P_LIST); }
static eng_status op_dict(wts_machine *m) { return push_marked(m, WTS_P_DICT); }
static eng_status op_frozenset(wts_machine *m) { return push_marked(m, WTS_P_SET); }
static eng_status op_empty_tuple(wts_machine *m) { return wts_machine_push_new(m, WTS_P_TUPLE); }
static eng_status op_empty_list(wts_machine *m) { return wts_machine_push_new(m, WTS_P_LIST); }
static eng_status op_empty_dict(wts_machine *m) { return wts_machine_push_new(m, WTS_P_DICT); }
static eng_status op_empty_set(wts_machine *m) { return wts_machine_push_new(m, WTS_P_SET); }

static eng_status push_tuple(wts_machine *m, size_t n)
{
    return wts_machine_has(m, n) ? push_items(m, WTS_P_TUPLE, m->count - n) : wts_machine_fail_stack(m);
}

static eng_status op_tuple1(wts_machine *m) { return push_tuple(m, 1); }
static eng_status op_tuple2(wts_machine *m) { return push_tuple(m, 2); }
static eng_status op_tuple3(wts_machine *m) { return push_tuple(m, 3); }

/* Adds stack[first...] to the container of that kind below them. Objects swallow them: their contents do not matter. */
static eng_status add_to(wts_machine *m, wts_pickle_kind kind, size_t first)
{
    if (first <= wts_machine_floor(m)) return wts_machine_fail_stack(m);
    wts_pickled *p = m->stack[first - 1];
    if (p->kind == WTS_P_OBJECT) {
        m->count = first;
        return ENG_OK;
    }
    if (p->kind != kind) return wts_machine_fail(m, "items are added to something that cannot hold them");
    if (kind == WTS_P_DICT && (m->count - first) % 2) return wts_machine_fail(m, "a dict with a key without a value");
    return append_items(m, p, first);
}

static eng_status op_append(wts_machine *m)
{
    return wts_machine_has(m, 2) ? add_to(m, WTS_P_LIST, m->count - 1) : wts_machine_fail_stack(m);
}

static eng_status op_setitem(wts_machine *m)
{
    return wts_machine_has(m, 3) ? add_to(m, WTS_P_DICT, m->count - 2) : wts_machine_fail_stack(m);
}

static eng_status add_marked(wts_machine *m, wts_pickle_kind kind)
{
    size_t first;
    return wts_machine_take_mark(m, &first) ? add_to(m, kind, first) : wts_machine_fail_stack(m);
}

static eng_status op_appends(wts_machine *m) { return add_marked(m, WTS_P_LIST); }

static eng_status op_setitems(wts_machine *m) { return add_marked(m, WTS_P_DICT); }
static eng_status op_additems(wts_machine *m) { return add_marked(m, WTS_P_SET); }

/* ---- Stack and memo ---- */

static eng_status op_pop(wts_machine *m)
{
    size_t first;
    if (wts_machine_has(m, 1)) m->count--;
    else if (!wts_machine_take_mark(m, &first)) return wts_machine_fail_stack(m);
    return ENG_OK;
}

static eng_status op_pop_mark(wts_machine *m)
{
    size_t first;
    if (!wts_machine_take_mark(m, &first)) return wts_machine_fail_stack(m);
    m->count = first;
    return ENG_OK;
}

static eng_status op_dup(wts_machine *m)
{
    return wts_machine_has(m, 1) ? wts_machine_push(m, m->stack[m->count - 1]) : wts_machine_fail_stack(m);
}

static eng_status put_numbered(wts_machine *m, int bytes)
{
    uint64_t at;
    return wts_machine_take_uint(m, bytes, &at) ? wts_machine_put(m, at) : wts_machine_fail_short(m);
}

static eng_status get_numbered(wts_machine *m, int bytes)
{
    uint64_t at;
    return wts_machine_take_uint(m, bytes, &at) ? wts_machine_get(m, at) : wts_machine_fail_short(m);
}

static eng_status op_binput(wts_machine *m) { return put_numbered(m, 1); }
static eng_status op_long_binput(wts_machine *m) { return put_numbered(m, 4); }
static eng_status op_memoize(wts_machine *m) { return wts_machine_put(m, m->memo_next); }
static eng_status op_binget(wts_machine *m) { return get_numbered(m, 1); }
static eng_status op_long_binget(wts_machine *m) { return get_numbered(m, 4); }

/* ---- Classes, objects, storages ---- */

static eng_status push_global(wts_machine *m, const char *module, size_t module_length, const char *name,
                              size_t name_length)
{
    wts_pickled *p = wts_pickle_new(m->arena, WTS_P_GLOBAL);
    if (p) {
        p->as.global.module = module;
        p->as.global.module_length = module_length;
        p->as.global.name = name;
        p->as.global.name_length = name_length;
    }
    return wts_machine_push(m, p);
}

static const char *take_line(wts_machine *m, size_t *length)
{
    const unsigned char *start = m->data + m->at, *end = memchr(start, '\n', m->size - m->at);
    if (!end) return NULL;
    *length = (size_t)(end - start);
    m->at += *length + 1;
    return (const char *)start;
}

static eng_status op_global(wts_machine *m)
{
    size_t module_length, name_length;
    const char *module = take_line(m, &module_length), *name = module ? take_line(m, &name_length) : NULL;
    return name ? push_global(m, module, module_length, name, name_length) : wts_machine_fail_short(m);
}

static eng_status op_stack_global(wts_machine *m)
{
    if (!wts_machine_has(m, 2)) return wts_machine_fail_stack(m);
    wts_pickled *name = wts_machine_pop(m), *module = wts_machine_pop(m);
    if (name->kind != WTS_P_TEXT || module->kind != WTS_P_TEXT)
        return wts_machine_fail(m, "a class whose name is not text");
    return push_global(m, module->as.text.bytes, module->as.text.length, name->as.text.bytes, name->as.text.length);
}

static eng_status construct(wts_machine *m, wts_pickled *maker, wts_pickled *args)
{
    wts_pickled *made = NULL;
    if (maker->kind != WTS_P_GLOBAL && maker->kind != WTS_P_OBJECT)
        return wts_machine_fail(m, "a call of something that is no class");
    if (args->kind != WTS_P_TUPLE) return wts_machine_fail(m, "arguments that are not a tuple");
    eng_status status = wts_pickle_construct(m->name, m->arena, maker, args, &made, m->err);
    return status == ENG_OK ? wts_machine_push(m, made) : status;
}

/* REDUCE and NEWOBJ: a function or a class, and its arguments. */
static eng_status op_reduce(wts_machine *m)
{
    if (!wts_machine_has(m, 2)) return wts_machine_fail_stack(m);
    wts_pickled *args = wts_machine_pop(m), *maker = wts_machine_pop(m);
    return construct(m, maker, args);
}

/* A class, its arguments, its keyword arguments. */
static eng_status op_newobj_ex(wts_machine *m)
{
    if (!wts_machine_has(m, 3)) return wts_machine_fail_stack(m);
    m->count--;
    return op_reduce(m);
}

/* Attributes matter for unknown objects only: those of dicts and tensors (state_dict's _metadata) are torch's own. */
static eng_status op_build(wts_machine *m)
{
    if (!wts_machine_has(m, 2)) return wts_machine_fail_stack(m);
    wts_pickled *state = wts_machine_pop(m), *p = m->stack[m->count - 1];
    if (p->kind == WTS_P_OBJECT) p->as.object.state = state;
    return ENG_OK;
}

/* torch's persistent ids: ('storage', type, key, location, elements). */
static eng_status op_binpersid(wts_machine *m)
{
    if (!wts_machine_has(m, 1)) return wts_machine_fail_stack(m);
    wts_pickled *id = wts_machine_pop(m);
    if (id->kind != WTS_P_TUPLE || id->as.list.count < 5)
        return wts_machine_fail(m, "a persistent id that is not torch's");
    wts_pickled **items = id->as.list.items;
    if (!wts_pickle_text_is(items[0], "storage") || items[1]->kind != WTS_P_GLOBAL || items[2]->kind != WTS_P_TEXT ||
        items[4]->kind != WTS_P_INT || items[4]->as.integer < 0 || (uint64_t)items[4]->as.integer > SIZE_MAX)
        return wts_machine_fail(m, "a persistent id that is not torch's");
    wts_pickled *p = wts_pickle_new(m->arena, WTS_P_STORAGE);
    if (p) {
        p->as.storage.type = items[1];
        p->as.storage.key = items[2];
        p->as.storage.count = (size_t)items[4]->as.integer;
    }
    return wts_machine_push(m, p);
}

/* ---- The machine ---- */

static eng_status op_proto(wts_machine *m)
{
    uint64_t version;
    if (!wts_machine_take_uint(m, 1, &version)) return wts_machine_fail_short(m);
    return version >= 2 && version <= 5 ? ENG_OK : wts_machine_fail(m, "a pickle of another protocol than 2 to 5");
}

static eng_status op_frame(wts_machine *m) { return wts_machine_take(m, 8) ? ENG_OK : wts_machine_fail_short(m); }

static eng_status op_stop(wts_machine *m)
{
    if (m->mark_count || m->count != 1) return wts_machine_fail(m, "the pickle ends with other than one value");
    m->result = m->stack[0];
    return ENG_OK;
}

typedef eng_status (*opcode)(wts_machine *m);

static const opcode opcodes[256] = {
    [0x80] = op_proto,       [0x95] = op_frame,        ['.'] = op_stop,        ['N'] = op_none,
    [0x88] = op_true,        [0x89] = op_false,        ['J'] = op_binint,      ['K'] = op_binint1,
    ['M'] = op_binint2,      [0x8A] = op_long1,        [0x8B] = op_long4,      ['G'] = op_binfloat,
    [0x8C] = op_text1,       ['X'] = op_text4,         [0x8D] = op_text8,      ['U'] = op_text1,
    ['T'] = op_text4,        ['C'] = op_bytes1,        ['B'] = op_bytes4,      [0x8E] = op_bytes8,
    [0x96] = op_bytes8,      ['('] = wts_machine_mark, ['t'] = op_tuple,       [')'] = op_empty_tuple,
    [0x85] = op_tuple1,      [0x86] = op_tuple2,       [0x87] = op_tuple3,     ['l'] = op_list,
    [']'] = op_empty_list,   ['a'] = op_append,        ['e'] = op_appends,     ['d'] = op_dict,
    ['}'] = op_empty_dict,   ['s'] = op_setitem,       ['u'] = op_setitems,    [0x8F] = op_empty_set,
    [0x90] = op_additems,    [0x91] = op_frozenset,    ['0'] = op_pop,         ['1'] = op_pop_mark,
    ['2'] = op_dup,          ['q'] = op_binput,        ['r'] = op_long_binput, [0x94] = op_memoize,
    ['h'] = op_binget,       ['j'] = op_long_binget,   ['c'] = op_global,      [0x93] = op_stack_global,
    ['R'] = op_reduce,       [0x81] = op_reduce,       [0x92] = op_newobj_ex,  ['b'] = op_build,
    ['Q'] = op_binpersid,
};

static eng_status run(wts_machine *m)
{
    while (!m->result) {
        const unsigned char *op = wts_machine_take(m, 1);
        if (!op) return wts_machine_fail(m, "the pickle ends without a STOP");
        if (!opcodes[*op])
            return eng_fail(m->err, ENG_E_UNSUPPORTED, "%s, byte %zu: opcode 0x%02x, which is not read here", m->name,
                            m->at - 1, *op);
        eng_status status = opcodes[*op](m);
        if (status != ENG_OK) return status;
    }
    return ENG_OK;
}

eng_status wts_pickle_read(const char *name, const unsigned char *data, size_t size, eng_arena *arena,
                           wts_pickled **root, eng_error *err)
{
    wts_machine m = {.name = name, .data = data, .size = size, .arena = arena, .err = err};
    if (size > MAX_PICKLE)
        return eng_fail(err, ENG_E_UNSUPPORTED, "%s: a pickle of %zu bytes (at most 64 MiB are read)", name, size);
    eng_status status = run(&m);
    if (status == ENG_OK) *root = m.result;
    wts_machine_fini(&m);
    return status;
}
