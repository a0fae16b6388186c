"""Files whose names and bytes disagree, and formats that no parser covers."""

from __future__ import annotations

from registry.testing.vectors import Vector
from registry.testing.vectors.safetensors import safetensors

_RUN = b"cos\nsystem\n(S'id'\ntR."

VECTORS = (
    Vector(
        name="safetensors-bytes",
        path="model.pkl",
        data=safetensors({}),
        rule="FILE-1",
    ),
    Vector(name="no-bytes", path="model.safetensors", data=b"", rule="FILE-1"),
    *(
        Vector(name=name, path=path, data=data, rule="FILE-1")
        for path in ("weights.dat", "model.bin", "notes.txt", "model")
        for name, data in {
            "compiled": b"\xa7\r\r\n" + bytes(12),
            "shortcut": b"\x4c\0\0\0\x01\x14\x02\0" + bytes(60),
            "office-document": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504),
            "android-code": b"dex\n035\0" + bytes(60),
            "llvm-code": b"BC\xc0\xde" + bytes(60),
            "lua-code": b"\x1bLuaS\0" + bytes(60),
        }.items()
    ),
    *(
        Vector(name=f"pickle-behind-{name}", path=path, data=first + _RUN, rule="FILE-1")
        for path in ("weights.dat", "model.bin", "model.params", "model")
        for name, first in {
            "a-text": b"V" + b"a" * 5000 + b"\n0",
            "many-values": b"N0" * 20_000,
            "binary": b"X\x00\x20\x00\x00" + b"a" * 8192 + b"0",
        }.items()
    ),
    *(
        Vector(name="pickle", path=path, data=_RUN, rule="FILE-1")
        for path in ("model.xml", "model.mlmodel", "model.meta", "graph.pbtxt", "model.lzma")
    ),
    Vector(
        name="bytes-of-no-kind",
        path="weights.dat",
        data=bytes(range(256)),
        rule="FILE-2",
        fails=False,
    ),
)
