# cython: boundscheck=False, wraparound=False
"""RTP packets and RFC 3550 source statistics, as Python values (signatures in ``_rtp.pyi``).

The media path does not pass here: for RTCP, tests and tools.
"""

from enum import IntEnum
from typing import NamedTuple

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.math cimport isfinite
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memset

from rapida_media.errors import LocalProtocolError


cdef extern from "rtp.h" nogil:
    ctypedef struct rm_rtp:
        bint marker
        uint8_t payload_type
        uint16_t sequence_number
        uint32_t timestamp
        uint32_t ssrc
        uint8_t csrc_count
        const uint8_t *csrcs
        bint has_extension
        uint16_t extension_profile
        const uint8_t *extension
        size_t extension_bytes
        const uint8_t *payload
        size_t payload_bytes
        uint8_t padding_bytes

    bint rm_rtp_parse(rm_rtp *, const uint8_t *, size_t)
    size_t rm_rtp_formatted_bytes(const rm_rtp *)
    void rm_rtp_format(const rm_rtp *, uint8_t *)
    uint32_t rm_read_u32(const uint8_t *)


cdef extern from "source.h" nogil:
    ctypedef enum rm_verdict:
        RM_PROBATION
        RM_PLAYABLE
        RM_REORDERED
        RM_DUPLICATE
        RM_RESTARTED

    ctypedef struct rm_source:
        pass

    ctypedef struct rm_report:
        uint8_t fraction_lost
        int32_t cumulative_lost
        uint32_t extended_highest_sequence
        uint32_t jitter

    void rm_source_init(rm_source *, uint16_t)
    rm_verdict rm_source_sequence(rm_source *, uint16_t)
    void rm_source_jitter(rm_source *, uint32_t, uint32_t)
    int64_t rm_source_lost(const rm_source *)
    uint32_t rm_source_expected(const rm_source *)
    rm_report rm_source_report(rm_source *)
    uint32_t rm_rtp_clock(double, uint32_t)


class Verdict(IntEnum):
    PROBATION = RM_PROBATION
    PLAYABLE = RM_PLAYABLE
    REORDERED = RM_REORDERED
    DUPLICATE = RM_DUPLICATE
    RESTARTED = RM_RESTARTED


cdef tuple VERDICTS = tuple(Verdict)


class RtpPacket(NamedTuple):
    marker: bool
    payload_type: int
    sequence_number: int
    timestamp: int
    ssrc: int
    csrcs: tuple
    extension_profile: object
    extension: bytes
    payload: bytes
    padding_bytes: int


class ReceptionReport(NamedTuple):
    fraction_lost: int
    cumulative_lost: int
    extended_highest_sequence: int
    jitter: int


cdef bytes _copy(const uint8_t *data, size_t size):
    return PyBytes_FromStringAndSize(<const char *>data, size)


def parse_rtp(bytes data not None):
    cdef rm_rtp rtp
    if not rm_rtp_parse(&rtp, <const uint8_t *>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data)):
        return None
    return RtpPacket(
        bool(rtp.marker), rtp.payload_type, rtp.sequence_number, rtp.timestamp, rtp.ssrc,
        tuple([rm_read_u32(rtp.csrcs + 4 * i) for i in range(rtp.csrc_count)]),
        rtp.extension_profile if rtp.has_extension else None,
        _copy(rtp.extension, rtp.extension_bytes) if rtp.has_extension else b"",
        _copy(rtp.payload, rtp.payload_bytes), rtp.padding_bytes,
    )


def format_rtp(*, bint marker, uint8_t payload_type, uint16_t sequence_number,
               uint32_t timestamp, uint32_t ssrc, bytes payload not None, csrcs=(),
               extension_profile=None, bytes extension=b"", uint8_t padding_bytes=0):
    cdef rm_rtp rtp
    memset(&rtp, 0, sizeof(rtp))
    if payload_type > 127 or len(csrcs) > 15:
        raise LocalProtocolError("RTP has payload types to 127 and at most 15 CSRCs")
    if len(extension) % 4 or len(extension) > 4 * 0xFFFF:
        raise LocalProtocolError("an RTP extension is whole words, at most 65535 of them")
    if extension and extension_profile is None:
        raise LocalProtocolError("an RTP extension needs a profile number")
    cdef bytes sources = b"".join([csrc.to_bytes(4, "big") for csrc in csrcs])
    rtp.marker = marker
    rtp.payload_type = payload_type
    rtp.sequence_number = sequence_number
    rtp.timestamp = timestamp
    rtp.ssrc = ssrc
    rtp.csrc_count = len(csrcs)
    rtp.csrcs = <const uint8_t *>PyBytes_AS_STRING(sources)
    rtp.has_extension = extension_profile is not None
    rtp.extension_profile = extension_profile or 0
    rtp.extension = <const uint8_t *>PyBytes_AS_STRING(extension)
    rtp.extension_bytes = len(extension)
    rtp.payload = <const uint8_t *>PyBytes_AS_STRING(payload)
    rtp.payload_bytes = len(payload)
    rtp.padding_bytes = padding_bytes
    cdef bytes datagram = PyBytes_FromStringAndSize(NULL, rm_rtp_formatted_bytes(&rtp))
    rm_rtp_format(&rtp, <uint8_t *>PyBytes_AS_STRING(datagram))
    return datagram


cdef class SourceStatistics:
    cdef rm_source core
    cdef uint32_t rate_hz
    cdef bint met

    def __cinit__(self, uint32_t rate_hz):
        self.rate_hz = rate_hz
        rm_source_init(&self.core, 0)  # nothing is expected of a source not met

    def update(self, uint16_t sequence_number, uint32_t timestamp, double arrival):
        if not isfinite(arrival):
            raise LocalProtocolError("arrival: expected finite monotonic seconds")
        if not self.met:
            rm_source_init(&self.core, sequence_number)
            self.met = True
        cdef rm_verdict verdict = rm_source_sequence(&self.core, sequence_number)
        if verdict != RM_PROBATION:
            rm_source_jitter(&self.core, timestamp, rm_rtp_clock(arrival, self.rate_hz))
        return VERDICTS[<int>verdict]

    @property
    def packets_lost(self):
        return rm_source_lost(&self.core)

    @property
    def packets_expected(self):
        return rm_source_expected(&self.core)

    def report(self):
        cdef rm_report report = rm_source_report(&self.core)
        return ReceptionReport(report.fraction_lost, report.cumulative_lost,
                               report.extended_highest_sequence, report.jitter)
