/* The far ends of the load test: N telephones' media in one process outside the measured one.
 *
 * Started by far_end.py:  far_end CALLS ADDRESS FIRST_PORT
 * It binds CALLS pairs of ports (RTP even, RTCP odd, RFC 3550 section 11), prints
 * "ports P0 P1 …", then obeys lines on stdin until "quit" or the end of it:
 *   call I ADDRESS PORT TYPE   forget what call I was; its peer and its RTP payload type
 *   start I | stop I           begin or end sending; I = -1 means all
 *   open | close               the measured window; what is sent in it may come back after it
 *   report                     print one line of JSON about the window
 *
 * Sending: every call has a place on an absolute 20 ms schedule of 40 slots, half a millisecond
 * each; a slot that is late is sent late, never left out, and its lateness is recorded.
 * Receiving: sockets are emptied every 2 ms. Arrival is the kernel's receive stamp
 * (SO_TIMESTAMPNS), so neither that interval nor a late wake-up counts as the engine's jitter.
 */
#define _GNU_SOURCE
#include "telephone.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    SLOTS = 40,
    SLOT_NS = 500000,
    RECEIVE_EVERY = 4, /* slots */
    LONG_GAP_US = 40000,
};

static struct telephone *telephones;
static int call_count, poller;

/* Calls are spread evenly: call i belongs to slot i·SLOTS/N. */
static void send_slot(int slot, int64_t due)
{
    int first = (slot * call_count + SLOTS - 1) / SLOTS;
    int end = ((slot + 1) * call_count + SLOTS - 1) / SLOTS;
    for (int i = first; i < end; i++)
        if (telephones[i].sending)
            telephone_send(&telephones[i], due);
}

static void set_sending(int index, bool sending)
{
    for (int i = index < 0 ? 0 : index; i < (index < 0 ? call_count : index + 1); i++)
        telephones[i].sending = sending && telephones[i].peer.sin_port;
}

/* The lists keep their memory. */
static void open_window(void)
{
    struct samples lateness = window.lateness, gaps = window.gaps, round_trips = window.round_trips;
    lateness.count = gaps.count = round_trips.count = 0;
    window = (struct window){.lateness = lateness, .gaps = gaps, .round_trips = round_trips};
    for (int i = 0; i < call_count; i++)
        telephones[i].echoed_in_window = 0;
    window.open = clock_ns(CLOCK_REALTIME);
    window.close = INT64_MAX;
}

/* A stream that stopped has a last gap without an end: it lasts at least until the close. */
static int count_silent_calls(void)
{
    int silent = 0;
    for (int i = 0; i < call_count; i++) {
        const struct telephone *t = &telephones[i];
        silent += t->echoed_in_window == 0;
        int64_t since = t->last_arrival > window.open ? t->last_arrival : window.open;
        int64_t open_gap_us = (window.close - since) / 1000;
        if (t->sending && open_gap_us > LONG_GAP_US)
            samples_add(&window.gaps, open_gap_us);
    }
    return silent;
}

static void report(void)
{
    int silent = count_silent_calls();
    printf("{\"sent\": %ld, \"received\": %ld, \"echoed\": %ld, \"duplicate\": %ld, "
           "\"foreign\": %ld, \"other\": %ld, \"unsent\": %ld, \"socket_drops\": %ld, "
           "\"silent_calls\": %d, ",
           window.sent, window.received, window.echoed, window.duplicate, window.foreign,
           window.other, window.unsent, window.dropped, silent);
    samples_print("gap_us", &window.gaps, LONG_GAP_US);
    printf(", ");
    samples_print("round_trip_us", &window.round_trips, LONG_GAP_US);
    printf(", ");
    samples_print("lateness_us", &window.lateness, LONG_GAP_US);
    printf("}\n");
    fflush(stdout);
}

static bool obey(const char *line)
{
    int index, port, payload_type;
    char address[64];
    if (sscanf(line, "call %d %63s %d %d", &index, address, &port, &payload_type) == 4)
        telephone_set_up(&telephones[index], address, port, payload_type);
    else if (sscanf(line, "start %d", &index) == 1)
        set_sending(index, true);
    else if (sscanf(line, "stop %d", &index) == 1)
        set_sending(index, false);
    else if (!strcmp(line, "open"))
        open_window();
    else if (!strcmp(line, "close"))
        window.close = clock_ns(CLOCK_REALTIME);
    else if (!strcmp(line, "report"))
        report();
    return strcmp(line, "quit") != 0;
}

static bool read_commands(void)
{
    static char text[65536];
    static size_t used;
    ssize_t n = read(STDIN_FILENO, text + used, sizeof text - 1 - used);
    if (n <= 0)
        return false;
    used += (size_t)n;
    text[used] = 0;
    char *line = text, *end;
    for (; (end = strchr(line, '\n')); line = end + 1) {
        *end = 0;
        if (!obey(line))
            return false;
    }
    used -= (size_t)(line - text);
    memmove(text, line, used);
    return true;
}

static bool receive_ready(void)
{
    struct epoll_event ready[1024];
    int n = epoll_wait(poller, ready, 1024, 0);
    for (int i = 0; i < n; i++) {
        if (ready[i].data.fd >= 0)
            telephone_receive(&telephones[ready[i].data.fd]);
        else if (!read_commands())
            return false;
    }
    return true;
}

static void run(void)
{
    int64_t due = clock_ns(CLOCK_MONOTONIC) + SLOT_NS;
    for (unsigned long slot = 0;; slot++, due += SLOT_NS) {
        struct timespec wake = {due / 1000000000, due % 1000000000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, NULL);
        send_slot((int)(slot % SLOTS), due);
        if (slot % RECEIVE_EVERY == 0 && !receive_ready())
            return;
    }
}

static int bind_port(struct in_addr address, int port)
{
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                .sin_addr = address};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), on = 1;
    if (fd < 0 || bind(fd, (struct sockaddr *)&local, sizeof local) < 0) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
    return fd;
}

/* RTCP sockets are bound, so that reports are not refused with ICMP, and never read. */
static bool bind_all(struct in_addr address, int port)
{
    printf("ports");
    for (int i = 0; i < call_count; port += 2) {
        if (port > 65534)
            return false;
        int rtp = bind_port(address, port), rtcp = rtp < 0 ? -1 : bind_port(address, port + 1);
        if (rtcp < 0) {
            if (rtp >= 0)
                close(rtp);
            continue;
        }
        struct epoll_event event = {.events = EPOLLIN, .data.fd = i};
        telephones[i].fd = rtp;
        epoll_ctl(poller, EPOLL_CTL_ADD, rtp, &event);
        printf(" %d", port);
        i++;
    }
    printf("\n");
    fflush(stdout);
    return true;
}

int main(int argc, char **argv)
{
    struct in_addr address;
    if (argc != 4 || inet_pton(AF_INET, argv[2], &address) != 1 || atoi(argv[1]) < 1) {
        fprintf(stderr, "usage: far_end CALLS IPV4_ADDRESS FIRST_PORT\n");
        return 2;
    }
    call_count = atoi(argv[1]);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    telephones = calloc((size_t)call_count, sizeof *telephones);
    poller = epoll_create1(0);
    struct epoll_event commands = {.events = EPOLLIN, .data.fd = -1};
    epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &commands);
    burst_code_init();
    if (!telephones || !bind_all(address, atoi(argv[3]))) {
        fprintf(stderr, "far_end: no memory or no free ports for %d calls\n", call_count);
        return 1;
    }
    prctl(PR_SET_TIMERSLACK, 1);
    run();
    return 0;
}
