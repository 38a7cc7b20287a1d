# cython: binding=False, always_allow_keywords=False
"""ITU-T G.711 on octets: for recordings, tests and callers who hold a payload in Python.

The packet path calls the same C functions inside the stream kernel. PCM is s16le mono.
"""

from cpython.buffer cimport PyBuffer_Release
from libc.stdint cimport int16_t, uint8_t

from octets cimport LONG_INPUT, borrow, new_octets, octets, octets_of, pcm_octets, samples_of
from simd cimport rm_simd, variant_called, variant_names


cdef extern from "g711.h" nogil:
    void rm_ulaw_decode(const uint8_t *octets, int16_t *pcm, size_t n)
    void rm_ulaw_encode(const int16_t *pcm, uint8_t *octets, size_t n)
    void rm_alaw_decode(const uint8_t *octets, int16_t *pcm, size_t n)
    void rm_alaw_encode(const int16_t *pcm, uint8_t *octets, size_t n)
    void rm_ulaw_to_alaw(const uint8_t *octets, uint8_t *out, size_t n)
    void rm_alaw_to_ulaw(const uint8_t *octets, uint8_t *out, size_t n)
    void rm_g711_use(rm_simd variant)

ctypedef void (*Expander)(const uint8_t *, int16_t *, size_t) noexcept nogil
ctypedef void (*Compressor)(const int16_t *, uint8_t *, size_t) noexcept nogil
ctypedef void (*Translator)(const uint8_t *, uint8_t *, size_t) noexcept nogil


cdef inline void run_expander(
    Expander expander, const uint8_t *codes, int16_t *pcm, Py_ssize_t n
) noexcept:
    if n < LONG_INPUT:
        expander(codes, pcm, n)
    else:
        with nogil:
            expander(codes, pcm, n)


cdef inline void run_compressor(
    Compressor compressor, const int16_t *pcm, uint8_t *codes, Py_ssize_t n
) noexcept:
    if n < LONG_INPUT:
        compressor(pcm, codes, n)
    else:
        with nogil:
            compressor(pcm, codes, n)


cdef inline bytes expand(object data, Expander expander):
    cdef bytes codes = octets(data)
    cdef bytes pcm = new_octets(2 * len(codes))
    run_expander(expander, octets_of(codes), <int16_t *>samples_of(pcm), len(codes))
    return pcm


cdef inline bytes compress(object data, Compressor compressor):
    cdef bytes pcm = pcm_octets(data)
    cdef bytes codes = new_octets(len(pcm) // 2)
    run_compressor(compressor, samples_of(pcm), <uint8_t *>octets_of(codes), len(codes))
    return codes


cdef inline Py_ssize_t expand_into(object data, object out, Expander expander) except -1:
    cdef bytes codes = octets(data)
    cdef Py_buffer target
    borrow(out, &target, 2 * len(codes), True)
    run_expander(expander, octets_of(codes), <int16_t *>target.buf, len(codes))
    PyBuffer_Release(&target)
    return 2 * len(codes)


cdef inline Py_ssize_t compress_into(object data, object out, Compressor compressor) except -1:
    cdef bytes pcm = pcm_octets(data)
    cdef Py_ssize_t n = len(pcm) // 2
    cdef Py_buffer target
    borrow(out, &target, n, False)
    run_compressor(compressor, samples_of(pcm), <uint8_t *>target.buf, n)
    PyBuffer_Release(&target)
    return n


cdef inline bytes translate(object data, Translator translator):
    cdef bytes codes = octets(data)
    cdef bytes out = new_octets(len(codes))
    translator(octets_of(codes), <uint8_t *>octets_of(out), len(codes))
    return out


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


def ulaw_decode_into(data, out):
    """As ulaw_decode, into the start of a writable buffer of the caller's; return octets written.

    ValueError, and nothing written, when it is too small or not aligned for 16-bit samples. It
    must not overlap the input.
    """
    return expand_into(data, out, rm_ulaw_decode)


def ulaw_encode_into(pcm, out):
    """As ulaw_encode, into the start of a caller's writable buffer; return octets written."""
    return compress_into(pcm, out, rm_ulaw_encode)


def alaw_decode_into(data, out):
    """As alaw_decode, into the start of a caller's writable buffer; return octets written."""
    return expand_into(data, out, rm_alaw_decode)


def alaw_encode_into(pcm, out):
    """As alaw_encode, into the start of a caller's writable buffer; return octets written."""
    return compress_into(pcm, out, rm_alaw_encode)


def ulaw_to_alaw(data):
    """Translate μ-law octets to A-law, with the result of decoding and encoding."""
    return translate(data, rm_ulaw_to_alaw)


def alaw_to_ulaw(data):
    """Translate A-law octets to μ-law, with the result of decoding and encoding."""
    return translate(data, rm_alaw_to_ulaw)


def variants():
    """Name the vector variants this machine can run, the best and default one last."""
    return variant_names()


def _force_variant(name):
    # For tests and the bench: use that variant in this module, None for the best one.
    rm_g711_use(variant_called(name))
