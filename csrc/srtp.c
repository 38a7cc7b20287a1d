#include "srtp.h"

#include <arpa/inet.h>
#include <string.h>

#include "rtp.h"

size_t rm_srtp_protect(const rm_srtp_sender *s, rm_srtp_counters *counters, uint8_t *packet,
                       size_t bytes)
{
    int size = (int)bytes;
    if (s->protect(s->session, packet, &size) != RM_SRTP_OK) {
        counters->failures++;
        return 0;
    }
    return (size_t)size;
}

/* Take the MKI out from before the tag. It names the key and is itself not authenticated. */
static bool strip_mki(const rm_srtp_receiver *s, uint8_t *packet, int *bytes)
{
    if (s->mki_bytes == 0)
        return true;
    uint8_t *mki = packet + *bytes - s->tag_bytes - s->mki_bytes;
    if (memcmp(mki, s->mki, s->mki_bytes) != 0)
        return false;
    memmove(mki, mki + s->mki_bytes, s->tag_bytes);
    *bytes -= s->mki_bytes;
    return true;
}

/* libsrtp keeps a context for every SSRC that sent an authentic packet. */
static void remember(rm_srtp_receiver *s, uint32_t ssrc)
{
    uint32_t known = s->ssrc_count < RM_SRTP_SOURCES ? s->ssrc_count : RM_SRTP_SOURCES;
    for (uint32_t i = 0; i < known; i++)
        if (s->ssrcs[i] == ssrc)
            return;
    uint32_t *place = &s->ssrcs[s->ssrc_count++ % RM_SRTP_SOURCES];
    if (known == RM_SRTP_SOURCES)
        s->remove(s->session, htonl(*place));
    *place = ssrc;
}

size_t rm_srtp_unprotect(rm_srtp_receiver *s, rm_srtp_counters *counters, const uint8_t *data,
                         size_t bytes, uint8_t packet[RM_SRTP_PACKET_BYTES])
{
    size_t least = RM_RTP_HEADER_BYTES + (size_t)s->mki_bytes + s->tag_bytes;
    if (bytes < least || bytes > RM_SRTP_PACKET_BYTES) {
        counters->failures++;
        return 0;
    }
    int size = (int)bytes;
    memcpy(packet, data, bytes);
    int status = strip_mki(s, packet, &size) ? s->unprotect(s->session, packet, &size)
                                             : RM_SRTP_AUTH_FAIL;
    if (status == RM_SRTP_OK) {
        remember(s, rm_read_u32(packet + 8));
        return (size_t)size;
    }
    if (status == RM_SRTP_REPLAY_FAIL || status == RM_SRTP_REPLAY_OLD)
        counters->replays++;
    else
        counters->failures++;
    return 0;
}
