"""gzip, zlib, bzip2, xz, lzma, LZ4: whole streams whose checksums are right, and nothing behind.

Sources: RFC 1952 (gzip), RFC 1950 (zlib), https://tukaani.org/xz/xz-file-format.txt,
https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md; bzip2 has no specification, its library
is what there is. A loader that stops at the end of the first stream, or at the first byte that is
broken, has loaded by then what stands before it.

Formats within a stream, such as joblib's, ask `unpack` and look at what they get.
"""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol, cast

import lz4.frame

from registry.formats import tar
from registry.formats.kinds import REFUSED, content_of
from registry.formats.look import Look, Rule, SpentError, quoted
from registry.formats.pickle_looks import looks_like_pickle
from registry.formats.source import PIECE_BYTES, Unpacked

#: gzip, bzip2, xz and LZ4 may follow one another in one file; zlib's never do.
STREAMS_MAX = 10_000
#: Of an xz dictionary and what goes with it; `xz -9` needs 65 MiB.
XZ_BYTES_MAX = 256 * 1024 * 1024
_INPUT_BYTES = 256 * 1024
_GZIP_NAME_BYTES_MAX = 1024

_PACK = "Pack the file again with a usual tool, or push it as it is."
HEADER = Rule(
    "STREAM-1",
    "A stream's header has no flags but for a file name, text and a checksum; xz has a check, and "
    "LZ4 needs no dictionary.",
    _PACK,
)
WHOLE = Rule(
    "STREAM-2",
    "Compressed streams are whole, with the size and checksum that they state.",
    _PACK,
)
TRAILING = Rule("STREAM-3", "Nothing lies behind the last compressed stream.", _PACK)
TAR = Rule("STREAM-4", "A compressed archive is a compressed tar.", "Pack the files as .tar.gz.")
ALONE = Rule(
    "STREAM-5",
    "A compressed file is an archive or of a format that its name says.",
    "Push what is in it, as it is.",
)
RULES = (HEADER, WHOLE, TRAILING, TAR, ALONE)

#: Kinds that are names' endings too.
_ARCHIVES = ("zip", "tar", "7z", "rar")
_MAGIC = {
    "gzip": b"\x1f\x8b",
    "bzip2": b"BZh",
    "xz": b"\xfd7zXZ\x00",
    # Neither frames to skip, which loaders read past, nor those of the first format.
    "lz4": b"\x04\x22\x4d\x18",
}
#: RFC 1952 section 2.3.1. Extra fields and comments are refused.
_FTEXT, _FHCRC, _FNAME = 0x01, 0x02, 0x08
#: lz4_Frame_format.md, "Frame Descriptor".
_DICTIONARY, _CONTENT_SIZE = 0x01, 0x08


def read_archive(look: Look) -> None:
    """A compressed tar."""
    source = unpack(look)
    if content_of(source) != "tar":
        look.stop(TAR, f"found {content_of(source)} bytes within, expected a tar")
    tar.read(replace(look, source=source))


def read_alone(look: Look) -> None:
    """Any other compressed file: it is whole, and nobody says what it is. What must not be in a
    version is not let in by packing it."""
    source = unpack(look)
    content = content_of(source)
    if content == "native" or content in REFUSED:
        look.stop(ALONE, f"found a compressed file that holds {content} bytes")
    if content in _ARCHIVES:
        look.inside(f"content.{content}", source)
    elif content == "pickle" or looks_like_pickle(source):
        # joblib's are pickles too.
        look.inside("content.joblib", source)
    if look.book.is_sound:
        look.doubt(ALONE, f"found a compressed file that holds {content} bytes")


def unpack(look: Look) -> Unpacked:
    """What is in this file of one of these formats, after all of it was unpacked once to prove it.
    StopLooking where it is not sound. Read in order it is unpacked once more; memory is that of two
    pieces and, for xz and lzma, of the dictionary."""
    kind = content_of(look.source)
    size_bytes = sum(len(piece) for piece in _streams(look, kind))
    return Unpacked(lambda: _streams(look, kind), size_bytes)


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def _streams(look: Look, kind: str) -> Iterator[bytes]:
    """All bytes of all streams. A piece may be handed out before its stream's end is proved: who
    comes to the end of it all has the proof, and `unpack` is the one that hands it on."""
    at = 0
    for _ in range(STREAMS_MAX):
        begin, stream = _open(look, kind, at)
        crc32, size = 0, 0
        for piece, end in _stream(look, stream, begin):
            at = end
            if kind == "gzip":
                crc32 = zlib.crc32(piece, crc32)
            size += len(piece)
            if piece:
                yield piece
        if kind == "gzip":
            said = look.source.read(at, 8)
            if said != struct.pack("<II", crc32, size & 0xFFFFFFFF):
                look.stop(WHOLE, "found another CRC-32 or size than the stream states", offset=at)
            at += 8
        if at == look.source.size_bytes:
            return
        follows = look.source.read(at, 6)
        magic = _MAGIC.get(kind)
        if magic is None or not follows.startswith(magic):
            look.stop(TRAILING, f"found {quoted(follows)} behind the stream's end", offset=at)
    raise SpentError("it has more compressed streams than are looked at")


def _open(look: Look, kind: str, at: int) -> tuple[int, _Decompressor]:
    """Where the decompressor begins, and the decompressor."""
    if kind == "gzip":
        return _gzip_header(look, at), _Zlib(-zlib.MAX_WBITS)
    if kind == "zlib":
        return at, _Zlib(zlib.MAX_WBITS)
    if kind == "bzip2":
        return at, bz2.BZ2Decompressor()
    if kind == "lzma":
        return at, lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=XZ_BYTES_MAX)
    if kind == "xz":
        # The stream flags, right behind the magic: no check, CRC-32, CRC-64, SHA-256.
        if look.source.read(at + 6, 2) not in (b"\0\x01", b"\0\x04", b"\0\x0a"):
            look.stop(HEADER, "found an xz stream without a known check", offset=at + 6)
        return at, lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_BYTES_MAX)
    if kind == "lz4":
        return at, _Lz4(_stated_size(look, at))
    raise ValueError(kind)


def _gzip_header(look: Look, at: int) -> int:
    """Where the header ends: RFC 1952 section 2.3."""
    head = look.source.read(at, 10 + _GZIP_NAME_BYTES_MAX + 1 + 2)
    if len(head) < 10 or head[2] != 8 or head[3] & ~(_FTEXT | _FHCRC | _FNAME):
        look.stop(HEADER, f"found a gzip header of {quoted(head[:4])}", offset=at)
    end = 10
    if head[3] & _FNAME:
        end = head.find(b"\0", 10, 10 + _GZIP_NAME_BYTES_MAX + 1) + 1
        if not end or any(byte < 0x20 for byte in head[10 : end - 1]):
            look.stop(HEADER, "found no end of the file name in the gzip header", offset=at)
    if head[3] & _FHCRC:
        if head[end : end + 2] != struct.pack("<H", zlib.crc32(head[:end]) & 0xFFFF):
            look.stop(HEADER, "found another checksum of the gzip header", offset=at)
        end += 2
    return at + end


def _stated_size(look: Look, at: int) -> int | None:
    """What an LZ4 frame says that its content has; all else of its header its library checks."""
    head = look.source.read(at, 14)
    flags = head[4] if len(head) > 4 else 0
    if flags & _DICTIONARY:
        look.stop(HEADER, "found an LZ4 frame that needs a dictionary", offset=at)
    return int.from_bytes(head[6:14], "little") if flags & _CONTENT_SIZE else None


class _Zlib:
    """zlib's decompressor with bz2's and lzma's habit: it keeps what it could not take."""

    def __init__(self, window_bits: int) -> None:
        self._stream = zlib.decompressobj(window_bits)

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._stream.unconsumed_tail

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return self._stream.decompress(self._stream.unconsumed_tail + data, max_length)


class _Lz4:
    """LZ4's decompressor of one frame with bz2's and lzma's habit: bytes behind the end are never
    None, what is broken is a ValueError. A stated size of 0 holds, which the library takes for
    none."""

    def __init__(self, stated: int | None) -> None:
        self._stream = lz4.frame.LZ4FrameDecompressor()
        self._stated = stated
        self._size = 0

    @property
    def eof(self) -> bool:
        return bool(self._stream.eof)

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data or b""

    @property
    def needs_input(self) -> bool:
        return bool(self._stream.needs_input)

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        try:
            piece = cast("bytes", self._stream.decompress(data, max_length))
        except RuntimeError as error:
            raise ValueError(str(error)) from error
        self._size += len(piece)
        if self.eof and self._stated not in (None, self._size):
            raise ValueError(f"{self._size} bytes in a frame that states {self._stated}")
        return piece


def _stream(look: Look, stream: _Decompressor, begin: int) -> Iterator[tuple[bytes, int]]:
    """One stream's bytes in pieces, each with where the stream ends as far as is known."""
    at = begin
    while not stream.eof:
        data = b""
        if getattr(stream, "needs_input", True):
            data = look.source.read(at, _INPUT_BYTES)
            at += len(data)
        try:
            piece = stream.decompress(data, PIECE_BYTES)
        except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
            if "Memory usage limit" in str(error):
                raise SpentError("its xz dictionary is larger than what is given to it") from error
            look.stop(WHOLE, f"found a broken stream: {quoted(str(error))}", offset=at)
        if not data and not piece and not stream.eof:
            look.stop(WHOLE, "found the end of the file within a stream", offset=at)
        look.budget.step()
        look.budget.unpack(len(piece))
        yield piece, at - len(stream.unused_data)
