/* The RTP fixed header, its options and its payload (RFC 3550 section 5.1 and 5.3.1).
 * Called once per received packet by stream.c and once per sent packet by sender.c. */
#ifndef RM_RTP_H
#define RM_RTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RM_RTP_HEADER_BYTES = 12, RM_RTP_MAX_CSRCS = 15 };

/* Pointers lead into the parsed datagram (parse) or into the caller's memory (format). */
typedef struct rm_rtp {
    bool marker;
    uint8_t payload_type;
    uint16_t sequence_number;
    uint32_t timestamp;
    uint32_t ssrc;
    uint8_t csrc_count;
    const uint8_t *csrcs; /* csrc_count words of four bytes, network order */
    bool has_extension;
    uint16_t extension_profile;
    const uint8_t *extension; /* extension_bytes, a multiple of four */
    size_t extension_bytes;
    const uint8_t *payload;
    size_t payload_bytes; /* without the padding */
    uint8_t padding_bytes;
} rm_rtp;

/* False when the datagram is no RTP version 2 packet or one of its lengths leads outside it;
 * *packet is then undefined. */
bool rm_rtp_parse(rm_rtp *packet, const uint8_t *data, size_t bytes);

/* Bytes that rm_rtp_format will write. */
size_t rm_rtp_formatted_bytes(const rm_rtp *packet);

/* Write the packet; out holds rm_rtp_formatted_bytes(packet) and may not overlap its parts. */
void rm_rtp_format(const rm_rtp *packet, uint8_t *out);

/* Write the twelve bytes of a header without options. */
void rm_rtp_write_header(uint8_t *out, bool marker, uint8_t payload_type,
                         uint16_t sequence_number, uint32_t timestamp, uint32_t ssrc);

static inline uint16_t rm_read_u16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }

static inline uint32_t rm_read_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void rm_write_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void rm_write_u32(uint8_t *p, uint32_t v)
{
    rm_write_u16(p, (uint16_t)(v >> 16));
    rm_write_u16(p + 2, (uint16_t)v);
}

#endif
