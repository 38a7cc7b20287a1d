"""C declarations of the media stream, shared by the wrapper and the batch I/O."""

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "address.h" nogil:
    enum: RM_ADDRESS_TEXT_BYTES
    ctypedef struct rm_address:
        uint16_t family
        uint16_t port

    bint rm_address_parse(rm_address *, const char *host, uint16_t port)
    void rm_address_format(const rm_address *, char *text)
    bint rm_address_equal(const rm_address *, const rm_address *)


cdef extern from "payload.h" nogil:
    ctypedef enum rm_encoding:
        RM_NO_ENCODING
        RM_PCMU
        RM_PCMA
        RM_L16_16000
        RM_G722

    ctypedef struct rm_payload_decoder:
        rm_encoding encoding

    ctypedef struct rm_payload_encoder:
        rm_encoding encoding

    rm_encoding rm_encoding_named(const char *)
    size_t rm_payload_samples(rm_encoding, size_t)
    uint32_t rm_encoding_rate_hz(rm_encoding)
    void rm_payload_decoder_use(rm_payload_decoder *, rm_encoding)
    void rm_payload_encoder_use(rm_payload_encoder *, rm_encoding)
    void rm_payload_decode(rm_payload_decoder *, const uint8_t *, size_t, int16_t *)
    size_t rm_payload_encode(rm_payload_encoder *, const int16_t *, size_t, uint8_t *)


cdef extern from "meter.h" nogil:
    ctypedef struct rm_meter:
        uint64_t frames
        uint64_t active_frames
        uint64_t clipped

    double rm_meter_speech_dbov(const rm_meter *)
    double rm_meter_noise_dbov(const rm_meter *)


cdef extern from "burst.h" nogil:
    ctypedef struct rm_burst:
        uint64_t settled
        uint64_t lost
        uint64_t discarded

    ctypedef struct rm_burst_figures:
        double burst_density
        double gap_density
        double burst_packets
        double gap_packets
        double mean_run

    rm_burst_figures rm_burst_report(const rm_burst *)


cdef extern from "skew.h" nogil:
    ctypedef struct rm_skew:
        bint begun

    double rm_skew_ppm(const rm_skew *)


cdef extern from "source.h" nogil:
    ctypedef struct rm_source:
        uint32_t received

    ctypedef struct rm_report:
        uint8_t fraction_lost
        int32_t cumulative_lost
        uint32_t extended_highest_sequence
        uint32_t jitter

    rm_report rm_source_report(rm_source *)


cdef extern from "sources.h" nogil:
    ctypedef struct rm_sources:
        bint has_current
        uint32_t ssrc
        double newest_at
        rm_source current
        uint64_t changes
        uint64_t restarts


cdef extern from "datagram_queue.h" nogil:
    ctypedef struct rm_datagram:
        rm_address sender "from"
        double arrival
        uint16_t bytes
        uint8_t data[1500]

    ctypedef struct rm_datagram_queue:
        uint64_t dropped

    const rm_datagram *rm_datagram_queue_take(rm_datagram_queue *)


cdef extern from "frame_line.h" nogil:
    enum: RM_FRAME_CONCEALED, RM_FRAME_SILENCE, RM_FRAME_TALKSPURT_START, RM_FRAME_DIGIT
    ctypedef struct rm_frame:
        int64_t pts
        uint32_t flags
        uint32_t samples
        int16_t pcm[320]

    ctypedef struct rm_frame_line:
        uint64_t concealed
        uint64_t concealed_samples
        uint64_t dropped
        int64_t pts
        rm_meter meter

    const rm_frame *rm_frame_line_front(const rm_frame_line *)
    void rm_frame_line_drop_front(rm_frame_line *)


cdef extern from "dsp.h" nogil:
    int rm_level_dbov(const int16_t *, size_t)


cdef extern from "ingress.h" nogil:
    ctypedef struct rm_ingress:
        uint64_t late
        uint32_t last_samples
        bint unframed
        rm_frame_line line


cdef extern from "adaptive.h" nogil:
    ctypedef struct rm_jitter:
        double base

    ctypedef struct rm_timeline:
        uint32_t lost_run

    ctypedef struct rm_adaptive_counters:
        uint64_t packets
        uint64_t played
        uint64_t late
        uint64_t skipped
        uint64_t lost
        uint64_t stalled
        uint64_t noise
        uint64_t cut_in_pause
        uint64_t cut_in_speech
        uint64_t added_in_pause
        uint64_t stretches_in_speech
        double delay_sum
        uint64_t delay_count
        double delay_lately

    enum: RM_BACKLOG_SAMPLES, RM_BACKLOG_HISTORY

    ctypedef struct rm_adaptive:
        rm_timeline timeline
        rm_adaptive_counters counters
        int32_t fixed_ms
        rm_jitter jitter
        uint32_t rate_hz
        uint32_t queued
        int64_t play
        int64_t owed
        bint idle

    uint32_t rm_adaptive_waiting(const rm_adaptive *)


cdef extern from "listener.h" nogil:
    ctypedef struct rm_listener:
        rm_adaptive *playout

    void rm_listener_pull(rm_listener *, double, int16_t *, size_t)


cdef extern from "telephone_event.h" nogil:
    ctypedef struct rm_digit:
        uint8_t event
        uint32_t duration_ms
        int64_t pts

    ctypedef struct rm_event_receiver:
        uint64_t malformed
        uint64_t unknown
        uint64_t dropped

    ctypedef struct rm_event_sender:
        bint active

    bint rm_event_next_digit(rm_event_receiver *, rm_digit *)


cdef extern from "playout.h" nogil:
    enum: RM_CUE_MARK, RM_CUE_DIGIT
    ctypedef struct rm_cue:
        int64_t mark_id
        uint8_t kind
        uint8_t event
        bint played
        uint16_t duration_ms
        uint16_t gap_ms

    ctypedef struct rm_playout:
        uint64_t dropped
        uint64_t cleared
        uint64_t digits_cleared

    uint32_t rm_playout_queued(const rm_playout *)
    size_t rm_playout_write(rm_playout *, const void *, size_t)
    uint64_t rm_playout_clear(rm_playout *)
    bint rm_playout_reserve(rm_playout *, uint32_t)
    bint rm_playout_append(rm_playout *, rm_cue)
    bint rm_playout_next_mark(rm_playout *, rm_cue *)
    const rm_cue *rm_playout_reach(rm_playout *)


cdef extern from "monitor.h" nogil:
    ctypedef struct rm_monitor:
        rm_frame_line line

    rm_monitor *rm_monitor_new()
    void rm_monitor_free(rm_monitor *)


cdef extern from "relay.h" nogil:
    ctypedef struct rm_relay:
        bint live
        uint64_t passed
        uint64_t dropped


cdef extern from "lateness.h" nogil:
    ctypedef struct rm_lateness:
        float worst_ms

    double rm_lateness_quantile_ms(const rm_lateness *, double)


cdef extern from "sender.h" nogil:
    enum: RM_PACKET_BYTES
    ctypedef struct rm_sender:
        int16_t event_payload_type
        uint32_t ssrc
        rm_payload_encoder encoder
        rm_event_sender event
        rm_playout playout
        uint64_t packets
        uint64_t octets
        uint64_t packets_before
        uint64_t octets_before
        rm_meter meter
        double first_sent
        uint64_t late_ticks
        uint64_t skipped_ticks
        rm_lateness lateness
        uint64_t digits_dropped
        uint64_t played
        uint64_t silence_packets
        uint64_t noise_packets
        rm_monitor *monitor
        rm_relay *relay

    void rm_sender_start(rm_sender *, double)
    double rm_sender_next_time(const rm_sender *)
    bint rm_sender_idle(const rm_sender *)
    uint32_t rm_sender_timestamp_at(const rm_sender *, double)
    void rm_sender_change_ssrc(rm_sender *, uint32_t)


cdef extern from "latch.h" nogil:
    ctypedef struct rm_latch:
        rm_address remote
        bint frozen


cdef extern from "srtp.h" nogil:
    enum: RM_MKI_BYTES
    ctypedef int (*rm_srtp_function)(void *, void *, int *) noexcept nogil
    ctypedef int (*rm_srtp_remove)(void *, unsigned int) noexcept nogil

    ctypedef struct rm_srtp_sender:
        rm_srtp_function protect
        void *session

    ctypedef struct rm_srtp_receiver:
        rm_srtp_function unprotect
        rm_srtp_remove remove
        void *session
        uint8_t tag_bytes
        uint8_t mki_bytes
        uint8_t *mki

    ctypedef struct rm_srtp_counters:
        uint64_t failures
        uint64_t replays


cdef extern from "stream.h" nogil:
    uint8_t rm_means_event_at(uint32_t)
    enum:
        RM_MEANS_COMFORT_NOISE

    ctypedef struct rm_stream_config:
        uint8_t receive[128]
        uint8_t send_payload_type
        rm_encoding send_encoding
        int16_t send_event
        int16_t send_noise
        rm_address remote
        bint sending
        bint receiving
        bint suppress_silence
        uint32_t packet_ms
        bint rtcp_mux

    ctypedef struct rm_stream_counters:
        uint64_t packets_received
        uint64_t octets_received
        double first_received
        uint64_t bad_header
        uint64_t bad_payload
        uint64_t unknown_payload_type
        uint64_t wrong_source
        uint64_t on_probation
        uint64_t duplicate
        uint64_t reordered
        uint64_t noise_packets
        uint64_t own_packets_back
        uint64_t send_errors
        uint64_t receive_errors

    ctypedef struct rm_stream:
        double timeout
        rm_sender sender
        rm_latch latch
        rm_ingress ingress
        rm_event_receiver events
        rm_stream_counters counters
        bint paused
        bint collided
        rm_sources sources
        rm_burst burst
        rm_skew skew
        rm_datagram_queue rtcp
        bint multiplexed
        rm_datagram_queue beside
        rm_listener *listener
        rm_sender *relay_to
        bint listened
        rm_srtp_sender srtp_sender
        rm_srtp_receiver srtp_receiver
        rm_srtp_counters srtp

    bint rm_stream_listen(rm_stream *, int32_t)
    bint rm_stream_init(rm_stream *, uint32_t, uint16_t, uint32_t, double, uint32_t)
    void rm_stream_free(rm_stream *)
    bint rm_stream_configure(rm_stream *, const rm_stream_config *)
    void rm_stream_receive(rm_stream *, const uint8_t *, size_t, const rm_address *, double)
    bint rm_stream_relay(rm_stream *, rm_stream *)
    size_t rm_stream_next_packet(rm_stream *, double, uint8_t *)
    void rm_stream_handle_timeout(rm_stream *, double)
    bint rm_stream_has_news(const rm_stream *)
    int64_t rm_stream_lost(const rm_stream *)
    double rm_stream_loss(const rm_stream *)
    double rm_stream_jitter_ms(const rm_stream *)


cdef class MediaStream:
    cdef rm_stream core
    cdef MediaStream relayed_to  # keeps alive what core.relay_to points to
    # They own what the core's SRTP pointers lead to.
    cdef object srtp_sender
    cdef object srtp_receiver
