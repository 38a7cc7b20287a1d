# The vector variants of a kernel module, by name.

cdef extern from "simd.h":
    ctypedef int rm_simd
    const char *const rm_simd_names[]
    bint rm_simd_has(rm_simd variant)
    const int RM_SIMD_COUNT

cdef inline list variant_names():
    cdef int i
    return [rm_simd_names[i].decode() for i in range(RM_SIMD_COUNT) if rm_simd_has(i)]

cdef inline rm_simd variant_called(object name) except -1:
    names = variant_names()
    if name is None:
        name = names[-1]
    if name not in names:
        raise ValueError(f"expected one of {', '.join(names)}, got {name!r}")
    cdef int i
    for i in range(RM_SIMD_COUNT):
        if rm_simd_names[i].decode() == name:
            break
    return i
