"""The server's log: lines on a stream, written many at a time."""

from __future__ import annotations

import contextlib
import logging
import select
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TextIO

from registry.errors.redaction import redacted

#: A line waits at most so long; what is worse than information, not at all.
LATE_S = 0.1
#: So much goes into a pipe at once, and no other process's lines come in between.
_WRITE_BYTES_MAX = select.PIPE_BUF
#: Nor are more lines than these kept back.
LINES_MAX = 1000


class BulkHandler(logging.Handler):
    """Writes records to a stream in bulk.

    A line a call, written one by one, costs more than a call that finds its answer in memory: each
    write lets go of the interpreter's lock, and waits for it again behind all other threads. A
    process that is killed takes the lines of its last tenth of a second with it; what must not be
    lost is in the audit events.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._lines: list[str] = []
        self._some = threading.Event()
        threading.Thread(target=self._write_late, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.append(self.format(record))
            if record.levelno > logging.INFO or len(self._lines) >= LINES_MAX:
                self.flush()
            elif len(self._lines) == 1:
                self._some.set()
        except Exception:  # noqa: BLE001 - as every handler: a failing log must not fail the call
            self.handleError(record)

    def flush(self) -> None:
        """Write all lines that wait."""
        self.acquire()
        try:
            lines, self._lines = self._lines, []
            for piece in _pieces(lines):
                self._stream.write(piece)
                self._stream.flush()
        finally:
            self.release()

    def close(self) -> None:
        self.flush()
        super().close()

    def _write_late(self) -> None:
        while self._some.wait():
            self._some.clear()
            time.sleep(LATE_S)
            # Whoever read the log has gone, or it is being closed: there is nobody to be told.
            with contextlib.suppress(OSError, ValueError):
                self.flush()


def _pieces(lines: Iterable[str]) -> Iterator[str]:
    """Lines, as many together as are written as one. One that is longer comes by itself."""
    piece: list[str] = []
    size = 0
    for line in lines:
        added = len(line.encode(errors="backslashreplace")) + 1
        if piece and size + added > _WRITE_BYTES_MAX:
            yield "".join(piece)
            piece, size = [], 0
        piece.append(f"{line}\n")
        size += added
    if piece:
        yield "".join(piece)


class LineFormatter(logging.Formatter):
    """Time, level, logger and message, without secrets; the text of a second is made once."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")
        self._second = (-1, "")

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        second, text = self._second
        if second != int(record.created):
            second = int(record.created)
            text = time.strftime("%Y-%m-%d %H:%M:%S", self.converter(second))
            self._second = (second, text)
        return f"{text},{int(record.msecs):03d}"
