"""What an agent hears: one frame of the bus, taken from the C line of frames. In _stream.pyx."""


cdef class Audio:
    cdef readonly int64_t pts
    cdef readonly uint32_t flags
    cdef readonly bytes pcm

    __match_args__ = ("pcm", "pts", "level_dbov")

    def __init__(self, int64_t pts, uint32_t flags, bytes pcm not None):
        self.pts = pts
        self.flags = flags
        self.pcm = pcm

    @property
    def level_dbov(self):
        cdef const int16_t *samples = <const int16_t *>PyBytes_AS_STRING(self.pcm)
        return rm_level_dbov(samples, PyBytes_GET_SIZE(self.pcm) // 2)

    @property
    def concealed(self):
        return bool(self.flags & RM_FRAME_CONCEALED)

    @property
    def silence(self):
        return bool(self.flags & RM_FRAME_SILENCE)

    def __eq__(self, other):
        if not isinstance(other, Audio):
            return NotImplemented
        return (self.pts, self.flags, self.pcm) == (other.pts, other.flags, other.pcm)

    def __hash__(self):
        return hash((self.pts, self.flags, self.pcm))

    def __repr__(self):
        return f"Audio(pts={self.pts}, level_dbov={self.level_dbov}, flags={self.flags})"


cdef Audio _take_frame(rm_frame_line *line):
    cdef const rm_frame *frame = rm_frame_line_front(line)
    cdef Audio taken
    if frame == NULL:
        return None
    taken = Audio.__new__(Audio)
    taken.pts = frame.pts
    taken.flags = frame.flags
    taken.pcm = PyBytes_FromStringAndSize(<const char *>frame.pcm, 2 * frame.samples)
    rm_frame_line_drop_front(line)
    return taken
