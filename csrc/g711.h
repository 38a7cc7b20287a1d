/* ITU-T G.711 companding, exact over every input value.
 *
 * What for: one octet on the wire <-> one 16-bit sample (host order, full scale = 32768).
 * Who calls: the stream kernel for each RTP packet, the Cython wrappers, the fused paths.
 *
 * `in` and `out` must not overlap. Any n, 0 included.
 */
#ifndef RM_G711_H
#define RM_G711_H

#include <stddef.h>
#include <stdint.h>

#include "simd.h"

void rm_ulaw_decode(const uint8_t *in, int16_t *out, size_t n);
void rm_ulaw_encode(const int16_t *in, uint8_t *out, size_t n);
void rm_alaw_decode(const uint8_t *in, int16_t *out, size_t n);
void rm_alaw_encode(const int16_t *in, uint8_t *out, size_t n);

/* From law to law, as decoding and encoding would: octet for octet. Here in == out is allowed. */
void rm_ulaw_to_alaw(const uint8_t *in, uint8_t *out, size_t n);
void rm_alaw_to_ulaw(const uint8_t *in, uint8_t *out, size_t n);

/* Use that variant in this extension module from now on; for tests. It must be one that the machine
 * has (rm_simd_has); when the module is loaded the best one is in use. */
void rm_g711_use(rm_simd variant);

#endif
