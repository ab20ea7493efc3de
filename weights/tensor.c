/* Tensors of a checkpoint: reading, describing. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "weights/store.h"

enum { BLOCK = 1024 };

size_t wts_dtype_size(wts_dtype dtype)
{
    switch (dtype) {
    case WTS_F64:
    case WTS_I64: return 8;
    case WTS_F32:
    case WTS_I32: return 4;
    case WTS_F16:
    case WTS_BF16:
    case WTS_I16: return 2;
    case WTS_I8:
    case WTS_U8:
    case WTS_BOOL8: return 1;
    case WTS_OTHER: break;
    }
    return 0;
}

const char *wts_tensor_describe(const wts_tensor *t, char *buffer, size_t size)
{
    if (size == 0) return buffer;
    int n = snprintf(buffer, size, "%s[", t->dtype_name);
    for (size_t i = 0; i < t->ndim && n >= 0 && (size_t)n < size; i++)
        n += snprintf(buffer + n, size - (size_t)n, "%s%zu", i ? ", " : "", t->shape[i]);
    if (n >= 0 && (size_t)n < size) snprintf(buffer + n, size - (size_t)n, "]");
    return buffer;
}

static void read_f64(const unsigned char *data, size_t count, float *out)
{
    for (size_t i = 0; i < count; i++) {
        double wide;
        memcpy(&wide, data + i * sizeof wide, sizeof wide);
        out[i] = (float)wide;
    }
}

/* Half floats go through an aligned block: the file may put them anywhere. */
static void read_half(void (*convert)(size_t, const uint16_t *, float *), const unsigned char *data, size_t count,
                      float *out)
{
    uint16_t block[BLOCK];
    for (size_t i = 0; i < count; i += BLOCK) {
        size_t n = count - i < BLOCK ? count - i : BLOCK;
        memcpy(block, data + i * sizeof *block, n * sizeof *block);
        convert(n, block, out + i);
    }
}

eng_status wts_tensor_read_f32(const wts_tensor *t, const kern_table *k, size_t first, size_t count, float *out,
                               eng_error *err)
{
    char text[160];
    wts_tensor_describe(t, text, sizeof text);
    if (t->dtype != WTS_F32 && t->dtype != WTS_F16 && t->dtype != WTS_BF16 && t->dtype != WTS_F64)
        return eng_fail(err, ENG_E_UNSUPPORTED, "tensor %s is %s: F32, F16, BF16 or F64 was expected", t->name, text);
    if (!t->contiguous)
        return eng_fail(err, ENG_E_UNSUPPORTED,
                        "tensor %s (%s) is a transposed or strided view: save it with .contiguous()", t->name, text);
    if (first > t->count || count > t->count - first)
        return eng_fail(err, ENG_E_USAGE, "tensor %s is %s: elements %zu to %zu were asked for", t->name, text, first,
                        first + count);
    if (count == 0) return ENG_OK;
    const unsigned char *data = (const unsigned char *)t->data + first * wts_dtype_size(t->dtype);
    switch (t->dtype) {
    case WTS_F32: memcpy(out, data, count * sizeof *out); break;
    case WTS_F16: read_half(k->f16_to_f32, data, count, out); break;
    case WTS_BF16: read_half(k->bf16_to_f32, data, count, out); break;
    default: read_f64(data, count, out); break;
    }
    return ENG_OK;
}

void wts_tensor_drop_pages(const wts_tensor *t)
{
    long page = sysconf(_SC_PAGESIZE);
    if (!t->mapped || !t->data || page <= 0) return;
    uintptr_t mask = (uintptr_t)page - 1, begin = ((uintptr_t)t->data + mask) & ~mask;
    uintptr_t end = ((uintptr_t)t->data + t->bytes) & ~mask;
    if (begin < end) madvise((void *)begin, end - begin, MADV_DONTNEED); /* read-only mapping: nothing can be lost */
}
