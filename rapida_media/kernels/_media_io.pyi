from rapida_media.kernels._stream import MediaStream

class MediaPoller:
    """Batch I/O for many streams: one watchable epoll set, recvmmsg in, sendto out.

    The loops run without the GIL; until they return, no other thread may touch the streams.
    Socket errors are counted in the streams. OSError only from the constructor and `add`.
    """

    def close(self) -> None:
        """Close the epoll set; sockets and streams stay. Only `close` may follow."""

    def fileno(self) -> int:
        """Give the descriptor that is readable while any stream's socket is."""

    def add(self, fd: int, stream: MediaStream) -> int:
        """Serve a non-blocking UDP socket, which stays the caller's; return the slot."""

    def remove(self, slot: int) -> None:
        """Forget a slot. Call before closing its socket."""

    def receive(self, now: float) -> list[int]:
        """Take what has arrived (bounded); return the slots with frames, digits or marks."""

    def tick(self, now: float) -> list[int]:
        """Pass deadlines and send all due packets; return the slots with news among those."""
