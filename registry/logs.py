"""The server's log: lines on a stream, written many at a time."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import TextIO

#: A line waits at most so long; what is worse than information, not at all.
LATE_S = 0.1
#: Nor are more lines than these kept back.
LINES_MAX = 1000


class BulkHandler(logging.Handler):
    """Formats records and writes them to a stream, in bulk.

    A line a call, written one by one, costs more than a call that finds its answer in memory: each
    write lets go of the interpreter's lock, and waits for it again behind all other threads. A
    process that is killed takes the lines of its last tenth of a second with it; what must not be
    lost is in the audit events.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        #: Lines, and records that will be lines.
        self._waiting: list[str | logging.LogRecord] = []
        self._some = threading.Event()
        threading.Thread(target=self._write_late, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._waiting.append(record if _stays(record) else self.format(record))
            if record.levelno > logging.INFO or len(self._waiting) >= LINES_MAX:
                self.flush()
            elif len(self._waiting) == 1:
                self._some.set()
        except Exception:  # noqa: BLE001 - as every handler: a failing log must not fail the call
            self.handleError(record)

    def flush(self) -> None:
        """Write all lines that wait."""
        self.acquire()
        try:
            waiting, self._waiting = self._waiting, []
            if waiting:
                self._stream.write("".join([f"{self._line(entry)}\n" for entry in waiting]))
                self._stream.flush()
        finally:
            self.release()

    def _line(self, entry: str | logging.LogRecord) -> str:
        return entry if isinstance(entry, str) else self.format(entry)

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


def _stays(record: logging.LogRecord) -> bool:
    """True where the record says the same later on: a text, and nothing to put into it.

    Many such are formatted one after the other in half of the time that each takes in its call.
    """
    return isinstance(record.msg, str) and not (record.args or record.exc_info or record.stack_info)


class LineFormatter(logging.Formatter):
    """Time, level, logger and message; the text of a second is made once."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")
        self._second = (-1, "")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        second, text = self._second
        if second != int(record.created):
            second = int(record.created)
            text = time.strftime("%Y-%m-%d %H:%M:%S", self.converter(second))
            self._second = (second, text)
        return f"{text},{int(record.msecs):03d}"
