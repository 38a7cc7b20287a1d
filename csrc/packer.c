#include "packer.h"

#include <string.h>

void rm_packer_use(rm_packer *p, uint32_t packet_ms)
{
    p->ticks = packet_ms > RM_PACKET_MS ? (uint8_t)(packet_ms / RM_PACKET_MS) : 1;
    p->pieces = packet_ms < RM_PACKET_MS ? (uint8_t)(RM_PACKET_MS / packet_ms) : 1;
}

static size_t put(uint8_t *out, const uint8_t *packet, size_t bytes)
{
    memcpy(out, packet, bytes);
    return bytes;
}

static size_t flush(rm_packer *p, uint8_t *out)
{
    p->gathered = 0;
    return put(out, p->packet, p->bytes);
}

/* Whether it is 20 ms that the sender made of its own. */
static bool is_audio(const rm_sender *s, const uint8_t *packet, size_t bytes)
{
    return (packet[1] & 0x7f) == s->payload_type && !(s->relay != NULL && s->relay->anchored) &&
           rm_payload_samples(s->encoder.encoding, bytes - RM_RTP_HEADER_BYTES) ==
               16 * RM_PACKET_MS;
}

/* Whether `packet` goes on where the gathered one ends. A marker begins something new. */
static bool follows(const rm_packer *p, const rm_sender *s, const uint8_t *packet, size_t bytes)
{
    uint32_t units = rm_encoding_rate_hz(s->encoder.encoding) / (1000 / RM_PACKET_MS);
    return is_audio(s, packet, bytes) && packet[1] == (p->packet[1] & 0x7f) &&
           rm_read_u32(packet + 4) == rm_read_u32(p->packet + 4) + p->gathered * units;
}

/* Whether the gathered packet is as long as it is wished, or may be. */
static bool is_full(const rm_packer *p, size_t bytes)
{
    return p->gathered >= p->ticks ||
           p->bytes + bytes - RM_RTP_HEADER_BYTES > RM_PACKET_BYTES - RM_SRTP_TRAILER_BYTES;
}

static void gather(rm_packer *p, rm_sender *s, const uint8_t *packet, size_t bytes)
{
    if (p->gathered == 0) {
        p->bytes = put(p->packet, packet, bytes);
    } else {
        size_t payload = bytes - RM_RTP_HEADER_BYTES;
        memcpy(p->packet + p->bytes, packet + RM_RTP_HEADER_BYTES, payload);
        p->bytes += payload;
        p->joined++;
        s->packets--;
    }
    p->gathered++;
    p->tick = s->tick;
}

/* Give the next piece of `packet`. */
static size_t cut(rm_packer *p, rm_sender *s, uint8_t *out)
{
    uint32_t units = rm_encoding_rate_hz(s->encoder.encoding) / (1000 / RM_PACKET_MS);
    size_t payload = (p->bytes - RM_RTP_HEADER_BYTES) / p->pieces;
    memcpy(out, p->packet, RM_RTP_HEADER_BYTES);
    if (p->cut > 0) {
        out[1] &= 0x7f;
        rm_write_u16(out + 2, (uint16_t)(rm_read_u16(p->packet + 2) + p->cut));
        rm_write_u32(out + 4, rm_read_u32(p->packet + 4) + p->cut * units / p->pieces);
        p->joined--;
        s->packets++;
    }
    memcpy(out + RM_RTP_HEADER_BYTES, p->packet + RM_RTP_HEADER_BYTES + p->cut * payload, payload);
    p->cut = p->cut + 1 < p->pieces ? p->cut + 1 : 0;
    return RM_RTP_HEADER_BYTES + payload;
}

/* The next packet of the sender, under its number on the wire. */
static size_t take(rm_packer *p, rm_sender *s, double now, uint8_t *packet)
{
    size_t bytes = p->next_bytes;
    if (bytes > 0) {
        p->next_bytes = 0;
        return put(packet, p->next, bytes);
    }
    return rm_sender_next(s, now, packet);
}

static void renumber(const rm_packer *p, uint8_t *packet)
{
    rm_write_u16(packet + 2, (uint16_t)(rm_read_u16(packet + 2) - p->joined));
}

size_t rm_packer_next(rm_packer *p, rm_sender *s, double now, uint8_t packet[RM_PACKET_BYTES])
{
    if (p->cut > 0)
        return cut(p, s, packet);
    size_t bytes;
    while ((bytes = take(p, s, now, packet)) > 0) {
        if (p->gathered > 0 && !follows(p, s, packet, bytes)) {
            p->next_bytes = put(p->next, packet, bytes);
            return flush(p, packet);
        }
        if (p->gathered == 0)
            renumber(p, packet);
        if (!is_audio(s, packet, bytes))
            return bytes;
        if (p->pieces > 1) {
            p->bytes = put(p->packet, packet, bytes);
            return cut(p, s, packet);
        }
        if (p->ticks < 2 && p->gathered == 0)
            return bytes;
        gather(p, s, packet, bytes);
        if (is_full(p, bytes))
            return flush(p, packet);
    }
    return p->gathered > 0 && s->tick > p->tick ? flush(p, packet) : 0;
}
