/* The vector variants of base64; base64.c chooses among them and holds the definition. */
#ifndef RM_BASE64_VARIANTS_H
#define RM_BASE64_VARIANTS_H

#include <stddef.h>
#include <stdint.h>

#include "simd.h"

/* Both take as much of the input as fits their vectors and return how much that was: whole groups of
 * 4 characters or 3 octets. decode sees no padding, stops before a vector with a character outside
 * the alphabet, and writes exactly 3 octets per 4 characters taken; neither reads or writes beyond
 * what n implies. */
typedef struct rm_base64_bulk {
    size_t (*decode)(const uint8_t *text, size_t n, uint8_t *octets);
    size_t (*encode)(const uint8_t *octets, size_t n, uint8_t *text);
} rm_base64_bulk;

#if RM_X86
extern const rm_base64_bulk rm_base64_ssse3, rm_base64_avx2, rm_base64_avx512;
#endif

#endif
