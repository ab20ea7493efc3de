#include "weights/torch/machine.h"

void wts_machine_fini(wts_machine *m)
{
    eng_free(m->stack);
    eng_free(m->marks);
    eng_free(m->memo);
}

eng_status wts_machine_fail(wts_machine *m, const char *what)
{
    return eng_fail(m->err, ENG_E_FORMAT, "%s, byte %zu: %s", m->name, m->at, what);
}

eng_status wts_machine_fail_memory(wts_machine *m)
{
    return eng_fail(m->err, ENG_E_MEMORY, "%s: out of memory", m->name);
}

const unsigned char *wts_machine_take(wts_machine *m, size_t n)
{
    if (n > m->size - m->at) return NULL;
    const unsigned char *p = m->data + m->at;
    m->at += n;
    return p;
}

bool wts_machine_take_uint(wts_machine *m, int n, uint64_t *out)
{
    const unsigned char *p = wts_machine_take(m, (size_t)n);
    if (!p) return false;
    *out = 0;
    for (int i = n - 1; i >= 0; i--) *out = *out << 8 | p[i];
    return true;
}

eng_status wts_machine_fail_short(wts_machine *m)
{
    return wts_machine_fail(m, "the pickle ends inside an opcode");
}

/* The block with space for one more than count elements, moved when it was full; NULL when out of memory. */
static void *reserve(void *block, size_t *space, size_t count, size_t size)
{
    if (count < *space) return block;
    size_t wanted = *space ? 2 * *space : 64;
    void *grown = eng_grow(block, count, wanted, size);
    if (grown) *space = wanted;
    return grown;
}

eng_status wts_machine_push(wts_machine *m, wts_pickled *p)
{
    wts_pickled **stack = p ? reserve(m->stack, &m->space, m->count, sizeof *stack) : NULL;
    if (!stack) return wts_machine_fail_memory(m);
    m->stack = stack;
    m->stack[m->count++] = p;
    return ENG_OK;
}

eng_status wts_machine_push_new(wts_machine *m, wts_pickle_kind kind)
{
    return wts_machine_push(m, wts_pickle_new(m->arena, kind));
}

size_t wts_machine_floor(const wts_machine *m)
{
    return m->mark_count ? m->marks[m->mark_count - 1] : 0;
}

bool wts_machine_has(const wts_machine *m, size_t n)
{
    return m->count - wts_machine_floor(m) >= n;
}

wts_pickled *wts_machine_pop(wts_machine *m)
{
    return m->stack[--m->count];
}

eng_status wts_machine_fail_stack(wts_machine *m)
{
    return wts_machine_fail(m, "an opcode finds too little on the stack");
}

eng_status wts_machine_mark(wts_machine *m)
{
    size_t *marks = reserve(m->marks, &m->mark_space, m->mark_count, sizeof *marks);
    if (!marks) return wts_machine_fail_memory(m);
    m->marks = marks;
    m->marks[m->mark_count++] = m->count;
    return ENG_OK;
}

bool wts_machine_take_mark(wts_machine *m, size_t *first)
{
    if (m->mark_count == 0) return false;
    *first = m->marks[--m->mark_count];
    return true;
}

/* Picklers number the memo from 0, so an honest number is below the pickle's size. */
eng_status wts_machine_put(wts_machine *m, uint64_t at)
{
    if (!wts_machine_has(m, 1)) return wts_machine_fail_stack(m);
    if (at >= m->size) return wts_machine_fail(m, "a memo entry out of range");
    if (at >= m->memo_space) {
        size_t space = m->memo_space ? m->memo_space : 64;
        while (space <= at) space *= 2;
        wts_pickled **grown = eng_grow(m->memo, m->memo_space, space, sizeof *grown);
        if (!grown) return wts_machine_fail_memory(m);
        for (size_t i = m->memo_space; i < space; i++) grown[i] = NULL;
        m->memo = grown;
        m->memo_space = space;
    }
    m->memo[at] = m->stack[m->count - 1];
    m->memo_next++;
    return ENG_OK;
}

eng_status wts_machine_get(wts_machine *m, uint64_t at)
{
    if (at >= m->memo_space || !m->memo[at]) return wts_machine_fail(m, "a memo entry that was never put");
    return wts_machine_push(m, m->memo[at]);
}
