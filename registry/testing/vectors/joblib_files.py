"""Files of joblib.dump: arrays between the opcodes, and what else could be there."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib

import lz4.frame

from registry.testing.vectors import Vector
from registry.testing.vectors.pickling import (
    CALLEE,
    called,
    dtype,
    mapping,
    named,
    number,
    several,
    text,
    whole,
)

_CLASS = ("joblib.numpy_pickle", "NumpyArrayWrapper")
_PADDED = b"\x04" + b"\xff" * 4
_NDARRAY = named("numpy", "ndarray")


def _wrapped(
    data: bytes = _PADDED + bytes(8),
    *,
    kind: bytes = _NDARRAY,
    items: bytes = dtype(),
    order: str = "C",
    more: tuple[tuple[bytes, bytes], ...] = ((text("numpy_array_alignment_bytes"), number(16)),),
) -> bytes:
    """An array of two numbers of four bytes."""
    state = mapping(
        (text("subclass"), kind),
        (text("shape"), several(number(2))),
        (text("order"), text(order)),
        (text("dtype"), items),
        (text("allow_mmap"), b"\x88"),
        *more,
    )
    return named(*_CLASS) + b")\x81" + state + b"b" + data


def _sound(name: str, data: bytes) -> Vector:
    return Vector(name=name, path="model.joblib", data=data)


def _bad(name: str, rule: str, data: bytes) -> Vector:
    return Vector(name=name, path="model.joblib", data=data, rule=rule)


_ONE = whole(_wrapped(), 3)
_TWO = whole(b"](" + _wrapped() + _wrapped(order="F") + b"e", 3)
_RUN = whole(called(*CALLEE, text("echo")))
#: Of zlib, and cut where its check sum is.
_CUT = zlib.compress(_ONE)[:-4]
_FRAME = b"\x80\x04\x95" + (len(_wrapped(b"")) + 30).to_bytes(8, "little") + _wrapped() + bytes(30)
#: A text of protocol 1 that begins like a zlib stream of a small window. joblib knows the usual one
#: alone, so it reads a pickle.
_LIKE_ZLIB = b"X\x09\x20\0\0" + b"a" * 0x2009

VECTORS = (
    _sound("an-array", _ONE),
    _sound("two-arrays", _TWO),
    _sound("array-of-joblib-1.1", whole(_wrapped(bytes(8), more=()), 3)),
    _sound("no-array", whole(b"]")),
    _sound("text-like-zlib", _LIKE_ZLIB + b"."),
    _sound("zlib", zlib.compress(_TWO)),
    _sound("gzip", gzip.compress(_TWO, mtime=0)),
    _sound("bz2", bz2.compress(_TWO)),
    _sound("xz", lzma.compress(_TWO)),
    _sound("lzma", lzma.compress(_TWO, lzma.FORMAT_ALONE)),
    _sound("lz4", lz4.frame.compress(_TWO)),
    _sound("lz4-of-checks", lz4.frame.compress(_TWO, content_checksum=True, block_checksum=True)),
    _sound("lz4-of-two", lz4.frame.compress(_TWO[:40]) + lz4.frame.compress(_TWO[40:])),
    _sound(
        "zlib-of-megabytes",
        zlib.compress(whole(b"B" + (9 * 2**20).to_bytes(4, "little") + bytes(9 * 2**20), 3)),
    ),
    _bad("class-of-its-own", "JOBLIB-1", whole(_wrapped(kind=text("ndarray")), 3)),
    _bad("other-order", "JOBLIB-1", whole(_wrapped(order="K"), 3)),
    _bad("no-dtype", "JOBLIB-1", whole(_wrapped(items=b"N"), 3)),
    _bad("further-key", "JOBLIB-1", whole(_wrapped(more=((text("filename"), text("x")),)), 3)),
    _bad(
        "negative-alignment",
        "JOBLIB-1",
        whole(_wrapped(more=((text("numpy_array_alignment_bytes"), number(-1)),)), 3),
    ),
    _bad("padding-that-says-more", "JOBLIB-2", whole(_wrapped(b"\x04cos\n" + bytes(8)), 3)),
    _bad("padding-too-long", "JOBLIB-2", whole(_wrapped(b"\x40" + b"\xff" * 64 + bytes(8)), 3)),
    _bad("cut-array", "JOBLIB-2", whole(_wrapped(_PADDED + bytes(2)), 3)),
    _bad("array-in-a-frame", "PICKLE-2", _FRAME),
    _bad(
        "array-of-objects",
        "PICKLE-14",
        whole(_wrapped(items=called("numpy", "dtype", text("O8"), b"\x89", b"\x88")), 3),
    ),
    _bad("wrapper-half-made", "PICKLE-15", whole(named(*_CLASS) + b")\x81", 3)),
    _bad(
        "wrapper-used-again",
        "PICKLE-15",
        whole(
            named(*_CLASS) + b")\x81q\x00" + _wrapped()[len(named(*_CLASS)) + 2 :] + b"h\x00\x86", 3
        ),
    ),
    _bad(
        "array-on-other-disk",
        "PICKLE-8",
        whole(named("joblib.numpy_pickle_compat", "NDArrayWrapper") + b")\x81}b"),
    ),
    _bad("system", "PICKLE-8", _RUN),
    _bad("system-behind-an-array", "PICKLE-8", whole(b"](" + _wrapped() + _RUN[2:-1] + b"e", 3)),
    *(
        _bad(f"system-in-{name}", "PICKLE-8", packed)
        for name, packed in {
            "zlib": zlib.compress(_RUN),
            "gzip": gzip.compress(_RUN, mtime=0),
            "bz2": bz2.compress(_RUN),
            "xz": lzma.compress(_RUN),
            "lzma": lzma.compress(_RUN, lzma.FORMAT_ALONE),
            "lz4": lz4.frame.compress(_RUN),
        }.items()
    ),
    _bad("cut-stream", "STREAM-2", _CUT),
    _bad("wrong-sum", "STREAM-2", _CUT + bytes(4)),
    _bad("stream-without-check", "STREAM-1", lzma.compress(_ONE, check=lzma.CHECK_NONE)),
    _bad("pickle-in-a-second-stream", "PICKLE-3", gzip.compress(_ONE) + gzip.compress(_RUN)),
    _bad("second-zlib-stream", "STREAM-3", zlib.compress(_ONE) + zlib.compress(_RUN)),
    _bad("cut-frame", "STREAM-2", lz4.frame.compress(_ONE)[:-4]),
    _bad(
        "pickle-in-a-second-frame", "PICKLE-3", lz4.frame.compress(_ONE) + lz4.frame.compress(_RUN)
    ),
    _bad("pickle-behind-the-frame", "STREAM-3", lz4.frame.compress(_ONE) + _RUN),
    _bad("byte-behind-the-stream", "STREAM-3", bz2.compress(_ONE) + b"\0"),
    _bad("pickle-behind-in-the-stream", "PICKLE-3", zlib.compress(_ONE + _RUN)),
    Vector(name="gzip", path="model.pkl", data=gzip.compress(_ONE, mtime=0), rule="FILE-1"),
)
