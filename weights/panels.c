#include "weights/panels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char FORMAT[] = "wavlm.c panels";

/* The string under key; "" when there is none. */
static const char *text_of(const wts_checkpoint *c, const char *key)
{
    const wts_value *v = c->extra ? wts_value_get(c->extra, key) : NULL;
    return v && v->kind == WTS_STRING ? v->text : "";
}

/* A decimal number from 1 to most. */
static bool read_size(const char *text, size_t most, size_t *out)
{
    size_t digits = strspn(text, "0123456789");
    *out = digits && digits < 10 && !text[digits] ? (size_t)strtoul(text, NULL, 10) : 0;
    return *out >= 1 && *out <= most;
}

eng_status wts_panels_read(const wts_checkpoint *c, wts_panels *out, eng_error *err)
{
    *out = (wts_panels){0};
    if (c->container != WTS_SAFETENSORS || strcmp(text_of(c, "format"), FORMAT) != 0) return ENG_OK;
    const char *version = text_of(c, "version"), *precision = text_of(c, "precision"),
               *width = text_of(c, "panel_width");
    size_t number;
    if (!read_size(version, WTS_PANELS_VERSION, &number))
        return eng_fail(err, ENG_E_UNSUPPORTED,
                        "%s: converted panels of version \"%.40s\"; expected %d: convert the checkpoint again", c->path,
                        version, WTS_PANELS_VERSION);
    if (!eng_precision_find(precision, &out->precision))
        return eng_fail(err, ENG_E_FORMAT, "%s: converted panels of precision \"%.40s\"; expected f32, bf16 or int8",
                        c->path, precision);
    if (!read_size(width, WTS_PANELS_MAX_WIDTH, &out->width))
        return eng_fail(err, ENG_E_FORMAT, "%s: converted panels of width \"%.40s\"; expected 1 to %d", c->path, width,
                        WTS_PANELS_MAX_WIDTH);
    out->present = true;
    return ENG_OK;
}

void wts_panels_describe(eng_precision precision, size_t width, wts_panels_metadata *text)
{
    snprintf(text->version, sizeof text->version, "%d", WTS_PANELS_VERSION);
    snprintf(text->width, sizeof text->width, "%zu", width);
    const char *pairs[] = {"format",      FORMAT,      "version",
                           text->version, "precision", eng_precision_name(precision),
                           "panel_width", text->width, NULL};
    memcpy(text->pairs, pairs, sizeof pairs);
}

wts_dtype wts_panels_dtype(eng_precision precision)
{
    return precision == ENG_F32 ? WTS_F32 : precision == ENG_BF16 ? WTS_BF16 : WTS_I8;
}
