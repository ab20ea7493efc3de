/* From pickled objects to a tree of values. The tree shares what the pickle shares, but whoever walks it sees every
 * copy: so each container remembers how large it is when written out, and a tree too large for a walk is refused. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "weights/torch/pickle.h"

/* TEXT_NODE: so many bytes of text count as a value. */
enum { MAX_HEIGHT = 64, MAX_NODES = 1 << 20, TEXT_NODE = 64 };

/* A container's or text's value, made once. */
typedef struct made {
    wts_value value;
    size_t nodes;  /* values in it, written out */
    size_t height; /* levels of containers */
} made;

typedef struct converter {
    const char *name;
    const wts_pickled *skip;
    wts_doc *doc;
    eng_error *err;
} converter;

static eng_status fail_memory(converter *c)
{
    return eng_fail(c->err, ENG_E_MEMORY, "%s: out of memory", c->name);
}

static eng_status convert(converter *c, wts_pickled *p, size_t depth, made *out, bool *present);

/* A shared text is copied once. */
static eng_status convert_text(converter *c, wts_pickled *p, made *out, bool *present)
{
    size_t length = p->as.text.length;
    *present = wts_utf8_valid(p->as.text.bytes, length);
    if (!*present) return ENG_OK;
    if (!p->convert) {
        char *copy = eng_arena_alloc(&c->doc->arena, length + 1, 1);
        if (!copy) return fail_memory(c);
        memcpy(copy, p->as.text.bytes, length);
        copy[length] = '\0';
        p->convert = copy;
    }
    out->value = (wts_value){.kind = WTS_STRING, .text = p->convert};
    out->nodes = 1 + length / TEXT_NODE;
    return ENG_OK;
}

static eng_status add(converter *c, made *whole, const made *part)
{
    whole->nodes += part->nodes;
    if (part->height + 1 > whole->height) whole->height = part->height + 1;
    if (whole->nodes > MAX_NODES)
        return eng_fail(c->err, ENG_E_FORMAT, "%s: more than 2^20 values when written out", c->name);
    return ENG_OK;
}

static eng_status convert_list(converter *c, wts_pickled *p, size_t depth, made *out)
{
    size_t count = p->as.list.count;
    wts_value *items = eng_arena_alloc(&c->doc->arena, count, sizeof *items);
    if (!items) return fail_memory(c);
    for (size_t i = 0; i < count; i++) {
        made item = {0};
        bool present;
        eng_status status = convert(c, p->as.list.items[i], depth + 1, &item, &present);
        if (status == ENG_OK) status = add(c, out, &item);
        if (status != ENG_OK) return status;
        items[i] = present ? item.value : (wts_value){0};
    }
    out->value = (wts_value){.kind = WTS_LIST, .count = count, .items = items};
    return ENG_OK;
}

/* key->value.text NULL: not a key that a member can have. */
static eng_status convert_key(converter *c, wts_pickled *p, made *key)
{
    bool present = true;
    *key = (made){0};
    if (p->kind == WTS_P_TEXT) return convert_text(c, p, key, &present);
    if (p->kind != WTS_P_INT) return ENG_OK;
    char *digits = eng_arena_alloc(&c->doc->arena, 24, 1);
    if (!digits) return fail_memory(c);
    snprintf(digits, 24, "%" PRId64, p->as.integer);
    key->value.text = digits;
    return ENG_OK;
}

static eng_status convert_dict(converter *c, wts_pickled *p, size_t depth, made *out)
{
    size_t pairs = p->as.list.count / 2, count = 0;
    wts_member *members = eng_arena_alloc(&c->doc->arena, pairs, sizeof *members);
    if (!members) return fail_memory(c);
    for (size_t i = 0; i < pairs; i++) {
        wts_pickled *value = p->as.list.items[2 * i + 1];
        made key = {0}, item = {0};
        bool present;
        if (value == c->skip) continue;
        eng_status status = convert(c, value, depth + 1, &item, &present);
        if (status == ENG_OK) status = add(c, out, &item);
        if (status == ENG_OK) status = convert_key(c, p->as.list.items[2 * i], &key);
        if (status == ENG_OK) status = add(c, out, &key);
        if (status != ENG_OK) return status;
        if (present && key.value.text) members[count++] = (wts_member){key.value.text, item.value};
    }
    const char *duplicate;
    if (!wts_doc_find_duplicate(members, count, &duplicate)) return fail_memory(c);
    if (duplicate)
        return eng_fail(c->err, ENG_E_FORMAT, "%s: key \"%.200s\" occurs twice in a dict", c->name, duplicate);
    out->value = (wts_value){.kind = WTS_DICT, .count = count, .members = members};
    return ENG_OK;
}

static eng_status convert_container(converter *c, wts_pickled *p, size_t depth, made *out, bool *present)
{
    const made *before = p->convert;
    *present = !p->converting;
    if (p->converting) return ENG_OK; /* a cycle */
    if (before) *out = *before;
    if (depth + (before ? before->height : 0) >= MAX_HEIGHT)
        return eng_fail(c->err, ENG_E_FORMAT, "%s: more than 64 levels of lists and dicts", c->name);
    if (before) return ENG_OK;
    p->converting = true;
    eng_status status = p->kind == WTS_P_DICT ? convert_dict(c, p, depth, out) : convert_list(c, p, depth, out);
    p->converting = false;
    if (status != ENG_OK) return status;
    made *kept = eng_arena_alloc(&c->doc->arena, 1, sizeof *kept);
    if (!kept) return fail_memory(c);
    *kept = *out;
    p->convert = kept;
    return ENG_OK;
}

/* An object is its dict of attributes: argparse.Namespace and the like. (dict or None, dict of slots) is the other
 * form. */
static wts_pickled *attributes(const wts_pickled *object)
{
    wts_pickled *state = object->as.object.state;
    if (state && state->kind == WTS_P_TUPLE && state->as.list.count == 2) {
        wts_pickled **items = state->as.list.items;
        state = items[0]->kind == WTS_P_DICT ? items[0] : items[1];
    }
    return state && state->kind == WTS_P_DICT ? state : NULL;
}

static eng_status convert(converter *c, wts_pickled *p, size_t depth, made *out, bool *present)
{
    *out = (made){.nodes = 1};
    *present = true;
    if (p->kind == WTS_P_OBJECT) {
        p = attributes(p);
        *present = p != NULL;
        if (!p) return ENG_OK;
    }
    switch (p->kind) {
    case WTS_P_NONE: break;
    case WTS_P_BOOL: out->value = (wts_value){.kind = WTS_BOOL, .boolean = p->as.boolean}; break;
    case WTS_P_INT:
        out->value = (wts_value){.kind = WTS_INT, .integer = p->as.integer, .number = (double)p->as.integer};
        break;
    case WTS_P_FLOAT: out->value = (wts_value){.kind = WTS_FLOAT, .number = p->as.number}; break;
    case WTS_P_TEXT: return convert_text(c, p, out, present);
    case WTS_P_TUPLE:
    case WTS_P_LIST:
    case WTS_P_SET:
    case WTS_P_DICT: return convert_container(c, p, depth, out, present);
    default: *present = false; break;
    }
    return ENG_OK;
}

eng_status wts_pickle_convert(const char *name, wts_pickled *p, const wts_pickled *skip, wts_doc *doc, wts_value *out,
                              eng_error *err)
{
    converter c = {name, skip, doc, err};
    made whole = {0};
    bool present;
    eng_status status = convert(&c, p, 0, &whole, &present);
    if (status == ENG_OK) *out = present ? whole.value : (wts_value){0};
    return status;
}
