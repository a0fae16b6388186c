"""Small writers of pickles, opcode by opcode, for files that pickle itself would never write."""

from __future__ import annotations

import pickle

from registry.testing.vectors import Vector

VECTORS: tuple[Vector, ...] = ()

#: Nothing but a name: no vector is ever loaded.
CALLEE = ("os", "system")
ORDERED = ("collections", "OrderedDict")


def text(value: str) -> bytes:
    """BINUNICODE, of protocol 1."""
    raw = value.encode()
    return b"X" + len(raw).to_bytes(4, "little") + raw


def short(value: str) -> bytes:
    """SHORT_BINUNICODE, of protocol 4."""
    raw = value.encode()
    return b"\x8c" + bytes([len(raw)]) + raw


def binary(value: bytes) -> bytes:
    """SHORT_BINBYTES, of protocol 3."""
    return b"C" + bytes([len(value)]) + value


def number(value: int) -> bytes:
    return b"J" + value.to_bytes(4, "little", signed=True)


def named(module: str, name: str) -> bytes:
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


def stack_named(module: str, name: str) -> bytes:
    return short(module) + short(name) + b"\x93"


def several(*parts: bytes) -> bytes:
    """A tuple."""
    return b"(" + b"".join(parts) + b"t"


def called(module: str, name: str, *arguments: bytes) -> bytes:
    return named(module, name) + several(*arguments) + b"R"


def mapping(*items: tuple[bytes, bytes]) -> bytes:
    return b"}(" + b"".join(key + value for key, value in items) + b"u"


def whole(body: bytes, protocol: int = 2) -> bytes:
    """From PROTO, where the protocol has it, to STOP."""
    proto = b"\x80" + bytes([protocol]) if protocol >= 2 else b""
    return proto + body + b"."


def framed(body: bytes, length: int | None = None) -> bytes:
    """Of protocol 4, in one frame, of which another length may be said."""
    inner = body + b"."
    size = len(inner) if length is None else length
    return b"\x80\x04\x95" + size.to_bytes(8, "little") + inner


def dumped(value: object, protocol: int) -> bytes:
    """What Python itself writes."""
    return pickle.dumps(value, protocol)


def dtype(name: str = "f4", flags: int = 0) -> bytes:
    """Of numpy: numbers of some bytes."""
    state = several(number(3), text("<"), b"NNN", number(-1), number(-1), number(flags))
    return called("numpy", "dtype", text(name), b"\x89", b"\x88") + state + b"b"


def array(shape: bytes, kind: bytes, data: bytes) -> bytes:
    """Of numpy, as protocol 3 has it."""
    made = called(
        "numpy.core.multiarray",
        "_reconstruct",
        named("numpy", "ndarray"),
        several(number(0)),
        binary(b"b"),
    )
    return made + several(number(1), shape, kind, b"\x89", data) + b"b"
