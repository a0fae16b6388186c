"""A request's body on its way from the event loop to a worker thread, in bounded memory.

The loop puts in what the network brings; one thread takes out pieces of a size that is good to
write. Neither waits for the other: the loop stops reading while enough lies here, and the two
overlap. ASGI's own `receive` copies each byte three times more on this way, and throws away what
arrived just before a cut.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from threading import Condition
from typing import Self

#: What a piece is made up to, unless the sender is slower than that.
PIECE_BYTES = 1 << 20
#: The loop stops reading at this. One piece is written while the next ones come.
HELD_BYTES_MAX = 4 * PIECE_BYTES
#: A slow sender's bytes are handed over after this time, however few they are.
PIECE_WAIT_S = 1.0


class Body:
    """Bytes in order, as an iterator for one thread; see the module comment.

    `want` is called, from that thread, when the first piece is asked for, and when there is room
    again after `put` said stop. What came before `fail` is handed out before its error is raised.
    """

    def __init__(self, *, want: Callable[[], object]) -> None:
        self._want = want
        self._parts: deque[bytes] = deque()
        self._held_bytes = 0
        self._stopped = True
        self._ended = False
        self._error: Exception | None = None
        self._changed = Condition()
        #: Of all pieces handed out.
        self.taken_bytes = 0

    # -- the loop's side

    def put(self, part: bytes) -> bool:
        """Add bytes, save after the end; False once the loop had better stop reading."""
        with self._changed:
            if self._ended:
                return True
            self._parts.append(part)
            self._held_bytes += len(part)
            if self._held_bytes >= PIECE_BYTES or len(self._parts) == 1:
                self._changed.notify()
            self._stopped |= self._held_bytes >= HELD_BYTES_MAX
            return self._held_bytes < HELD_BYTES_MAX

    def end(self) -> None:
        """All bytes are here."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def fail(self, error: Exception) -> None:
        """No more bytes will come. Repeats safely, and does nothing after the end."""
        with self._changed:
            if not self._ended:
                self._ended, self._error = True, error
                self._changed.notify()

    # -- the thread's side

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if self._has_room():
            self._want()
        with self._changed:
            self._wait()
            if self._parts:
                piece = self._take()
                self.taken_bytes += len(piece)
                return piece
            if self._error is not None:
                raise self._error
            raise StopIteration

    def _has_room(self) -> bool:
        """Whether the loop has to be told to read on. Half empty, so that it is told rarely."""
        with self._changed:
            tell = self._stopped and not self._ended and self._held_bytes <= HELD_BYTES_MAX // 2
            if tell:
                self._stopped = False
            return tell

    def _wait(self) -> None:
        """Until a whole piece is here, or the end, or some bytes and none after them for long."""
        since = time.monotonic()
        while not self._ended and self._held_bytes < PIECE_BYTES:
            left_s = since + PIECE_WAIT_S - time.monotonic()
            if self._parts and left_s <= 0:
                return
            self._changed.wait(left_s if self._parts else None)

    def _take(self) -> bytes:
        taken: list[bytes] = []
        size = 0
        while self._parts and size < PIECE_BYTES:
            part = self._parts.popleft()
            taken.append(part)
            size += len(part)
        self._held_bytes -= size
        return taken[0] if len(taken) == 1 else b"".join(taken)
