/* libFuzzer target for the RTP header: whatever rm_rtp_parse accepts lies inside the datagram, and
 * rm_rtp_format writes the same octets again, but for the filling of the padding. */
#include "rtp.h"

#include "fuzz.h"

static int lies_within(const uint8_t *part, size_t bytes, const uint8_t *data, size_t size)
{
    return part >= data && bytes <= size && (size_t)(part - data) <= size - bytes;
}

static void require_parts(const rm_rtp *packet, const uint8_t *data, size_t size)
{
    REQUIRE(packet->payload_type < 128 && packet->csrc_count <= RM_RTP_MAX_CSRCS);
    REQUIRE(lies_within(packet->csrcs, 4u * packet->csrc_count, data, size));
    REQUIRE(lies_within(packet->payload, packet->payload_bytes, data, size));
    REQUIRE(packet->extension_bytes % 4 == 0);
    if (packet->has_extension)
        REQUIRE(lies_within(packet->extension, packet->extension_bytes, data, size));
    else
        REQUIRE(packet->extension == NULL && packet->extension_bytes == 0);
    REQUIRE(rm_rtp_formatted_bytes(packet) == size);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    uint8_t *data = exact_copy(input, size);
    rm_rtp packet;
    if (rm_rtp_parse(&packet, data, size)) {
        require_parts(&packet, data, size);
        uint8_t *formatted = malloc(size);
        REQUIRE(formatted != NULL);
        rm_rtp_format(&packet, formatted);
        if (packet.padding_bytes)
            memset(data + size - packet.padding_bytes, 0, packet.padding_bytes - 1u);
        REQUIRE(memcmp(data, formatted, size) == 0);
        free(formatted);
    }
    free(data);
    return 0;
}
