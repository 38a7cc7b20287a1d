/* The vector variants of G.711; g711.c chooses among them and holds the definition. */
#ifndef RM_G711_VARIANTS_H
#define RM_G711_VARIANTS_H

#include <stddef.h>
#include <stdint.h>

#include "simd.h"

typedef struct rm_g711_kernels {
    void (*ulaw_decode)(const uint8_t *in, int16_t *out, size_t n);
    void (*ulaw_encode)(const int16_t *in, uint8_t *out, size_t n);
    void (*alaw_decode)(const uint8_t *in, int16_t *out, size_t n);
    void (*alaw_encode)(const int16_t *in, uint8_t *out, size_t n);
} rm_g711_kernels;

extern const rm_g711_kernels rm_g711_lanes; /* whatever vectors the target always has */
#if RM_X86
extern const rm_g711_kernels rm_g711_avx2;
extern const rm_g711_kernels rm_g711_avx512;
void rm_ulaw_encode_avx2(const int16_t *in, uint8_t *out, size_t n);
void rm_alaw_encode_avx2(const int16_t *in, uint8_t *out, size_t n);
#endif

/* The body of a kernel of (in, out, n): `step` over every whole vector, then once more over the
 * last `width` samples, since writing some outputs twice is cheaper than a scalar tail. An input
 * shorter than a vector goes to the variant `shorter`. */
#define RM_EACH_VECTOR(width, step, shorter) \
    do { \
        if (n < (width)) { \
            shorter(in, out, n); \
            return; \
        } \
        for (size_t i = 0; i + (width) < n; i += (width)) \
            step(in + i, out + i); \
        step(in + n - (width), out + n - (width)); \
    } while (0)

#endif
