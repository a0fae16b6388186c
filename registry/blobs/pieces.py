"""Reading one file's range piece by piece, as the HTTP server streams it."""

from __future__ import annotations

import os
import threading

from registry.blobs.disk import told
from registry.blobs.rules import blob_named
from registry.errors import CorruptBytesError
from registry.ports.blobs import PIECE_BYTES


class FilePieces:
    """The bytes [start, end) of an open file, which it closes. Implements `ports.blobs.Pieces`.

    No generator, since closing one that never started would leave the file open.
    """

    def __init__(self, fd: int, sha256: str, start: int, end: int) -> None:
        self._fd: int | None = fd
        self._sha256 = sha256
        self._next = start
        self._end = end
        # A close between our look at the descriptor and the read would let the kernel give its
        # number to another file, and the read would hand out that file's bytes.
        self._lock = threading.Lock()

    def __iter__(self) -> FilePieces:
        return self

    def __next__(self) -> bytes:
        with self._lock:
            if self._fd is None:
                raise StopIteration
            try:
                piece = self._read(self._fd)
            except BaseException:
                self._close()
                raise
            if self._next == self._end:
                self._close()
            return piece

    def _read(self, fd: int) -> bytes:
        wanted = min(PIECE_BYTES, self._end - self._next)
        if wanted == 0:
            raise StopIteration
        try:
            # Fresh bytes of one size come from the allocator's pool: no slower than one's own.
            piece = os.pread(fd, wanted, self._next)
        except OSError as error:
            raise told(error, blob_named(self._sha256)) from error
        if not piece:
            problem = f"it ends at {self._next} of {self._end} bytes, cut while it was read"
            raise CorruptBytesError(sha256=self._sha256, problem=problem)
        self._next += len(piece)
        return piece

    def close(self) -> None:
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __del__(self) -> None:
        self._close()
