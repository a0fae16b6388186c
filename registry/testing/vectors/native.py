"""Files that nobody can prove: machine code, engines, compiled Python, R objects."""

from __future__ import annotations

import gzip

from registry.testing.vectors import Vector

_ELF = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00\x3e\x00" + bytes(44)
_PE = b"MZ" + bytes(58) + (64).to_bytes(4, "little") + b"PE\0\0\x64\x86"


def _bad(name: str, path: str, rule: int, data: bytes, *, fails: bool = True) -> Vector:
    return Vector(name=name, path=path, data=data, rule=f"NATIVE-{rule}", fails=fails)


VECTORS = (
    _bad("elf", "libmodel.so", 1, _ELF),
    _bad("pe", "model.dll", 1, _PE),
    _bad("wasm", "model.wasm", 1, b"\0asm\1\0\0\0"),
    _bad("archive", "libmodel.a", 1, b"!<arch>\n"),
    _bad("library-of-text", "libmodel.so", 1, b"INPUT(/lib/x.so)\n"),
    Vector(name="elf", path="weights.dat", data=_ELF, rule="FILE-1"),
    Vector(name="elf", path="model.onnx", data=_ELF, rule="FILE-1"),
    Vector(name="pe", path="setup", data=_PE, rule="FILE-1"),
    _bad("engine", "model.plan", 2, b"ftrt" + bytes(60)),
    _bad("engine", "model.engine", 2, b"\x05\x1c\x00\x00" + b'{"a":1}'),
    _bad("program", "model.pte", 2, b"\x1c\0\0\0ET12" + bytes(32)),
    _bad("compiled", "__pycache__/m.cpython-311.pyc", 3, b"\xa7\r\r\n" + bytes(12)),
    _bad("objects", "model.rds", 4, gzip.compress(b"X\n\0\0\0\2", mtime=0)),
    _bad("objects", "model.RData", 4, b"RDX2\nX\n"),
    _bad("graph", "model.mlmodel", 5, b"\x08\x04\x12\x02\x0a\x00", fails=False),
    _bad("graph", "model.xml", 5, b'<?xml version="1.0"?><net version="11"/>', fails=False),
)
