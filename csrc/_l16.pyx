# cython: binding=False, always_allow_keywords=False
"""L16 byte order on octets, for callers who hold a payload in Python."""

from libc.stdint cimport uint16_t

from octets cimport LONG_INPUT, new_octets, octets, octets_of, whole_samples


cdef extern from "l16.h" nogil:
    void rm_swap16(const uint16_t *samples, uint16_t *out, size_t n)


def swap16(data):
    """Swap the octets of 16-bit samples: L16 in network byte order to s16le PCM, or back.

    ValueError for half a sample. RFC 3551 section 4.5.11.
    """
    cdef bytes samples = whole_samples(octets(data))
    cdef Py_ssize_t n = len(samples) // 2
    cdef bytes swapped = new_octets(2 * n)
    cdef const uint16_t *source = <const uint16_t *>octets_of(samples)
    cdef uint16_t *target = <uint16_t *>octets_of(swapped)
    if n < LONG_INPUT:
        rm_swap16(source, target, n)
    else:
        with nogil:
            rm_swap16(source, target, n)
    return swapped
