/* Numbers in files, the lowest byte first. */
#ifndef MODEL_AUDIO_BYTES_H
#define MODEL_AUDIO_BYTES_H

#include <stdint.h>

static inline unsigned mdl_get16(const unsigned char *p)
{
    return (unsigned)p[0] | (unsigned)p[1] << 8;
}

static inline uint32_t mdl_get32(const unsigned char *p)
{
    return (uint32_t)mdl_get16(p) | (uint32_t)mdl_get16(p + 2) << 16;
}

static inline uint64_t mdl_get64(const unsigned char *p)
{
    return (uint64_t)mdl_get32(p) | (uint64_t)mdl_get32(p + 4) << 32;
}

#endif
