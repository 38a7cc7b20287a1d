# cython: binding=False, always_allow_keywords=False
"""Base64 as RFC 4648 section 4 writes it, for whoever holds a payload in Python.

The media messages' path calls the same C functions inside its own kernel.
"""

from libc.stdint cimport uint8_t

from octets cimport new_octets, octets, octets_of
from simd cimport rm_simd, variant_called, variant_names


cdef extern from "base64.h" nogil:
    size_t rm_base64_length(size_t octets)
    size_t rm_base64_octets(const uint8_t *text, size_t n)
    bint rm_base64_decode(const uint8_t *text, size_t n, uint8_t *octets)
    void rm_base64_encode(const uint8_t *octets, size_t n, uint8_t *text)
    void rm_base64_use(rm_simd variant)


def base64_decode(text, /):
    """Return the octets that base64 text (ASCII octets) stands for.

    ValueError for a character outside the alphabet, misplaced or missing padding. Pad bits other
    than zero are ignored. RFC 4648 sections 3.3, 3.5 and 4.
    """
    cdef bytes characters = octets(text)
    cdef const uint8_t *source = octets_of(characters)
    cdef size_t n = <size_t>len(characters)
    if n & 3:
        raise ValueError(f"expected groups of 4 base64 characters, got {n}")
    cdef bytes out = new_octets(rm_base64_octets(source, n))
    if not rm_base64_decode(source, n, <uint8_t *>octets_of(out)):
        raise ValueError("expected base64 of RFC 4648 section 4")
    return out


def base64_encode(data, /):
    """Return the base64 text of these octets, padded, as ASCII octets. RFC 4648 section 4."""
    cdef bytes source = octets(data)
    cdef bytes out = new_octets(rm_base64_length(len(source)))
    rm_base64_encode(octets_of(source), len(source), <uint8_t *>octets_of(out))
    return out


def variants():
    """Name the vector variants this machine can run, the one in use last (unless one was forced)."""
    return variant_names()


def _force_variant(name):
    # For tests and the bench: use that variant in this module, None for the best one.
    rm_base64_use(variant_called(name))
