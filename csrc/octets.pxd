# Arguments and results of the kernels' Python side: octets in, new bytes out.
# A bytes argument is used where it lies; a typed memoryview would cost more than most kernels.
from cpython.buffer cimport PyBUF_CONTIG, PyBUF_FORMAT, PyBUF_FULL_RO
from cpython.buffer cimport PyBuffer_Release, PyBuffer_ToContiguous, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_Check, PyBytes_FromStringAndSize
from libc.stdint cimport int16_t, uint8_t, uintptr_t

cdef enum:
    LONG_INPUT = 16384  # octets; from here on releasing the GIL costs less than it gives

cdef inline bytes octets(object data):
    # Anything else with a buffer is copied once, which also aligns it for 16-bit access.
    return <bytes>data if PyBytes_Check(data) else memoryview(data).tobytes()

cdef inline bytes whole_samples(bytes pcm):
    if len(pcm) & 1:
        raise ValueError(f"expected whole 16-bit samples, got {len(pcm)} octets")
    return pcm

cdef inline bint holds_pcm(const char *form) noexcept:
    # Of a buffer's format: octets, or 16-bit integers with the low octet first. Floats, wider
    # integers and network order would be heard as noise.
    if form[0] == b"<" or form[0] == b"=" or form[0] == b"@":
        form += 1
    return form[0] in b"Bbch" and form[1] == 0

cdef inline int check_pcm(str what, const Py_buffer *view) except -1:
    if view.format != NULL and not holds_pcm(view.format):
        form = view.format.decode()
        raise TypeError(f"expected {what} octets or int16, got a buffer of format {form!r}")
    return 0

cdef inline bytes copied_pcm(object data):
    cdef Py_buffer view
    PyObject_GetBuffer(data, &view, PyBUF_FULL_RO)
    try:
        check_pcm("PCM as", &view)
        pcm = new_octets(view.len)
        PyBuffer_ToContiguous(PyBytes_AS_STRING(pcm), &view, view.len, b"C")
    finally:
        PyBuffer_Release(&view)
    return pcm

cdef inline bytes pcm_octets(object data):
    return whole_samples(<bytes>data if PyBytes_Check(data) else copied_pcm(data))

cdef inline const uint8_t *octets_of(bytes data) noexcept:
    return <const uint8_t *>PyBytes_AS_STRING(data)

cdef inline const int16_t *samples_of(bytes pcm) noexcept:
    return <const int16_t *>PyBytes_AS_STRING(pcm)

cdef inline bytes new_octets(Py_ssize_t size):
    return PyBytes_FromStringAndSize(NULL, size)

cdef inline bytes new_samples(Py_ssize_t samples):
    if samples < 0:
        raise ValueError(f"expected a number of samples, got {samples}")
    if <size_t>samples > (<size_t>-1) // 4:  # octets would not count so far
        raise MemoryError
    return new_octets(2 * samples)

cdef inline int borrow(object out, Py_buffer *view, Py_ssize_t size, bint samples) except -1:
    # Open a caller's buffer for writing `size` octets; the caller of this releases it.
    PyObject_GetBuffer(out, view, PyBUF_CONTIG | PyBUF_FORMAT)
    cdef Py_ssize_t room = view.len
    try:
        check_pcm("room for", view)
    except TypeError:
        PyBuffer_Release(view)
        raise
    if room < size or (samples and <uintptr_t>view.buf & 1):
        PyBuffer_Release(view)
        if room < size:
            raise ValueError(f"expected room for {size} octets, got {room}")
        raise ValueError("expected 16-bit samples at an even address")
    return 0
