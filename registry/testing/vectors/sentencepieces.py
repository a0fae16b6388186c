"""SentencePiece models, and what is wrong with them."""

from __future__ import annotations

from registry.testing.vectors import Vector


def _bytes(number: int, value: bytes) -> bytes:
    return bytes(((number << 3) | 2, len(value))) + value


def piece(text: bytes, kind: int = 1) -> bytes:
    return _bytes(1, _bytes(1, text) + b"\x15" + bytes(4) + bytes((0x18, kind)))


_PIECES = piece(b"<unk>", 2) + piece("▁a".encode())
_MODEL = (
    _PIECES
    + _bytes(2, _bytes(1, b"corpus.txt") + b"\x18\x02" + b"\xd8\x02" + b"\xff" * 9 + b"\x01")
    + _bytes(3, _bytes(1, b"nmt_nfkc") + _bytes(2, bytes(8)) + b"\x18\x01")
)


def _of(name: str, data: bytes, rule: str = "") -> Vector:
    full = f"SENTENCEPIECE-{rule}" if rule else ""
    return Vector(name=name, path="tokenizer.model", data=data, rule=full)


VECTORS = (
    _of("model", _MODEL),
    _of("cut", _MODEL[:-1], "1"),
    _of("group", _PIECES + b"\x0b\0", "1"),
    _of("endless-number", _PIECES + b"\xff" * 12, "1"),
    _of("trailing", _MODEL + b"\0\0", "1"),
    _of("unknown-field", _MODEL + _bytes(9, b""), "2"),
    _of("field-in-piece", _bytes(1, _bytes(7, b"x\0")), "2"),
    _of("wire-type", _PIECES + b"\x10\x01", "2"),
    _of("no-pieces", _bytes(3, _bytes(1, b"a\0")), "3"),
    _of("piece-no-utf-8", piece(b"\xff"), "3"),
    _of("piece-empty", piece(b""), "3"),
)
