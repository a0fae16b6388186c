"""The server's log is written in bulk, and nothing of it is lost or late."""

from __future__ import annotations

import io
import logging
import re
import threading
import time
from collections.abc import Iterator
from select import PIPE_BUF

import pytest

from registry.logs import LINES_MAX, BulkHandler, LineFormatter


class Stream(io.StringIO):
    """Counts its writes and lets a test wait for one."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.written = threading.Event()

    def write(self, text: str) -> int:
        self.writes += 1
        count = super().write(text)
        self.written.set()
        return count

    def lines(self) -> list[str]:
        return self.getvalue().splitlines()


@pytest.fixture
def stream() -> Stream:
    return Stream()


@pytest.fixture
def logger(stream: Stream) -> Iterator[logging.Logger]:
    handler = BulkHandler(stream)
    handler.setFormatter(LineFormatter())
    logger = logging.Logger("registry.test", logging.INFO)
    logger.addHandler(handler)
    yield logger
    handler.close()


def test_lines_of_calls_are_written_together(logger: logging.Logger, stream: Stream) -> None:
    """Information waits for its neighbours, then comes in order."""
    for number in range(3):
        logger.info("call %d", number)
    assert stream.written.wait(10)
    assert [line.rpartition(" ")[2] for line in stream.lines()] == ["0", "1", "2"]
    assert stream.writes == 1


def test_warnings_are_written_at_once(logger: logging.Logger, stream: Stream) -> None:
    """With all that came before them."""
    logger.info("before")
    logger.warning("trouble")
    assert [line.rpartition(" ")[2] for line in stream.lines()] == ["before", "trouble"]


def test_many_lines_do_not_wait(logger: logging.Logger, stream: Stream) -> None:
    """The lines that are kept back are bounded."""
    for number in range(LINES_MAX):
        logger.info("call %d", number)
    assert len(stream.lines()) == LINES_MAX


def test_other_processes_lines_come_between_ours_only(
    logger: logging.Logger, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more goes to the stream at once than a pipe takes whole, and only lines that are whole."""
    written: list[str] = []
    monkeypatch.setattr(stream, "write", written.append)
    for number in range(LINES_MAX):
        logger.info("call %d, of \N{GREEK SMALL LETTER ALPHA}%s", number, "x" * (number % 300))
    assert all(text.endswith("\n") and len(text.encode()) <= PIPE_BUF for text in written)
    assert 10 < len(written) < LINES_MAX / 10
    assert "".join(written).count("\n") == LINES_MAX


def test_closing_writes_what_waits(stream: Stream) -> None:
    """A server that ends in order loses no line."""
    handler = BulkHandler(stream)
    handler.handle(logging.LogRecord("registry.test", logging.INFO, "", 0, "last", None, None))
    handler.close()
    assert stream.lines() == ["last"]


def test_threads_lose_no_line(logger: logging.Logger, stream: Stream) -> None:
    """Each of many threads' lines is there once, whole."""

    def write(name: str) -> None:
        for number in range(500):
            logger.info("%s-%d", name, number)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    logger.handlers[0].flush()
    found = sorted(line.rpartition(" ")[2] for line in stream.lines())
    assert found == sorted(f"{name}-{number}" for name in "abcd" for number in range(500))


def test_a_line_tells_time_level_and_logger(logger: logging.Logger, stream: Stream) -> None:
    """As the standard formatter tells them, milliseconds included."""
    logger.warning("now")
    form = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} WARNING registry\.test now"
    assert re.fullmatch(form, stream.lines()[0])
    ours, theirs = LineFormatter(), logging.Formatter()
    for created in (0.0, 1.25, 1.5, 86_400.999, time.time()):
        record = logging.LogRecord("x", logging.INFO, "", 0, "", None, None)
        record.created, record.msecs = created, float(int(created % 1 * 1000))
        assert ours.formatTime(record) == theirs.formatTime(record)


def test_a_reader_that_went_away_ends_nothing(stream: Stream) -> None:
    """The log goes on where its stream fails once."""
    broken = threading.Event()

    class Broken(Stream):
        def write(self, text: str) -> int:
            if not broken.is_set():
                broken.set()
                raise BrokenPipeError
            return super().write(text)

    pipe = Broken()
    handler = BulkHandler(pipe)
    logger = logging.Logger("registry.test", logging.INFO)
    logger.addHandler(handler)
    logger.info("lost")
    assert broken.wait(10)
    logger.info("kept")
    assert pipe.written.wait(10)
    assert pipe.lines() == ["kept"]
    handler.close()
