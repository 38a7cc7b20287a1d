#include "rtp.h"

#include <string.h>

/* Take the header extension at data[*offset]; false when it leads outside the datagram. */
static bool parse_extension(rm_rtp *packet, const uint8_t *data, size_t bytes, size_t *offset)
{
    if (bytes - *offset < 4)
        return false;
    packet->extension_profile = rm_read_u16(data + *offset);
    packet->extension_bytes = 4u * rm_read_u16(data + *offset + 2);
    *offset += 4;
    if (bytes - *offset < packet->extension_bytes)
        return false;
    packet->extension = data + *offset;
    *offset += packet->extension_bytes;
    return true;
}

bool rm_rtp_parse(rm_rtp *packet, const uint8_t *data, size_t bytes)
{
    if (bytes < RM_RTP_HEADER_BYTES || data[0] >> 6 != 2)
        return false;
    bool has_padding = data[0] & 0x20;
    packet->has_extension = data[0] & 0x10;
    packet->csrc_count = data[0] & 0x0f;
    packet->marker = data[1] & 0x80;
    packet->payload_type = data[1] & 0x7f;
    packet->sequence_number = rm_read_u16(data + 2);
    packet->timestamp = rm_read_u32(data + 4);
    packet->ssrc = rm_read_u32(data + 8);

    size_t offset = RM_RTP_HEADER_BYTES + 4u * packet->csrc_count;
    if (bytes < offset)
        return false;
    packet->csrcs = data + RM_RTP_HEADER_BYTES;
    packet->extension_profile = 0;
    packet->extension = NULL;
    packet->extension_bytes = 0;
    if (packet->has_extension && !parse_extension(packet, data, bytes, &offset))
        return false;

    /* "The last octet of the padding contains a count of how many padding octets should be
     * ignored, including itself" (section 5.1): so 0, or more than is there, is malformed. */
    packet->padding_bytes = has_padding && bytes > offset ? data[bytes - 1] : 0;
    if (has_padding && (packet->padding_bytes == 0 || packet->padding_bytes > bytes - offset))
        return false;
    packet->payload = data + offset;
    packet->payload_bytes = bytes - offset - packet->padding_bytes;
    return true;
}

void rm_rtp_write_header(uint8_t *out, bool marker, uint8_t payload_type,
                         uint16_t sequence_number, uint32_t timestamp, uint32_t ssrc)
{
    out[0] = 0x80;
    out[1] = (uint8_t)((marker ? 0x80 : 0) | payload_type);
    rm_write_u16(out + 2, sequence_number);
    rm_write_u32(out + 4, timestamp);
    rm_write_u32(out + 8, ssrc);
}

size_t rm_rtp_formatted_bytes(const rm_rtp *packet)
{
    return RM_RTP_HEADER_BYTES + 4u * packet->csrc_count +
           (packet->has_extension ? 4 + packet->extension_bytes : 0) + packet->payload_bytes +
           packet->padding_bytes;
}

static uint8_t *append(uint8_t *out, const uint8_t *data, size_t bytes)
{
    if (bytes)
        memcpy(out, data, bytes);
    return out + bytes;
}

void rm_rtp_format(const rm_rtp *packet, uint8_t *out)
{
    rm_rtp_write_header(out, packet->marker, packet->payload_type, packet->sequence_number,
                        packet->timestamp, packet->ssrc);
    out[0] |= (uint8_t)((packet->padding_bytes ? 0x20 : 0) | (packet->has_extension ? 0x10 : 0) |
                        packet->csrc_count);
    out = append(out + RM_RTP_HEADER_BYTES, packet->csrcs, 4u * packet->csrc_count);
    if (packet->has_extension) {
        rm_write_u16(out, packet->extension_profile);
        rm_write_u16(out + 2, (uint16_t)(packet->extension_bytes / 4));
        out = append(out + 4, packet->extension, packet->extension_bytes);
    }
    out = append(out, packet->payload, packet->payload_bytes);
    if (packet->padding_bytes) {
        memset(out, 0, packet->padding_bytes - 1u);
        out[packet->padding_bytes - 1] = packet->padding_bytes;
    }
}
