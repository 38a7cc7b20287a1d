#define _GNU_SOURCE
#include "media_io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS_AT_REST = 64, POLL_ROUNDS_MAX = 16 };
/* Older than this no packet waits; the system's clock was set. */
static const double WAITED_MAX_SECONDS = 1;

int rm_poller_init(rm_poller *p)
{
    memset(p, 0, sizeof *p);
    for (int i = 0; i < RM_BATCH; i++) {
        p->vectors[i] = (struct iovec){p->buffers[i], RM_DATAGRAM_BYTES};
        p->messages[i].msg_hdr.msg_iov = &p->vectors[i];
        p->messages[i].msg_hdr.msg_iovlen = 1;
        p->messages[i].msg_hdr.msg_name = &p->addresses[i];
        p->messages[i].msg_hdr.msg_control = p->controls[i];
    }
    p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return p->epoll_fd < 0 ? -1 : 0;
}

void rm_poller_free(rm_poller *p)
{
    if (p->epoll_fd >= 0)
        close(p->epoll_fd);
    free(p->slots);
    free(p->news);
    p->epoll_fd = -1;
    p->slots = NULL;
    p->news = NULL;
    p->capacity = 0;
}

/* --- slots ------------------------------------------------------------------------------- */

static int grow(rm_poller *p)
{
    uint32_t capacity = p->capacity ? 2 * p->capacity : SLOTS_AT_REST;
    rm_slot *slots = realloc(p->slots, capacity * sizeof *slots);
    if (slots == NULL)
        return -1;
    p->slots = slots;
    uint32_t *news = realloc(p->news, capacity * sizeof *news);
    if (news == NULL)
        return -1;
    p->news = news;
    memset(slots + p->capacity, 0, (capacity - p->capacity) * sizeof *slots);
    p->capacity = capacity;
    return 0;
}

int64_t rm_poller_add(rm_poller *p, int fd, rm_stream *stream)
{
    int family;
    socklen_t size = sizeof family;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) < 0)
        return -1;
    int on = 1; /* without it packets arrive when they are read */
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    uint32_t slot = 0;
    while (slot < p->capacity && p->slots[slot].stream != NULL)
        slot++;
    if (slot == p->capacity && grow(p) < 0)
        return -1;
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = slot};
    if (epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        return -1;
    p->slots[slot] = (rm_slot){stream, fd, family};
    return slot;
}

void rm_poller_remove(rm_poller *p, uint32_t slot)
{
    epoll_ctl(p->epoll_fd, EPOLL_CTL_DEL, p->slots[slot].fd, NULL);
    p->slots[slot].stream = NULL;
}

/* --- receiving --------------------------------------------------------------------------- */

static double seconds(const struct timespec *t)
{
    return (double)t->tv_sec + 1e-9 * (double)t->tv_nsec;
}

/* When the kernel got the packet: by how long it has waited, so that no two clocks are mixed. */
static double arrival(const rm_poller *p, struct msghdr *message, double now)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
            continue;
        struct timespec stamp;
        memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
        double waited = p->wall - seconds(&stamp);
        return waited > 0 && waited < WAITED_MAX_SECONDS ? now - waited : now;
    }
    return now;
}

static void take_messages(rm_poller *p, rm_stream *stream, int n, double now)
{
    for (int i = 0; i < n; i++) {
        rm_address from;
        rm_address_from_socket(&from, &p->addresses[i]);
        if (p->messages[i].msg_hdr.msg_flags & MSG_TRUNC)
            stream->counters.bad_header++; /* larger than any audio packet */
        else
            rm_stream_receive(stream, p->buffers[i], p->messages[i].msg_len, &from,
                              arrival(p, &p->messages[i].msg_hdr, now));
    }
}

static void drain(rm_poller *p, const rm_slot *slot, double now)
{
    for (int batch = 0; batch < RM_BATCHES_MAX; batch++) {
        for (int i = 0; i < RM_BATCH; i++) {
            p->messages[i].msg_hdr.msg_namelen = sizeof p->addresses[i];
            p->messages[i].msg_hdr.msg_controllen = RM_CONTROL_BYTES;
        }
        int n = recvmmsg(slot->fd, p->messages, RM_BATCH, MSG_DONTWAIT, NULL);
        if (n < 0) { /* an ICMP error of what we sent before, or nothing there */
            slot->stream->counters.receive_errors += errno != EAGAIN && errno != EINTR;
            return;
        }
        take_messages(p, slot->stream, n, now);
        if (n < RM_BATCH)
            return;
    }
}

size_t rm_poller_receive(rm_poller *p, double now)
{
    size_t count = 0;
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    p->wall = seconds(&wall);
    for (int round = 0; round < POLL_ROUNDS_MAX; round++) {
        int ready = epoll_wait(p->epoll_fd, p->events, RM_POLL_EVENTS, 0);
        for (int i = 0; i < ready; i++) {
            const rm_slot *slot = &p->slots[p->events[i].data.u32];
            if (slot->stream == NULL)
                continue; /* closed before it was removed, and a duplicate of it lives on */
            drain(p, slot, now);
            if (rm_stream_has_news(slot->stream) && count < p->capacity)
                p->news[count++] = p->events[i].data.u32;
        }
        if (ready < RM_POLL_EVENTS)
            break;
    }
    return count;
}

/* --- sending ----------------------------------------------------------------------------- */

static void send_due(const rm_slot *slot, double now)
{
    uint8_t packet[RM_PACKET_BYTES];
    struct sockaddr_storage to;
    rm_stream *stream = slot->stream;
    socklen_t to_bytes = rm_address_to_socket(&stream->latch.remote, slot->family, &to);
    size_t bytes;
    while ((bytes = rm_stream_next_packet(stream, now, packet)) > 0) {
        if (to_bytes == 0 || sendto(slot->fd, packet, bytes, MSG_DONTWAIT | MSG_NOSIGNAL,
                                    (const struct sockaddr *)&to, to_bytes) < 0)
            stream->counters.send_errors++;
    }
}

size_t rm_poller_tick(rm_poller *p, double now)
{
    size_t count = 0;
    for (uint32_t i = 0; i < p->capacity; i++) {
        rm_stream *stream = p->slots[i].stream;
        if (stream == NULL || (stream->timeout > now && rm_sender_next_time(&stream->sender) > now))
            continue;
        rm_stream_handle_timeout(stream, now);
        send_due(&p->slots[i], now);
        if (rm_stream_has_news(stream))
            p->news[count++] = i;
    }
    return count;
}
