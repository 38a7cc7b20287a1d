/* Batch I/O for many media streams on Linux: one epoll set, recvmmsg in, sendto out, no Python.
 *
 * The poller's epoll descriptor is itself watchable, so an event loop sees "some stream has
 * packets" as one readable file. Sockets are non-blocking UDP and stay the caller's. One thread at
 * a time. Called by _media_io.pyx, with the GIL released in receive and tick. */
#ifndef RM_MEDIA_IO_H
#define RM_MEDIA_IO_H

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "stream.h"

enum {
    RM_POLL_EVENTS = 128,
    RM_BATCH = 4,           /* datagrams per recvmmsg: usually there is one */
    RM_BATCHES_MAX = 16,    /* per stream and receive: nobody starves the others */
    RM_DATAGRAM_BYTES = 2048,
    RM_CONTROL_BYTES = 64,
};

typedef struct rm_slot {
    rm_stream *stream; /* NULL: free */
    int fd;
    int family;
} rm_slot;

typedef struct rm_poller {
    int epoll_fd;
    rm_slot *slots;
    uint32_t capacity;
    uint32_t *news; /* slots to look at, capacity of them */
    struct epoll_event events[RM_POLL_EVENTS];
    struct mmsghdr messages[RM_BATCH];
    struct iovec vectors[RM_BATCH];
    struct sockaddr_storage addresses[RM_BATCH];
    uint8_t buffers[RM_BATCH][RM_DATAGRAM_BYTES];
    _Alignas(8) uint8_t controls[RM_BATCH][RM_CONTROL_BYTES];
    double wall; /* the system's clock at the receive in progress */
} rm_poller;

/* 0, or -1 with errno. */
int rm_poller_init(rm_poller *p);
void rm_poller_free(rm_poller *p);

/* The slot, or -1 with errno. */
int64_t rm_poller_add(rm_poller *p, int fd, rm_stream *stream);

/* Forget a slot; harmless when its socket is already closed. */
void rm_poller_remove(rm_poller *p, uint32_t slot);

/* Take what has arrived by now: each packet at the time the kernel got it. Returns how many slots of p->news have something to fetch. */
size_t rm_poller_receive(rm_poller *p, double now);

/* Pass deadlines and send what is due, all streams. Returns the same. */
size_t rm_poller_tick(rm_poller *p, double now);

#endif
