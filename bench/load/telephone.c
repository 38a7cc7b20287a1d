/* See telephone.h. */
#define _GNU_SOURCE
#include "telephone.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

enum {
    BATCH = 8,
    PACKET_BYTES = 1600,
    RTP_HEADER = 12,
};

struct window window = {.open = INT64_MAX, .close = INT64_MAX};

int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static bool in_window(int64_t at)
{
    return at >= window.open && at < window.close;
}

void telephone_set_up(struct telephone *t, const char *address, int port, int payload_type)
{
    int fd = t->fd;
    uint32_t overflows = t->overflows;
    struct {
        uint32_t ssrc, timestamp;
        uint16_t sequence_number;
    } start;
    if (getrandom(&start, sizeof start, 0) != sizeof start)
        abort();
    memset(t, 0, sizeof *t);
    t->fd = fd;
    t->overflows = overflows;
    t->peer.sin_family = AF_INET;
    t->peer.sin_port = htons((uint16_t)port);
    inet_pton(AF_INET, address, &t->peer.sin_addr);
    t->payload_type = (uint8_t)payload_type;
    t->ssrc = start.ssrc;
    t->timestamp = start.timestamp;
    t->sequence_number = start.sequence_number;
}

/* ---- sending ---- */

void telephone_send(struct telephone *t, int64_t due)
{
    uint8_t packet[RTP_HEADER + BURST_SAMPLES];
    uint16_t sequence_number = htons(t->sequence_number++);
    uint32_t timestamp = htonl(t->timestamp), ssrc = htonl(t->ssrc);
    packet[0] = 0x80;
    packet[1] = (uint8_t)(t->payload_type | (t->number == 0 ? 0x80 : 0));
    memcpy(packet + 2, &sequence_number, 2);
    memcpy(packet + 4, &timestamp, 4);
    memcpy(packet + 8, &ssrc, 4);
    burst_code_write(packet + RTP_HEADER, t->number, t->ssrc);
    int64_t late = clock_ns(CLOCK_MONOTONIC) - due;
    struct sent *sent = &t->sent[t->number++ % BURST_NUMBERS];
    t->timestamp += BURST_SAMPLES;
    *sent = (struct sent){.at = clock_ns(CLOCK_REALTIME)};
    sent->counted = in_window(sent->at);
    if (sent->counted) {
        window.sent++;
        samples_add(&window.lateness, late / 1000);
    }
    if (sendto(t->fd, packet, sizeof packet, MSG_DONTWAIT, (struct sockaddr *)&t->peer,
               sizeof t->peer) < 0)
        window.unsent++;
}

/* ---- receiving ---- */

static void echo_found(struct telephone *t, uint32_t word, uint32_t timestamp)
{
    uint32_t number;
    if (!burst_code_check(word, t->ssrc, &number)) {
        window.foreign++;
        return;
    }
    struct sent *sent = &t->sent[number];
    if (!sent->at || sent->echoed) {
        window.duplicate += sent->at != 0;
        return;
    }
    sent->echoed = true;
    if (!sent->counted)
        return;
    window.echoed++;
    t->echoed_in_window++;
    for (unsigned back = 1; back <= SEEN_PACKETS && back <= t->seen_count; back++) {
        unsigned i = (t->seen_count - back) % SEEN_PACKETS;
        int32_t place = (int32_t)(timestamp - t->seen[i].timestamp);
        if (place >= 0) {
            int64_t returned = t->seen[i].arrival + place * 125000LL;
            samples_add(&window.round_trips, (returned - sent->at) / 1000);
            return;
        }
    }
}

static void forget_samples(struct telephone *t, int n)
{
    t->line_length -= n;
    t->line_timestamp += (uint32_t)n;
    memmove(t->line, t->line + n, (size_t)t->line_length * sizeof t->line[0]);
}

/* The first of the next 160 places with the strongest word; -1 if none has one. */
static int search(const struct telephone *t)
{
    int best_at = -1;
    int32_t best = 0;
    for (int at = 0; at < BURST_SAMPLES; at++) {
        uint32_t word;
        int32_t strength = burst_code_read(t->line + at, &word);
        if (strength > best) {
            best = strength;
            best_at = at;
        }
    }
    return best_at;
}

/* line[0] is where the next block starts if nothing moved; search only when it is not there. */
static void read_line(struct telephone *t)
{
    while (t->line_length >= BURST_READ_END) {
        uint32_t word;
        if (!burst_code_read(t->line, &word)) {
            if (t->line_length < BURST_SAMPLES - 1 + BURST_READ_END)
                return;
            int at = search(t);
            forget_samples(t, at < 0 ? BURST_SAMPLES : at);
            if (at < 0)
                continue;
            burst_code_read(t->line, &word);
        }
        echo_found(t, word, t->line_timestamp);
        if (t->line_length < BURST_SAMPLES) { /* the silent last period has not arrived */
            t->line_timestamp += BURST_SAMPLES;
            t->line_length -= BURST_SAMPLES;
            return;
        }
        forget_samples(t, BURST_SAMPLES);
    }
}

static void place_audio(struct telephone *t, uint32_t timestamp, const uint8_t *payload, int n)
{
    int32_t gap = (int32_t)(timestamp - t->line_timestamp) - t->line_length;
    if (!t->receiving || gap > PAUSE_SAMPLES || gap < -BURST_SAMPLES * 50) {
        t->receiving = true;
        t->line_timestamp = timestamp;
        t->line_length = gap = 0;
    }
    if (gap < 0) /* late or repeated: its time has passed */
        return;
    for (; gap > 0; gap--, t->line_length++)
        if (t->line_length >= 0)
            t->line[t->line_length] = 0;
    int skip = t->line_length < 0 ? -t->line_length : 0;
    if (skip < n)
        burst_code_expand(payload + skip, t->line + t->line_length + skip, n - skip);
    t->line_length += n;
    read_line(t);
}

static void arrived(struct telephone *t, uint32_t timestamp, int64_t arrival)
{
    unsigned i = t->seen_count++ % SEEN_PACKETS;
    t->seen[i].timestamp = timestamp;
    t->seen[i].arrival = arrival;
    if (in_window(arrival)) {
        window.received++;
        if (t->last_arrival)
            samples_add(&window.gaps, (arrival - t->last_arrival) / 1000);
    }
    t->last_arrival = arrival;
}

/* RFC 3550 section 5.1; anything else than audio of the agreed type is counted and dropped. */
static void receive_packet(struct telephone *t, const uint8_t *p, int length, int64_t arrival)
{
    int header = RTP_HEADER + 4 * (p[0] & 15);
    if (length >= header + 4 && p[0] & 0x10)
        header += 4 + 4 * (p[header + 2] << 8 | p[header + 3]);
    int padding = length > 0 && p[0] & 0x20 ? p[length - 1] : 0;
    int n = length - header - padding;
    if (length < RTP_HEADER || p[0] >> 6 != 2 || (p[1] & 0x7f) != t->payload_type || n <= 0 ||
        n > PAUSE_SAMPLES) {
        window.other++;
        return;
    }
    uint32_t timestamp, ssrc;
    memcpy(&timestamp, p + 4, 4);
    memcpy(&ssrc, p + 8, 4);
    if (ssrc != t->peer_ssrc)
        t->receiving = false;
    t->peer_ssrc = ssrc;
    arrived(t, ntohl(timestamp), arrival);
    place_audio(t, ntohl(timestamp), p + header, n);
}

static int64_t read_stamps(struct telephone *t, struct msghdr *header)
{
    int64_t arrival = 0;
    for (struct cmsghdr *m = CMSG_FIRSTHDR(header); m; m = CMSG_NXTHDR(header, m)) {
        if (m->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec stamp;
            memcpy(&stamp, CMSG_DATA(m), sizeof stamp);
            arrival = stamp.tv_sec * 1000000000LL + stamp.tv_nsec;
        } else if (m->cmsg_type == SO_RXQ_OVFL) {
            uint32_t total;
            memcpy(&total, CMSG_DATA(m), sizeof total);
            window.dropped += total - t->overflows;
            t->overflows = total;
        }
    }
    return arrival ? arrival : clock_ns(CLOCK_REALTIME);
}

void telephone_receive(struct telephone *t)
{
    static uint8_t packets[BATCH][PACKET_BYTES];
    static char control[BATCH][128];
    struct mmsghdr headers[BATCH];
    struct iovec vectors[BATCH];
    int n;
    do {
        memset(headers, 0, sizeof headers);
        for (int i = 0; i < BATCH; i++) {
            vectors[i] = (struct iovec){packets[i], PACKET_BYTES};
            headers[i].msg_hdr.msg_iov = &vectors[i];
            headers[i].msg_hdr.msg_iovlen = 1;
            headers[i].msg_hdr.msg_control = control[i];
            headers[i].msg_hdr.msg_controllen = sizeof control[i];
        }
        n = recvmmsg(t->fd, headers, BATCH, MSG_DONTWAIT, NULL);
        for (int i = 0; i < n; i++) {
            int64_t arrival = read_stamps(t, &headers[i].msg_hdr);
            receive_packet(t, packets[i], (int)headers[i].msg_len, arrival);
        }
    } while (n == BATCH);
}

