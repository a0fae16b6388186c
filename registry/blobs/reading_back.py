"""Reading staged bytes back while more of them come, so that a commit finds most of it done.

The digest that a commit compares is of bytes read from the file, never of those received. Taken
after the last byte it costs as long as sending a file over a fast network does; taken behind the
sender it costs another core's time instead. What is known here is lost with the process: a commit
then reads all.
"""

from __future__ import annotations

import hashlib
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock

from registry.blobs import disk
from registry.ports.blobs import PIECE_BYTES

#: Files up to this are read at once when they are committed: nobody waits long for that.
FOLLOWED_BYTES_MIN = 8 * PIECE_BYTES
#: Files read back at a time, each of which is kept open.
FILES_MAX = 16
#: A file that nothing was added to for so long is let go.
IDLE_S = 60.0
_THREADS = 2


class ReadingBack:
    """What was read back of which staged file. All methods may be called from many threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._readers: dict[str, _Reader] = {}
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="read-back")

    def follow(self, key: str, fd: int, end: int) -> None:
        """Note that the open file now holds `end` bytes, none of which will ever change."""
        with self._lock:
            reader = self._readers.get(key)
            if reader is not None and not reader.reads(fd):
                self._drop(key)
                reader = None
            # Only near a file's beginning: later it would read what the commit reads anyway.
            if reader is None and FOLLOWED_BYTES_MIN <= end < 2 * FOLLOWED_BYTES_MIN:
                reader = self._begin(key, fd)
            if reader is not None:
                reader.go_on(end, self._pool)

    def finish(self, key: str, fd: int) -> str:
        """The sha256 of the whole open file, of which nothing is read twice."""
        with self._lock:
            reader = self._readers.pop(key, None)
        if reader is None:
            return disk.sha256_of(fd)
        try:
            return reader.rest() if reader.reads(fd) else disk.sha256_of(fd)
        finally:
            reader.close()

    def forget(self, key: str) -> None:
        """Let go of a file that will not be committed."""
        with self._lock:
            if key in self._readers:
                self._drop(key)

    def forget_idle(self) -> None:
        """Let go of files whose senders went away: while open, a removed one takes up space."""
        with self._lock:
            for key in [key for key, reader in self._readers.items() if reader.is_idle()]:
                self._drop(key)

    def _begin(self, key: str, fd: int) -> _Reader | None:
        if len(self._readers) >= FILES_MAX:
            return None
        reader = self._readers[key] = _Reader(fd)
        return reader

    def _drop(self, key: str) -> None:
        self._readers.pop(key).close()


class _Reader:
    """One staged file on its way to a digest. Its open file keeps the inode from being given to
    another file, so that `reads` cannot take that one for this."""

    def __init__(self, fd: int) -> None:
        self._fd = os.dup(fd)
        self._digest = hashlib.sha256()
        self._offset = 0
        self._end = 0
        self._stopped = False
        self._step: Future[None] | None = None
        self._used_s = time.monotonic()

    def reads(self, fd: int) -> bool:
        return os.path.samestat(os.fstat(self._fd), os.fstat(fd))

    def is_idle(self) -> bool:
        return time.monotonic() - self._used_s > IDLE_S

    def go_on(self, end: int, pool: ThreadPoolExecutor) -> None:
        """Read up to `end`, in another thread, unless one does so already or has failed."""
        self._end = max(self._end, end)
        self._used_s = time.monotonic()
        rests = self._step is None or (self._step.done() and self._step.exception() is None)
        if rests and self._end - self._offset >= FOLLOWED_BYTES_MIN:
            self._step = pool.submit(self._advance)

    def rest(self) -> str:
        """Read what is left, and the digest of all. Raises what reading in between raised."""
        if self._step is not None and not self._step.cancel():
            self._step.result()
        self._end = os.fstat(self._fd).st_size
        self._advance()
        return self._digest.hexdigest()

    def close(self) -> None:
        self._stopped = True
        if self._step is not None and not self._step.cancel():
            # At most a piece's time; its error is nobody's concern any more.
            self._step.exception()
        os.close(self._fd)

    def _advance(self) -> None:
        piece = bytearray(PIECE_BYTES)
        while self._offset < self._end and not self._stopped:
            left = min(PIECE_BYTES, self._end - self._offset)
            size = os.preadv(self._fd, [memoryview(piece)[:left]], self._offset)
            if not size:
                return
            self._digest.update(memoryview(piece)[:size])
            self._offset += size
