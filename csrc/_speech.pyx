# cython: always_allow_keywords=True
"""The built-in speech detector, as the object that ``media/speech.py`` plugs in by default."""

from libc.stdint cimport int16_t

from octets cimport pcm_octets, samples_of


cdef extern from "speech.h" nogil:
    ctypedef struct rm_speech:
        pass
    void rm_speech_init(rm_speech *s)
    bint rm_speech_hear(rm_speech *s, const int16_t *pcm, size_t n)


cdef class EnergyDetector:
    """Tells speech from a steady background by its energy; s16le mono at 16 kHz.

    6 dB above the background begins speech, 3 dB keep it, and below -50 dBov there is none. The
    background is followed all the time: a sound that lasts two seconds without a dip is part of it.
    """

    cdef rm_speech _state

    def __cinit__(self):
        rm_speech_init(&self._state)

    def feed(self, frame):
        """Take the next bus frame; return whether somebody speaks in it."""
        cdef bytes pcm = pcm_octets(frame.pcm)
        return rm_speech_hear(&self._state, samples_of(pcm), len(pcm) // 2)
