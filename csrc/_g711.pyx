# cython: binding=False, always_allow_keywords=False
"""ITU-T G.711 on octets: for recordings, tests and callers who hold a payload in Python.

The packet path calls the same C functions inside the stream kernel. PCM is s16le mono.
"""

from libc.stdint cimport int16_t, uint8_t

from octets cimport LONG_INPUT, new_octets, octets, octets_of, pcm_octets, samples_of


cdef extern from "g711.h" nogil:
    void rm_ulaw_decode(const uint8_t *octets, int16_t *pcm, size_t n)
    void rm_ulaw_encode(const int16_t *pcm, uint8_t *octets, size_t n)
    void rm_alaw_decode(const uint8_t *octets, int16_t *pcm, size_t n)
    void rm_alaw_encode(const int16_t *pcm, uint8_t *octets, size_t n)

ctypedef void (*Expander)(const uint8_t *, int16_t *, size_t) noexcept nogil
ctypedef void (*Compressor)(const int16_t *, uint8_t *, size_t) noexcept nogil


cdef inline bytes expand(object data, Expander expander):
    cdef bytes codes = octets(data)
    cdef Py_ssize_t n = len(codes)
    cdef bytes pcm = new_octets(2 * n)
    cdef const uint8_t *source = octets_of(codes)
    cdef int16_t *target = <int16_t *>samples_of(pcm)
    if n < LONG_INPUT:
        expander(source, target, n)
    else:
        with nogil:
            expander(source, target, n)
    return pcm


cdef inline bytes compress(object data, Compressor compressor):
    cdef bytes pcm = pcm_octets(data)
    cdef Py_ssize_t n = len(pcm) // 2
    cdef bytes codes = new_octets(n)
    cdef const int16_t *source = samples_of(pcm)
    cdef uint8_t *target = <uint8_t *>octets_of(codes)
    if n < LONG_INPUT:
        compressor(source, target, n)
    else:
        with nogil:
            compressor(source, target, n)
    return codes


def ulaw_decode(data):
    """Expand μ-law octets to s16le PCM, two octets out per octet in. G.711 table 2."""
    return expand(data, rm_ulaw_decode)


def ulaw_encode(pcm):
    """Compress s16le PCM to μ-law octets. ValueError for half a sample. G.711 table 2."""
    return compress(pcm, rm_ulaw_encode)


def alaw_decode(data):
    """Expand A-law octets to s16le PCM, two octets out per octet in. G.711 table 1."""
    return expand(data, rm_alaw_decode)


def alaw_encode(pcm):
    """Compress s16le PCM to A-law octets. ValueError for half a sample. G.711 table 1."""
    return compress(pcm, rm_alaw_encode)
