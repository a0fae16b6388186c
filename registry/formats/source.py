"""Bytes that a parser may look at: by position, a bounded piece at a time, never as a whole.

What is parsed is hostile and may be larger than memory. So parsers are given a source, not bytes:
what they read is what they asked for, and nothing makes a file's size or its claims a size in
memory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Protocol

#: More is never read at once. A parser that asks for more has taken a file's word for a length.
READ_BYTES_MAX = 256 * 1024 * 1024
#: Of a walk over all bytes.
PIECE_BYTES = 4 * 1024 * 1024


class SourceError(Exception):
    """The bytes cannot be read: the disk fails, or the file became shorter. It says nothing about
    what they are."""


class Source(Protocol):
    """Not for several threads at once."""

    @property
    def size_bytes(self) -> int: ...

    def read(self, offset: int, length: int) -> bytes:
        """The bytes from an offset on, fewer than asked for only where the end comes first.

        ValueError for a negative offset or length, and for more than READ_BYTES_MAX: mistakes of
        the parser, which has to check what a file claims. SourceError where the file cannot be
        read, EOFError where a compressed stream ends before its container says.
        """


class BytesSource:
    """What is in memory already."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size_bytes(self) -> int:
        return len(self._data)

    def read(self, offset: int, length: int) -> bytes:
        _check(offset, length)
        return self._data[offset : offset + length]


class FileSource:
    """An open file, read by position: who else reads from the descriptor does not matter.

    Its size is that of the beginning.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        # Not by fstat, which the C library turns into a call that can look at any path.
        self._size_bytes = os.lseek(descriptor, 0, os.SEEK_END)

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    def read(self, offset: int, length: int) -> bytes:
        _check(offset, length)
        wanted = max(0, min(length, self._size_bytes - offset))
        found = self._pread(wanted, offset)
        while len(found) < wanted:
            more = self._pread(wanted - len(found), offset + len(found))
            if not more:
                end = offset + len(found)
                raise SourceError(f"the file ends at byte {end}, and had {self._size_bytes} before")
            found += more
        return found

    def _pread(self, length: int, offset: int) -> bytes:
        try:
            return os.pread(self._descriptor, length, offset)
        except OSError as error:
            raise SourceError(f"byte {offset} cannot be read: {error.strerror}") from error


class Span:
    """A part of another source, such as a member that an archive stores as it is."""

    def __init__(self, source: Source, offset: int, size_bytes: int) -> None:
        if not 0 <= offset <= offset + size_bytes <= source.size_bytes:
            raise ValueError(f"{size_bytes} bytes from {offset} on, of {source.size_bytes}")
        self._source = source
        self._offset = offset
        self._size_bytes = size_bytes

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    def read(self, offset: int, length: int) -> bytes:
        _check(offset, length)
        wanted = max(0, min(length, self._size_bytes - offset))
        return self._source.read(self._offset + offset, wanted)


class Unpacked:
    """What comes out of a compressed stream, of a size that its container states.

    `unpack` starts at the beginning and yields pieces; it pays for each from the budget and raises
    what its container raises for a stream that is broken. Looked at in order it is unpacked once;
    a look back starts again, and pays again. Memory is that of two pieces and of what is asked for.
    """

    def __init__(self, unpack: Callable[[], Iterator[bytes]], size_bytes: int) -> None:
        self._unpack = unpack
        self._size_bytes = size_bytes
        self._pieces = unpack()
        #: Bytes that were unpacked and not passed yet, and where they begin.
        self._held = b""
        self._at = 0

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    def read(self, offset: int, length: int) -> bytes:
        _check(offset, length)
        end = min(offset + length, self._size_bytes)
        if offset < self._at:
            self._pieces, self._held, self._at = self._unpack(), b"", 0
        found = bytearray()
        while offset < end:
            if offset < self._at + len(self._held):
                piece = self._held[offset - self._at : end - self._at]
                found += piece
                offset += len(piece)
                continue
            self._at += len(self._held)
            self._held = next(self._pieces, b"")
            if not self._held:
                raise EOFError(f"the stream ends at byte {self._at} of {self._size_bytes}")
        return bytes(found)


def pieces(source: Source, offset: int = 0, end: int | None = None) -> Iterator[bytes]:
    """All bytes of a part, in order."""
    end = source.size_bytes if end is None else end
    while offset < end:
        piece = source.read(offset, min(PIECE_BYTES, end - offset))
        yield piece
        offset += len(piece)


def _check(offset: int, length: int) -> None:
    if offset < 0 or not 0 <= length <= READ_BYTES_MAX:
        raise ValueError(f"{length} bytes from {offset} on; at most {READ_BYTES_MAX} at once")
