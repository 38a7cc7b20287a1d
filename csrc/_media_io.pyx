# cython: boundscheck=False, wraparound=False
"""Batch I/O for all media streams of a process: a watchable epoll set, as a Python object.

The loops are in media_io.c and run without the GIL. Signatures are in ``_media_io.pyi``.
"""

from cpython.exc cimport PyErr_SetFromErrno
from libc.math cimport isfinite
from libc.stdint cimport int64_t, uint32_t

from rapida_media.kernels._stream cimport MediaStream, rm_stream

from rapida_media.errors import LocalProtocolError


cdef extern from "media_io.h" nogil:
    ctypedef struct rm_poller:
        int epoll_fd
        uint32_t *news

    int rm_poller_init(rm_poller *)
    void rm_poller_free(rm_poller *)
    int64_t rm_poller_add(rm_poller *, int, rm_stream *)
    void rm_poller_remove(rm_poller *, uint32_t)
    size_t rm_poller_receive(rm_poller *, double)
    size_t rm_poller_tick(rm_poller *, double)


cdef class MediaPoller:
    cdef rm_poller core
    cdef dict streams  # slot → MediaStream: keeps alive what the C side points to

    def __cinit__(self):
        self.core.epoll_fd = -1
        self.streams = {}
        if rm_poller_init(&self.core) < 0:
            PyErr_SetFromErrno(OSError)

    def __dealloc__(self):
        rm_poller_free(&self.core)

    def close(self):
        rm_poller_free(&self.core)
        self.streams.clear()

    def fileno(self):
        return self.core.epoll_fd

    def add(self, int fd, MediaStream stream not None):
        cdef int64_t slot = rm_poller_add(&self.core, fd, &stream.core)
        if slot < 0:
            PyErr_SetFromErrno(OSError)
        self.streams[slot] = stream
        return slot

    def remove(self, int slot):
        if slot not in self.streams:
            raise LocalProtocolError(f"remove: slot {slot} is not in use")
        rm_poller_remove(&self.core, slot)
        del self.streams[slot]

    def receive(self, double now):
        cdef size_t count
        _check_now(now)
        with nogil:
            count = rm_poller_receive(&self.core, now)
        return [self.core.news[i] for i in range(count)]

    def tick(self, double now):
        cdef size_t count
        _check_now(now)
        with nogil:
            count = rm_poller_tick(&self.core, now)
        return [self.core.news[i] for i in range(count)]


cdef int _check_now(double now) except -1:
    if not isfinite(now):
        raise LocalProtocolError("now: expected finite monotonic seconds")
    return 0
