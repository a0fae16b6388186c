"""Compressed archives and files, and what is wrong with them."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib

import lz4.frame

from registry.testing.vectors import Vector
from registry.testing.vectors.tar import END, file

TAR = file() + END
GZIP = gzip.compress(TAR, mtime=0)
BZIP2 = bz2.compress(TAR)
XZ = lzma.compress(TAR)
#: Of one block, which its checksum follows; then the end mark, and the content's checksum.
LZ4 = lz4.frame.compress(b"a,b\n1,2\n" * 99, content_checksum=True, block_checksum=True)


def gzip_of(data: bytes, *, flags: int = 0, fields: bytes = b"", crc32: int | None = None) -> bytes:
    """One member, with what stands between its fixed header and its data."""
    body = gzip.compress(data, mtime=0)
    tail = body[-8:] if crc32 is None else crc32.to_bytes(4, "little") + body[-4:]
    return body[:3] + bytes([flags]) + body[4:10] + fields + body[10:-8] + tail


def _crc16(flags: int, fields: bytes) -> bytes:
    return (zlib.crc32(GZIP[:3] + bytes([flags]) + GZIP[4:10] + fields) & 0xFFFF).to_bytes(
        2, "little"
    )


#: Of an LZ4 frame: independent blocks of 64 KiB at most, a content of 0 bytes, and the header's own
#: checksum.
_OF_NOTHING = b"\x04\x22\x4d\x18\x68\x40" + bytes(8) + b"\x05"
_RUN = b"cos\nsystem\n(S'id'\ntR."


def _sound(name: str, data: bytes, path: str = "models.tar.gz") -> Vector:
    return Vector(name=name, path=path, data=data)


def _lz4_bad(name: str, rule: str, data: bytes) -> Vector:
    return _bad(f"lz4-{name}", rule, data, "data.csv.lz4")


def _turned(data: bytes, at: int) -> bytes:
    """With one bit that is another."""
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _bad(name: str, rule: str, data: bytes, path: str = "models.tar.gz") -> Vector:
    return Vector(name=name, path=path, data=data, rule=f"STREAM-{rule}")


VECTORS = (
    _sound("gzip", GZIP),
    _sound("tgz", GZIP, "models.tgz"),
    _sound("bzip2", BZIP2, "models.tar.bz2"),
    _sound("xz", XZ, "models.tar.xz"),
    _sound("gzip-named", gzip_of(TAR, flags=8, fields=b"models.tar\0")),
    _sound("gzip-checked", gzip_of(TAR, flags=2, fields=_crc16(2, b""))),
    _sound("gzip-of-two", gzip.compress(TAR[:700]) + gzip.compress(TAR[700:])),
    _sound("bzip2-of-two", bz2.compress(TAR[:700]) + bz2.compress(TAR[700:]), "models.tar.bz2"),
    _sound("xz-of-two", lzma.compress(TAR[:700]) + lzma.compress(TAR[700:]), "models.tar.xz"),
    _bad("gzip-extra-field", "1", gzip_of(TAR, flags=4, fields=b"\4\0abcd")),
    _bad("gzip-comment", "1", gzip_of(TAR, flags=16, fields=b"cos\0")),
    _bad("gzip-reserved-flag", "1", gzip_of(TAR, flags=0x20)),
    _bad("gzip-wrong-header-checksum", "1", gzip_of(TAR, flags=2, fields=b"\0\0")),
    _bad("gzip-endless-name", "1", gzip_of(TAR, flags=8, fields=b"a" * 2000 + b"\0")),
    _bad("gzip-other-method", "1", GZIP[:2] + b"\7" + GZIP[3:]),
    _bad("xz-unchecked", "1", lzma.compress(TAR, check=lzma.CHECK_NONE), "models.tar.xz"),
    _bad("gzip-wrong-crc", "2", gzip_of(TAR, crc32=1)),
    _bad("gzip-wrong-size", "2", GZIP[:-1] + b"\1"),
    _bad("gzip-cut", "2", GZIP[:-20]),
    _bad("gzip-broken", "2", GZIP[:40] + b"\xff" * 20 + GZIP[60:]),
    _bad("gzip-broken-second", "2", GZIP + gzip.compress(b"x")[:-5]),
    _bad("bzip2-cut", "2", BZIP2[:-2], "models.tar.bz2"),
    _bad("bzip2-broken", "2", BZIP2[:20] + b"\0\0" + BZIP2[22:], "models.tar.bz2"),
    _bad("xz-cut", "2", XZ[:-2], "models.tar.xz"),
    _bad("xz-broken", "2", XZ[:40] + b"\0\0\0" + XZ[43:], "models.tar.xz"),
    _bad("gzip-trailing", "3", GZIP + b"\x80\x02."),
    _bad("gzip-zeros-behind", "3", GZIP + bytes(512)),
    _bad("bzip2-trailing", "3", BZIP2 + b"x", "models.tar.bz2"),
    _bad("xz-trailing", "3", XZ + bytes(4), "models.tar.xz"),
    _lz4_bad("dictionary", "1", LZ4[:4] + bytes([LZ4[4] | 1]) + LZ4[5:14] + bytes(4) + LZ4[14:]),
    _lz4_bad("cut", "2", LZ4[:-1]),
    _lz4_bad("cut-header", "2", LZ4[:9]),
    _lz4_bad("wrong-header-checksum", "2", _turned(LZ4, 14)),
    _lz4_bad("wrong-block-checksum", "2", _turned(LZ4, -9)),
    _lz4_bad("wrong-content-checksum", "2", _turned(LZ4, -1)),
    _lz4_bad("wrong-size", "2", _OF_NOTHING + lz4.frame.compress(b"a,b\n", store_size=False)[7:]),
    _lz4_bad("broken-second", "2", LZ4 + LZ4[:-1]),
    _lz4_bad("trailing", "3", LZ4 + b"\x80\x02."),
    _lz4_bad("frame-to-skip", "3", LZ4 + b"\x50\x2a\x4d\x18\x01\0\0\0."),
    _bad("gzip-of-no-tar", "4", gzip.compress(b"hello")),
    _bad("gzip-of-nothing", "4", gzip.compress(b"")),
    _bad("gzip-of-gzip", "4", gzip.compress(GZIP)),
    *(
        Vector(name=f"pickle-in-{kind}", path=f"model.pkl.{kind}", data=data, rule="PICKLE-8")
        for kind, data in {
            "gz": gzip.compress(_RUN, mtime=0),
            "bz2": bz2.compress(_RUN),
            "xz": lzma.compress(_RUN),
            "lzma": lzma.compress(_RUN, lzma.FORMAT_ALONE),
            "lz4": lz4.frame.compress(_RUN),
        }.items()
    ),
    Vector(
        name="pickle-behind-a-text",
        path="model.gz",
        data=gzip.compress(b"(V" + b"a" * 5000 + b"\n" + _RUN[:-1] + b"t."),
        rule="PICKLE-8",
    ),
    Vector(
        name="elf", path="model.gz", data=gzip.compress(b"\x7fELF" + bytes(60)), rule="STREAM-5"
    ),
    *(
        Vector(name="lzma", path=path, data=lzma.compress(_RUN, lzma.FORMAT_ALONE), rule="FILE-1")
        for path in ("weights.dat", "model.pkl", "model.bin")
    ),
    Vector(
        name="lzma-of-a-table",
        path="data.csv.lzma",
        data=lzma.compress(b"a,b\n1,2\n", lzma.FORMAT_ALONE),
        rule="STREAM-5",
        fails=False,
    ),
    *(
        Vector(
            name=name,
            path="data.csv.lz4",
            data=data,
            rule="STREAM-5",
            fails=False,
        )
        for name, data in {
            "lz4-of-a-table": LZ4,
            "lz4-of-two": LZ4 + LZ4,
            "lz4-of-nothing": _OF_NOTHING + bytes(4),
        }.items()
    ),
    *(
        Vector(name="lz4", path=path, data=LZ4, rule="FILE-1")
        for path in ("weights.dat", "model.pkl", "model.bin", "models.tar.gz")
    ),
    # Not of this format: one to skip, and one of LZ4's first.
    *(
        Vector(name=name, path="data.csv.lz4", data=magic + bytes(4) + LZ4, rule="FILE-1")
        for name, magic in {
            "lz4-to-skip": b"\x50\x2a\x4d\x18",
            "lz4-of-old": b"\x02\x21\x4c\x18",
        }.items()
    ),
    # Not one, though its first byte is.
    Vector(
        name="like-lzma",
        path="weights.dat",
        data=(93).to_bytes(8, "little") * 9,
        rule="FILE-2",
        fails=False,
    ),
    Vector(
        name="gzip-of-a-table",
        path="data.csv.gz",
        data=gzip.compress(b"a,b\n1,2\n"),
        rule="STREAM-5",
        fails=False,
    ),
)
