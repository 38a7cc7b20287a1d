/* libFuzzer target for one media stream. The input is a script of what its owner and its peers may
 * do, in any order: packets of several sources, tidy and broken; audio, digits and marks to send;
 * new payload types and addresses; time that passes or, once in a while, seems to run back. After
 * every step the counters must add up and memory must stay within its bounds. */
#include "stream.h"

#include <math.h>

#include "fuzz.h"
#include "stream_checks.h"

enum { DATAGRAM_MAX = 8192, PEERS = 3, WRITE_MAX = 4096 };

#if defined(__has_feature) && __has_feature(memory_sanitizer)
/* The vector filters compute whole groups, also of samples that nobody uses. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    rm_resample_use(RM_SCALAR);
    return 0;
}
#endif

static const uint8_t payload_types[] = {0, 8, 9, 96, 101, 102, 13, 127};

static rm_address peer(unsigned n)
{
    rm_address address;
    static const char *const hosts[PEERS] = {"192.0.2.1", "192.0.2.2", "2001:db8::1"};
    REQUIRE(rm_address_parse(&address, hosts[n % PEERS], (uint16_t)(4000 + 2 * (n / PEERS))));
    return address;
}

static void configure(world *w)
{
    uint8_t what = take_u8(&w->in), where = take_u8(&w->in);
    static const rm_encoding encodings[] = {RM_PCMU, RM_PCMA, RM_L16_16000, RM_G722};
    static const uint8_t numbers[] = {0, 8, 96, 9};
    rm_stream_config config = {
        .packet_ms = RM_PACKET_MS,
        .receive = {[0] = RM_PCMU, [8] = RM_PCMA, [9] = RM_G722, [96] = RM_L16_16000},
        .send_payload_type = numbers[what & 3],
        .send_encoding = encodings[what & 3],
        .send_event = what & 4 ? -1 : 101,
        .send_noise = where & 1 ? 13 : -1,
        .sending = !(what & 8),
        .receiving = !(what & 16),
        .suppress_silence = what & 32,
    };
    config.receive[101] = what & 64 ? RM_MEANS_NOTHING : RM_MEANS_EVENT;
    config.receive[102] = what & 128 ? RM_PCMU : RM_MEANS_EVENT;
    if (where < 250)
        config.remote = peer(where);
    rm_stream_configure(&w->stream, &config);
}

static void receive(world *w, const uint8_t *data, size_t bytes, unsigned from)
{
    uint8_t *datagram = exact_copy(data, bytes);
    rm_address address = peer(from);
    if (from == 255)
        address = (rm_address){0};
    rm_stream_receive(&w->stream, datagram, bytes, &address, w->now);
    free(datagram);
    w->datagrams++;
}

/* Whatever octets the script holds. */
static void receive_any(world *w)
{
    uint8_t data[255];
    size_t bytes = take_u8(&w->in);
    for (size_t i = 0; i < bytes; i++)
        data[i] = take_u8(&w->in);
    receive(w, data, bytes, take_u8(&w->in));
}

static size_t write_payload(world *w, uint8_t *out, uint8_t payload_type)
{
    size_t bytes = take_u8(&w->in);
    if (payload_type > 100) { /* an event, mostly */
        for (size_t i = 0; i < RM_EVENT_BYTES; i++)
            out[i] = take_u8(&w->in);
        return bytes & 0x80 ? bytes & 3 : RM_EVENT_BYTES;
    }
    uint32_t noise = bytes;
    bytes = bytes * bytes / 8 + bytes % 8;
    for (size_t i = 0; i < bytes; i++)
        out[i] = (uint8_t)((noise = noise * 1664525u + 1013904223u) >> 24);
    return bytes;
}

/* A packet of one of four sources, a step on from the one before it. */
static void receive_packet(world *w)
{
    uint8_t data[DATAGRAM_MAX], how = take_u8(&w->in), from = take_u8(&w->in);
    uint8_t payload_type = payload_types[how & 7];
    voice *v = &w->voices[how >> 4 & 3];
    int8_t steps = (int8_t)take_u8(&w->in);
    v->sequence_number = (uint16_t)(v->sequence_number + 1 + steps);
    if (how & 0x40) {
        v->timestamp = take_u32(&w->in);
        v->sequence_number = take_u16(&w->in);
    }
    size_t bytes = write_payload(w, data + RM_RTP_HEADER_BYTES, payload_type);
    rm_rtp_write_header(data, how & 8, payload_type, v->sequence_number, v->timestamp,
                        0x1000u + (how >> 4 & 3));
    if (how & 0x80)
        data[0] |= take_u8(&w->in) & 0x3f;
    uint32_t units = payload_type == 96 ? bytes / 2 : payload_type > 100 ? 0 : bytes;
    v->timestamp += units * (uint32_t)(1 + steps);
    receive(w, data, RM_RTP_HEADER_BYTES + bytes, from);
}

/* Many small packets of one source, all the same way apart. */
static void receive_burst(world *w)
{
    uint8_t data[RM_RTP_HEADER_BYTES + 16], how = take_u8(&w->in), steps = take_u8(&w->in);
    voice *v = &w->voices[how >> 3 & 3];
    uint8_t payload_type = payload_types[how & 7];
    memset(data + RM_RTP_HEADER_BYTES, how, 16);
    for (int n = steps & 31; n >= 0; n--) {
        v->sequence_number = (uint16_t)(v->sequence_number + 1 + (steps >> 5));
        v->timestamp += 16u * (1 + (steps >> 5));
        rm_rtp_write_header(data, false, payload_type, v->sequence_number, v->timestamp,
                            0x1000u + (how >> 3 & 3));
        receive(w, data, sizeof data, how >> 7);
    }
}

static void pass_time(world *w)
{
    uint8_t how = take_u8(&w->in);
    double ms = how & 0x3f;
    static const double scales[] = {0.001, 0.005, 1, -0.005};
    double scale = scales[how >> 6];
    w->now += scale == 1 ? exp2(ms / 4) : scale * ms;
}

static void write_audio(world *w)
{
    static int16_t pcm[WRITE_MAX + 1];
    uint16_t what = take_u16(&w->in);
    size_t n = what % WRITE_MAX;
    for (size_t i = 0; i < n; i++)
        pcm[i] = (int16_t)(what * (i + 1));
    int16_t *samples = exact_copy(pcm, n * sizeof *pcm);
    size_t taken = rm_playout_write(&w->stream.sender.playout, samples, n);
    free(samples);
    REQUIRE(taken <= n);
    w->offered += n;
    w->accepted += taken;
}

static void set_mark(world *w)
{
    rm_sender *sender = &w->stream.sender;
    rm_cue cue = {.kind = RM_CUE_MARK, .mark_id = w->marks_set};
    if (!rm_playout_append(&sender->playout, cue))
        return;
    w->marks_set++;
    if (!sender->event.active)
        rm_playout_reach(&sender->playout);
}

static void queue_digits(world *w)
{
    rm_sender *sender = &w->stream.sender;
    uint8_t what = take_u8(&w->in);
    uint32_t n = what >> 4;
    rm_cue cue = {.kind = RM_CUE_DIGIT, .event = what & 15};
    cue.duration_ms = (uint16_t)(20 + take_u8(&w->in) * 15);
    cue.gap_ms = (uint16_t)(take_u8(&w->in) * 4);
    if (sender->event_payload_type < 0 || !rm_playout_reserve(&sender->playout, n))
        return;
    for (; n > 0; n--) {
        REQUIRE(rm_playout_append(&sender->playout, cue));
        w->digits_queued++;
    }
}

static void observe(world *w)
{
    rm_sender *sender = &w->stream.sender;
    if (sender->monitor == NULL) {
        sender->monitor = rm_monitor_new();
        REQUIRE(sender->monitor != NULL);
    } else {
        rm_monitor_free(sender->monitor);
        sender->monitor = NULL;
    }
    w->next_sent_pts = 0;
}

static void clear(world *w)
{
    uint64_t utterance = rm_playout_clear(&w->stream.sender.playout);
    REQUIRE(utterance <= w->stream.sender.played);
}

/* A listener with a clock of its own, at any time. */
static void pull(world *w)
{
    uint8_t ms = take_u8(&w->in) % 21;
    rm_listener *listener = w->stream.listener;
    if (listener == NULL)
        return;
    size_t n = ms * listener->playout->rate_hz / 1000;
    int16_t *pcm = malloc(n * sizeof *pcm + 1);
    REQUIRE(pcm != NULL);
    rm_listener_pull(listener, w->now, pcm, n);
    REQUIRE_WRITTEN(pcm, n * sizeof *pcm);
    free(pcm);
    w->pulled = true;
}

static void step(world *w)
{
    uint8_t what = take_u8(&w->in);
    switch (what % 26) {
    case 25: pull(w); break;
    case 0: configure(w); break;
    case 1: receive_any(w); break;
    case 2: rm_sender_start(&w->stream.sender, w->now); break;
    case 3: clear(w); break;
    case 4: set_mark(w); break;
    case 5: queue_digits(w); break;
    case 6: observe(w); break;
    case 7: take_marks(w); break;
    case 8: take_digits(w); break;
    case 9: case 10: take_frames(w); break;
    case 11: case 12: write_audio(w); break;
    case 13: case 14: let_deadlines_pass(w); break;
    case 15: case 16: send_due(w); break;
    case 17: case 18: pass_time(w); break;
    case 19: receive_burst(w); break;
    default: receive_packet(w); break;
    }
}

static void choose_policy(world *w, uint8_t choice)
{
    static const int32_t delays_ms[] = {-1, 0, 60, 400};
    if (choice % 8 == 1)
        w->stream.ingress.unframed = true;
    else if (choice % 8 > 3)
        REQUIRE(rm_stream_listen(&w->stream, delays_ms[choice % 4]));
}

/* The first octets are the stream's beginning: sequence number, timestamp, gap wait, limit and
 * policy. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    world w = {.in = {data, size}, .now = 1000};
    uint16_t sequence_number = take_u16(&w.in);
    uint32_t timestamp = take_u32(&w.in);
    double gap_wait = take_u8(&w.in) / 1000.0;
    uint8_t choice = take_u8(&w.in);
    w.limit = 320u << choice % 8;
    w.next_sent_sequence = sequence_number;
    REQUIRE(rm_stream_init(&w.stream, SSRC, sequence_number, timestamp, gap_wait, w.limit));
    choose_policy(&w, choice / 8);
    w.stream.multiplexed = choice & 0x80;
    while (w.in.left > 0) {
        step(&w);
        require_bounds(&w);
        require_sums(&w);
    }
    rm_stream_free(&w.stream);
    return 0;
}
