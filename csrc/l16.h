/* L16: 16-bit samples in network byte order (RFC 3551 section 4.5.11) <-> host order of little-endian
 * machines. The same operation both ways.
 *
 * What for: RTP payloads of L16. Who calls: the Cython wrapper.
 */
#ifndef RM_L16_H
#define RM_L16_H

#include <stddef.h>
#include <stdint.h>

/* Swaps the octets of n samples. `out` may be `in`, not otherwise overlap it; any alignment of 2. */
void rm_swap16(const uint16_t *in, uint16_t *out, size_t n);

#endif
