# cython: boundscheck=False, wraparound=False
"""One RTP media stream and the fused payload paths, as Python objects.

The work is in stream.c and below; here arguments are checked and values converted. The legs own a
``MediaStream`` per call; the signatures and their meaning are in ``_stream.pyi``.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.math cimport INFINITY, isfinite, isnan
from libc.stdint cimport uintptr_t
from libc.string cimport memcpy, memset

from rapida_media.errors import LocalProtocolError
from rapida_media.kernels._rtp import ReceptionReport

CONCEALED = RM_FRAME_CONCEALED
SILENCE = RM_FRAME_SILENCE
TALKSPURT_START = RM_FRAME_TALKSPURT_START
DIGIT = RM_FRAME_DIGIT

# RFC 4733 section 3.2, table 3: event 16 is the hook flash.
cdef str DIGITS = "0123456789*#ABCD!"
cdef enum:
    SAMPLES_PER_MS = 16
    FRAME_MS = 20
    EVENT_MIN_MS = 20
    EVENT_MAX_MS = 60000
    GAP_MAX_MS = 10000
    DELAY_MAX_MS = 400
    PULL_MAX_MS = 20


cdef int _check_now(double now) except -1:
    if not isfinite(now):
        raise LocalProtocolError("now: expected finite monotonic seconds")
    return 0


include "stream_config.pxi"
include "audio_frame.pxi"
include "stream_figures.pxi"
include "payload_coders.pxi"


cdef _take_datagram(rm_datagram_queue *queue):
    cdef char text[RM_ADDRESS_TEXT_BYTES]
    cdef const rm_datagram *datagram = rm_datagram_queue_take(queue)
    if datagram == NULL:
        return None
    text[0] = 0
    rm_address_format(&datagram.sender, text)
    return (PyBytes_FromStringAndSize(<const char *>datagram.data, datagram.bytes),
            ((<bytes>text).decode(), datagram.sender.port), datagram.arrival)


cdef class MediaStream:
    def __cinit__(self, *, unsigned int ssrc, unsigned short sequence_number,
                  unsigned int timestamp, double gap_wait_ms=40.0,
                  unsigned int playout_limit_ms=600_000, str jitter not None="immediate",
                  bint framed=True, bint multiplexed=False):
        cdef int fixed_ms = -1 if jitter == "immediate" else _fixed_ms(jitter)
        if not 0 <= gap_wait_ms <= 10_000 or not 20 <= playout_limit_ms <= 3_600_000:
            raise LocalProtocolError("gap_wait_ms or playout_limit_ms is out of range")
        if not rm_stream_init(&self.core, ssrc, sequence_number, timestamp, gap_wait_ms / 1000,
                              playout_limit_ms * SAMPLES_PER_MS):
            raise MemoryError
        self.core.ingress.unframed = not framed
        self.core.multiplexed = multiplexed
        if jitter != "immediate" and not rm_stream_listen(&self.core, fixed_ms):
            raise MemoryError

    def __dealloc__(self):
        rm_stream_free(&self.core)

    def configure(self, *, receive, send_payload_type, send_encoding, receive_events=(),
                  send_event=None, remote, bint sending=True, bint receiving=True,
                  silence="send", receive_noise=(), send_noise=None, int packet_ms=20,
                  bint rtcp_mux=False):
        cdef rm_stream_config config
        memset(&config, 0, sizeof(config))
        _set_meanings(&config, receive, receive_events, receive_noise)
        if silence not in ("send", "suppress"):
            raise LocalProtocolError(f"silence: expected send or suppress, got {silence!r}")
        if packet_ms not in (10, 20, 40, 60):
            raise LocalProtocolError(f"packet_ms: expected 10, 20, 40 or 60, got {packet_ms}")
        config.packet_ms = packet_ms
        config.send_payload_type = _payload_type(send_payload_type)
        config.send_encoding = _encoding(send_encoding)
        config.send_event = -1 if send_event is None else _payload_type(send_event)
        config.send_noise = -1 if send_noise is None else _payload_type(send_noise)
        _set_remote(&config, remote)
        config.sending = sending
        config.receiving = receiving
        config.suppress_silence = silence == "suppress"
        config.rtcp_mux = rtcp_mux
        if not rm_stream_configure(&self.core, &config):
            raise MemoryError

    def secure(self, *, sender, receiver):
        cdef rm_srtp_sender outward
        cdef rm_srtp_receiver inward
        cdef bytes mki
        memset(&outward, 0, sizeof(outward))
        memset(&inward, 0, sizeof(inward))
        if sender is not None:
            outward.protect = <rm_srtp_function><uintptr_t>sender.function
            outward.session = <void *><uintptr_t>sender.session
        if receiver is not None:
            mki = receiver.mki
            if len(mki) > RM_MKI_BYTES:
                raise LocalProtocolError(f"mki: expected at most {RM_MKI_BYTES} bytes")
            inward.unprotect = <rm_srtp_function><uintptr_t>receiver.function
            inward.remove = <rm_srtp_remove><uintptr_t>receiver.remove_function
            inward.session = <void *><uintptr_t>receiver.session
            inward.tag_bytes = receiver.tag_bytes
            inward.mki_bytes = len(mki)
            memcpy(inward.mki, PyBytes_AS_STRING(mki), len(mki))
        if sender is not self.srtp_sender:
            self.core.srtp_sender = outward
        if receiver is not self.srtp_receiver:
            self.core.srtp_receiver = inward
        self.srtp_sender, self.srtp_receiver = sender, receiver

    # --- ingress

    def receive_datagram(self, bytes data not None, tuple source not None, double now):
        cdef rm_address address
        _check_now(now)
        rm_address_parse(&address, (<str?>source[0]).encode(), source[1])
        rm_stream_receive(&self.core, <const uint8_t *>PyBytes_AS_STRING(data),
                          PyBytes_GET_SIZE(data), &address, now)

    def next_timeout(self):
        return None if self.core.timeout == INFINITY else self.core.timeout

    def handle_timeout(self, double now):
        _check_now(now)
        rm_stream_handle_timeout(&self.core, now)

    def next_frame(self):
        return _take_frame(&self.core.ingress.line)

    def pull(self, double now, int duration_ms):
        cdef int16_t samples[PULL_MAX_MS * SAMPLES_PER_MS]
        cdef uint32_t rate_hz
        _check_now(now)
        if self.core.listener == NULL or not 0 < duration_ms <= PULL_MAX_MS:
            raise LocalProtocolError(
                f"pull: expected 1 to {PULL_MAX_MS} ms of a stream that is adaptive or fixed")
        rate_hz = self.core.listener.playout.rate_hz
        rm_listener_pull(self.core.listener, now, samples, duration_ms * rate_hz // 1000)
        return PyBytes_FromStringAndSize(<const char *>samples, duration_ms * rate_hz // 500)

    @property
    def has_news(self):
        return bool(rm_stream_has_news(&self.core))

    def next_digit(self):
        cdef rm_digit digit
        if not rm_event_next_digit(&self.core.events, &digit):
            return None
        name = DIGITS[digit.event] if digit.event < 16 else "flash"
        return name, digit.duration_ms, digit.pts

    # --- RTCP

    @property
    def ssrc(self):
        return self.core.sender.ssrc

    @property
    def source_ssrc(self):
        return self.core.sources.ssrc if self.core.sources.has_current else None

    @property
    def source_heard_at(self):
        return self.core.sources.newest_at

    @property
    def send_rate_hz(self):
        return rm_encoding_rate_hz(self.core.sender.encoder.encoding)

    @property
    def sender_counts(self):
        cdef const rm_sender *sender = &self.core.sender
        return sender.packets - sender.packets_before, sender.octets - sender.octets_before

    def timestamp_at(self, double now):
        _check_now(now)
        return rm_sender_timestamp_at(&self.core.sender, now)

    def reception_report(self):
        cdef rm_report report
        if not self.core.sources.has_current:
            return None
        report = rm_source_report(&self.core.sources.current)
        return ReceptionReport(report.fraction_lost, report.cumulative_lost,
                               report.extended_highest_sequence, report.jitter)

    def next_rtcp(self):
        return _take_datagram(&self.core.rtcp)

    def next_datagram(self):
        return _take_datagram(&self.core.beside)

    def take_collision(self):
        collided = bool(self.core.collided)
        self.core.collided = False
        return collided

    def change_ssrc(self, uint32_t ssrc):
        rm_sender_change_ssrc(&self.core.sender, ssrc)

    # --- pass-through

    def relay_to(self, MediaStream other):
        if other is self:
            raise LocalProtocolError("relay_to: a stream cannot pass to itself")
        if other is not None and other.core.sender.relay != NULL and other.core.sender.relay.live:
            raise LocalProtocolError("relay_to: another stream passes to that one already")
        if not rm_stream_relay(&self.core, NULL if other is None else &other.core):
            raise MemoryError
        self.relayed_to = other

    @property
    def relaying(self):
        return self.core.relay_to != NULL

    def listen(self, bint listened):
        self.core.listened = listened

    # --- egress

    def start(self, double now):
        _check_now(now)
        rm_sender_start(&self.core.sender, now)

    def write(self, bytes pcm not None):
        cdef Py_ssize_t size = PyBytes_GET_SIZE(pcm)
        if size % 2:
            raise LocalProtocolError(f"write: expected whole 16-bit samples, got {size} bytes")
        return rm_playout_write(&self.core.sender.playout, PyBytes_AS_STRING(pcm), size // 2)

    def clear(self):
        return rm_playout_clear(&self.core.sender.playout) // SAMPLES_PER_MS

    def mark(self, int64_t mark_id):
        cdef rm_cue cue
        memset(&cue, 0, sizeof(cue))
        cue.kind = RM_CUE_MARK
        cue.mark_id = mark_id
        if not rm_playout_append(&self.core.sender.playout, cue):
            raise LocalProtocolError("mark: too many marks and digits are waiting")
        if not self.core.sender.event.active:
            rm_playout_reach(&self.core.sender.playout)

    def next_mark(self):
        cdef rm_cue cue
        if not rm_playout_next_mark(&self.core.sender.playout, &cue):
            return None
        return cue.mark_id, bool(cue.played)

    def send_digits(self, str digits not None, int duration_ms=100, int gap_ms=50):
        cdef rm_cue cue
        memset(&cue, 0, sizeof(cue))
        events = [DIGITS.find(digit) for digit in digits.upper()]
        if -1 in events:
            raise LocalProtocolError(f"digits: expected only {DIGITS}")
        if not (EVENT_MIN_MS <= duration_ms <= EVENT_MAX_MS and 0 <= gap_ms <= GAP_MAX_MS):
            raise LocalProtocolError(
                f"duration_ms or gap_ms: expected {EVENT_MIN_MS} to {EVENT_MAX_MS} and "
                f"0 to {GAP_MAX_MS}, got {duration_ms} and {gap_ms}"
            )
        if self.core.sender.event_payload_type < 0:
            raise LocalProtocolError("digits: the peer takes no telephone-event")
        if not rm_playout_reserve(&self.core.sender.playout, len(events)):
            raise LocalProtocolError("digits: too many marks and digits are waiting")
        cue.kind = RM_CUE_DIGIT
        cue.duration_ms = duration_ms
        cue.gap_ms = gap_ms
        for event in events:
            cue.event = event
            rm_playout_append(&self.core.sender.playout, cue)

    @property
    def queued_ms(self):
        cdef uint32_t queued = rm_playout_queued(&self.core.sender.playout)
        return (queued + SAMPLES_PER_MS - 1) // SAMPLES_PER_MS

    @property
    def idle(self):
        return bool(rm_sender_idle(&self.core.sender))

    def observe_sent(self, bint observed):
        if observed and self.core.sender.monitor == NULL:
            self.core.sender.monitor = rm_monitor_new()
            if self.core.sender.monitor == NULL:
                raise MemoryError
        elif not observed:
            rm_monitor_free(self.core.sender.monitor)
            self.core.sender.monitor = NULL

    def next_sent_frame(self):
        if self.core.sender.monitor == NULL:
            return None
        return _take_frame(&self.core.sender.monitor.line)

    def datagrams_to_send(self, double now):
        cdef uint8_t packet[RM_PACKET_BYTES]
        cdef size_t size
        _check_now(now)
        datagrams = []
        remote = None
        while True:
            size = rm_stream_next_packet(&self.core, now, packet)
            if size == 0:
                return datagrams
            if remote is None:
                remote = self.remote
            datagrams.append((PyBytes_FromStringAndSize(<const char *>packet, size), remote))

    def next_send_time(self):
        return rm_sender_next_time(&self.core.sender)

    @property
    def remote(self):
        cdef char text[RM_ADDRESS_TEXT_BYTES]
        cdef const rm_address *remote = &self.core.latch.remote
        if remote.family == 0:
            return None
        rm_address_format(remote, text)
        return (<bytes>text).decode(), remote.port

    @property
    def packets_received(self):
        return self.core.counters.packets_received

    def playout_state(self):
        cdef const rm_adaptive *a
        if self.core.listener == NULL:
            raise LocalProtocolError("playout_state: expected an adaptive or fixed stream")
        a = self.core.listener.playout
        return a.play - a.queued, a.owed, bool(a.idle)

    @property
    def first_received_at(self):
        cdef const rm_stream_counters *counters = &self.core.counters
        return counters.first_received if counters.packets_received > 0 else None

    @property
    def first_sent_at(self):
        cdef const rm_sender *sender = &self.core.sender
        return sender.first_sent if sender.packets > 0 else None

    def statistics(self):
        cdef dict figures = _stream_figures(&self.core)
        if self.core.listener != NULL:
            figures.update(_listener_figures(self.core.listener.playout))
        return figures
