"""Pictures, and what is wrong with them."""

from __future__ import annotations

import struct
import zlib

from registry.testing.vectors import Vector
from registry.testing.vectors.zip_container import A, zip_file

_MAGIC = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, body: bytes = b"", crc32: int | None = None) -> bytes:
    said = zlib.crc32(kind + body) if crc32 is None else crc32
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", said)


_IHDR = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
_IDAT = chunk(b"IDAT", zlib.compress(b"\0\0"))
_IEND = chunk(b"IEND")
PNG = _MAGIC + _IHDR + _IDAT + _IEND


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


_APP = segment(0xE0, b"JFIF\0" + bytes(9))
_FRAME = segment(0xC0, b"\x08\0\1\0\1\1\1\x11\0")
_SCAN = segment(0xDA, b"\1\1\0\0\x3f\0") + b"\x01\xff\x00\x02\xff\xd0\x03"
JPEG = b"\xff\xd8" + _APP + _FRAME + _SCAN + b"\xff\xd9"

_SCREEN = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6)
_COMMENT = b"\x21\xfe\x05hello\0"
_PICTURE = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\2\2\x44\1\0"
GIF = _SCREEN + _COMMENT + _PICTURE + b"\x3b"


def _sound(path: str, name: str, data: bytes) -> Vector:
    return Vector(name=name, path=path, data=data)


def _bad(path: str, name: str, rule: str, data: bytes) -> Vector:
    return Vector(name=name, path=path, data=data, rule=rule)


def _png(name: str, data: bytes) -> Vector:
    return _bad("plot.png", name, "PNG-1", _MAGIC + data)


def _jpeg(name: str, data: bytes) -> Vector:
    return _bad("photo.jpg", name, "JPEG-1", b"\xff\xd8" + data)


def _gif(name: str, data: bytes) -> Vector:
    return _bad("loss.gif", name, "GIF-1", data)


VECTORS = (
    _sound("plot.png", "png", PNG),
    _sound("plot.png", "text", _MAGIC + _IHDR + chunk(b"tEXt", b"a\0b") + _IDAT + _IDAT + _IEND),
    _sound("photo.jpeg", "jpeg", JPEG),
    _sound("photo.jpg", "two-scans", JPEG[:-2] + _SCAN + b"\xff\xff\xd9"),
    _sound("loss.gif", "gif", GIF),
    _png("bytes-behind", _IHDR + _IDAT + _IEND + b"x"),
    _png("no-end", _IHDR + _IDAT),
    _png("no-data", _IHDR + _IEND),
    _png("no-header", _IDAT + _IEND),
    _png("two-headers", _IHDR + _IHDR + _IDAT + _IEND),
    _png("parted-data", _IHDR + _IDAT + chunk(b"tEXt", b"a\0b") + _IDAT + _IEND),
    _png("wrong-crc", _IHDR + chunk(b"IDAT", b"", 1) + _IEND),
    _png("unknown-chunk", _IHDR + chunk(b"evIl", b"payload") + _IDAT + _IEND),
    _png("long-chunk", _IHDR + b"\xff\xff\xff\xffIDAT" + bytes(20)),
    _png("no-width", chunk(b"IHDR", struct.pack(">IIBBBBB", 0, 1, 8, 0, 0, 0, 0)) + _IDAT + _IEND),
    _png("long-header", chunk(b"IHDR", bytes(14)) + _IDAT + _IEND),
    _png("end-with-bytes", _IHDR + _IDAT + chunk(b"IEND", b"payload")),
    _jpeg("bytes-behind", JPEG[2:] + b"x"),
    _jpeg("no-end", JPEG[2:-2]),
    _jpeg("no-scan", _APP + _FRAME + b"\xff\xd9"),
    _jpeg("no-frame", _APP + _SCAN + b"\xff\xd9"),
    _jpeg("unknown-segment", b"\xff\x02\0\4ab" + _FRAME + _SCAN + b"\xff\xd9"),
    _jpeg("long-segment", b"\xff\xe0\xff\xff"),
    _gif("bytes-behind", GIF + b"x"),
    _gif("no-trailer", GIF[:-1]),
    _gif("no-picture", _SCREEN + _COMMENT + b"\x3b"),
    _gif("unknown-extension", _SCREEN + b"\x21\x42\0" + _PICTURE + b"\x3b"),
    _gif("unknown-block", _SCREEN + b"\x99" + _PICTURE + b"\x3b"),
    _gif("other-version", b"GIF88a" + GIF[6:]),
    _gif("cut-blocks", _SCREEN + b"\x21\xfe\xffhello"),
    _bad(
        "loss.gif",
        "and-zip",
        "IMAGE-1",
        _SCREEN + b"\x21\xfe\x16" + zip_file() + b"\0" + _PICTURE + b"\x3b",
    ),
    _bad("photo.jpg", "and-zip", "IMAGE-1", JPEG[:2] + segment(0xFE, zip_file(A)) + JPEG[2:]),
    _bad(
        "plot.png",
        "and-zip",
        "IMAGE-1",
        _MAGIC + _IHDR + chunk(b"tEXt", zip_file(A)) + _IDAT + _IEND,
    ),
)
