"""Receives files in ranges, several at once, each hashed by the thread that received it.

The ranges of a file arrive in any order, and are written and hashed in theirs: each thread holds
its range until it is its turn. So a file only ever grows, and whatever a cut leaves of it is a
beginning that the next pull can go on from. A file counts once its sha256 is right.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from registry.client.connection import backoff
from registry.client.errors import (
    DamagedError,
    PermissionDeniedError,
    ServerFailedError,
    TargetError,
    UnavailableError,
)
from registry.client.http import Answer
from registry.client.parallel import Crew
from registry.client.progress import FileStep, Progress
from registry.client.values import File

RANGE_BYTES = 16 << 20
WORKERS = 4
PIECE_BYTES = 1 << 20
#: How long a range may go without a byte arriving before a pull gives up.
PATIENCE_S = 60.0


@dataclass(kw_only=True, eq=False)
class _Course:
    """How far one file is. `written` and `hashed` move in the order of its bytes."""

    file: File
    path: Path
    url: str = ""
    refreshed: bool = False
    #: Whether there is a file at all, an empty one as well.
    there: bool = False
    handle: int = -1
    written: int = 0
    hashed: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    @property
    def is_whole(self) -> bool:
        return self.hashed == self.file.size_bytes

    @property
    def is_right(self) -> bool:
        return self.there and self.is_whole and self.found_sha256 == self.file.sha256

    @property
    def found_sha256(self) -> str:
        found: str = self.digest.hexdigest()
        return found

    def restart(self) -> None:
        self.there = False
        self.written = self.hashed = 0
        self.digest = hashlib.sha256()
        self.path.unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True)
class _Range:
    course: _Course
    first: int
    length: int

    @property
    def is_whole_file(self) -> bool:
        return self.length == self.course.file.size_bytes


class Receiver:
    """Brings files into a folder that nothing else writes to. `run` may be called once."""

    def __init__(
        self,
        folder: Path,
        *,
        crew: Crew,
        progress: Progress,
        addresses: Callable[[Sequence[File]], Sequence[str]],
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._folder = folder
        self._crew = crew
        self._progress = progress
        self._addresses = addresses
        self._patience_s = patience_s
        self._turns = threading.Condition()
        self._refreshing = threading.Lock()
        self._buffers = threading.local()
        self._received = 0
        crew.on_stop(self._wake)

    def run(self, files: Sequence[File]) -> int:
        """Returns the bytes received, once every file is there and right.

        A file whose bytes are wrong is fetched once more, from its start; DamagedError when that is
        wrong too. UnavailableError when no byte arrives for the patience.
        """
        courses = [_Course(file=file, path=self._folder / file.path) for file in files]
        self._check(courses)
        wanted = [course for course in courses if not course.is_right]
        for _ in range(2):
            for course in wanted:
                if course.is_whole:
                    course.restart()
            self._fetch(wanted)
            wanted = [course for course in wanted if not course.is_right]
        if wanted:
            raise _damaged(wanted[0])
        return self._received

    # --- What is there ----------------------------------------------------------------------------

    def _check(self, courses: Sequence[_Course]) -> None:
        """Read back what an earlier pull left."""
        found = [course for course in courses if course.path.is_file()]
        if not found:
            return
        self._progress.begin(
            "check",
            [FileStep(path=c.file.path, size_bytes=c.path.stat().st_size) for c in found],
        )
        try:
            self._crew.run(self._read_back, found, workers=min(WORKERS, os.cpu_count() or 1))
        finally:
            self._progress.end()

    def _read_back(self, course: _Course) -> None:
        buffer = memoryview(bytearray(PIECE_BYTES))
        course.there = True
        with open(course.path, "rb", buffering=0) as file:
            while count := file.readinto(buffer):
                self._crew.check()
                course.digest.update(buffer[:count])
                course.hashed += count
                self._progress.advance(course.file.path, count)
        course.written = course.hashed
        if course.hashed > course.file.size_bytes:
            course.restart()

    # --- What is missing --------------------------------------------------------------------------

    def _fetch(self, courses: Sequence[_Course]) -> None:
        if not courses:
            return
        urls = self._addresses([course.file for course in courses])
        for course, url in zip(courses, urls, strict=True):
            course.url = url
        self._progress.begin(
            "fetch",
            [
                FileStep(path=c.file.path, size_bytes=c.file.size_bytes, done_bytes=c.hashed)
                for c in courses
            ],
        )
        ranges = list(_ranges(courses))
        try:
            self._crew.run(self._take, ranges, workers=min(WORKERS, max(1, len(ranges))))
        except OSError as cause:
            raise _no_room(self._folder, cause) from cause
        finally:
            self._progress.end()
            for course in courses:
                _close(course)

    def _take(self, part: _Range) -> None:
        """Receive a range, then write it and hash it when the ranges before have been."""
        course = part.course
        view = self._buffer[: part.length]
        self._receive(part, view)
        with self._turns:
            self._turns.wait_for(lambda: self._crew.stopped or course.written == part.first)
        self._crew.check()
        if course.handle < 0:
            course.handle = _create(course.path)
            course.there = True
        _write(course.handle, view, part.first)
        with self._turns:
            course.written += part.length
            self._turns.notify_all()
            self._turns.wait_for(lambda: self._crew.stopped or course.hashed == part.first)
        self._crew.check()
        course.digest.update(view)
        with self._turns:
            course.hashed += part.length
            self._turns.notify_all()
        if course.is_whole:
            _close(course)

    def _receive(self, part: _Range, view: memoryview) -> None:
        """Fill the view, going on after cuts."""
        done = 0
        waits = backoff()
        give_up = time.monotonic() + self._patience_s

        def received(count: int) -> None:
            nonlocal done
            self._crew.check()
            done += count
            self._progress.advance(part.course.file.path, count)
            with self._turns:
                self._received += count

        while done < part.length:
            before = done
            used = part.course.url
            try:
                self._ask(part, view[done:], done, received)
                # An address ends with the token that asked for it, which for a workload is soon.
                part.course.refreshed = False
            except UnavailableError:
                self._crew.check()
                if done > before:
                    give_up = time.monotonic() + self._patience_s
                    waits = backoff()
                elif time.monotonic() > give_up:
                    raise
                self._crew.sleep(next(waits))
            except PermissionDeniedError as error:
                self._refresh(part.course, used, error)

    def _ask(
        self, part: _Range, view: memoryview, done: int, received: Callable[[int], None]
    ) -> None:
        first = part.first + done
        last = part.first + part.length - 1
        whole = part.is_whole_file and done == 0
        headers = {} if whole else {"Range": f"bytes={first}-{last}"}

        def expected(answer: Answer) -> None:
            _check_answer(answer, part.course.file, None if whole else (first, last))

        wire = self._crew.wire
        wire.fetch(part.course.url, view, headers=headers, expected=expected, received=received)

    def _refresh(self, course: _Course, used: str, error: PermissionDeniedError) -> None:
        """A new address: one that is refused at once is refused for good."""
        with self._refreshing:
            if course.url != used:
                return
            if course.refreshed:
                raise error
            course.refreshed = True
            (course.url,) = self._addresses([course.file])

    @property
    def _buffer(self) -> memoryview:
        """This thread's, for one range."""
        found: memoryview | None = getattr(self._buffers, "view", None)
        if found is None:
            found = self._buffers.view = memoryview(bytearray(RANGE_BYTES))
        return found

    def _wake(self) -> None:
        with self._turns:
            self._turns.notify_all()


def _ranges(courses: Sequence[_Course]) -> Iterator[_Range]:
    """What is missing of each, in pieces. An empty file is one empty range."""
    for course in courses:
        first, size = course.hashed, course.file.size_bytes
        if first == size:
            yield _Range(course=course, first=first, length=0)
        while first < size:
            length = min(RANGE_BYTES, size - first)
            yield _Range(course=course, first=first, length=length)
            first += length


def _check_answer(answer: Answer, file: File, part: tuple[int, int] | None) -> None:
    """Raise ServerFailedError unless the answer is about these bytes of this file."""
    found = answer.headers.get("content-range", "")
    wanted = f"bytes {part[0]}-{part[1]}/{file.size_bytes}" if part else ""
    right = answer.status == (206 if part else 200) and found == wanted
    length = part[1] - part[0] + 1 if part else file.size_bytes
    etag = answer.headers.get("etag", "").strip('"')
    if right and answer.number("content-length") == length and etag in ("", file.sha256):
        return
    raise ServerFailedError(
        f"{file.path}: found HTTP {answer.status}, Content-Range {found!r}, Content-Length "
        f"{answer.headers.get('content-length')!r}, ETag {etag!r} in the answer, expected "
        f"{wanted or f'all {file.size_bytes} bytes'} of {file.sha256}. "
        "Is a proxy between here and the registry that changes answers?",
        reason="BAD_ANSWER",
    )


def _create(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)


def _write(handle: int, view: memoryview, offset: int) -> None:
    done = 0
    while done < len(view):
        done += os.pwrite(handle, view[done:], offset + done)


def _close(course: _Course) -> None:
    if course.handle >= 0:
        os.close(course.handle)
    course.handle = -1


def _no_room(folder: Path, cause: OSError) -> TargetError:
    return TargetError(
        f"{folder}: found no way to write there ({cause.strerror}). What arrived is kept: "
        "make room, then run the command again to go on.",
        metadata={"path": str(folder)},
    )


def _damaged(course: _Course) -> DamagedError:
    found = course.found_sha256
    course.restart()
    return DamagedError(
        f"{course.file.path}: the bytes received hash to sha256 {found}, expected "
        f"{course.file.sha256}, twice. They were thrown away and nothing was put into the target; "
        "something between here and the registry changes bytes, or its store is damaged.",
        metadata={
            "path": course.file.path,
            "found": found,
            "expected": course.file.sha256,
        },
    )
