"""SentencePiece: a tokenizer as a protobuf message.

Source: `sentencepiece_model.proto` of https://github.com/google/sentencepiece (`ModelProto`), and
https://protobuf.dev/programming-guides/encoding for the wire format.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from registry.formats.look import Look, Rule, quoted
from registry.formats.source import READ_BYTES_MAX

SIZE_BYTES_MAX = 64 * 1024 * 1024
_SAVE = "Train or export the tokenizer again with sentencepiece, and push a new version."
WIRE = Rule(
    "SENTENCEPIECE-1",
    f"The file is one protobuf message to its last byte, of at most {SIZE_BYTES_MAX:,} bytes.",
    _SAVE,
)
FIELDS = Rule(
    "SENTENCEPIECE-2", "Each field is one of sentencepiece's message, of its type there.", _SAVE
)
PIECES = Rule("SENTENCEPIECE-3", "The model has pieces, each with a text in UTF-8.", _SAVE)
RULES = (WIRE, FIELDS, PIECES)

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_PIECE = {1: _BYTES, 2: _FIXED32, 3: _VARINT}
_TRAINER = {
    **dict.fromkeys((1, 2, 5, 7, 30, 31, 36, 44, 45, 46, 47, 48, 53, 54), _BYTES),
    **dict.fromkeys((3, 4, 6, 11, 12, 13, 14, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26), _VARINT),
    **dict.fromkeys((32, 33, 34, 35, 40, 41, 42, 43, 49, 50, 52), _VARINT),
    **dict.fromkeys((10, 15, 51), _FIXED32),
}
_NORMALIZER = {1: _BYTES, 2: _BYTES, 3: _VARINT, 4: _VARINT, 5: _VARINT, 6: _BYTES}
_SAMPLES = {1: _BYTES}
_MODEL = {1: _PIECE, 2: _TRAINER, 3: _NORMALIZER, 4: _SAMPLES, 5: _NORMALIZER}


class _WireError(ValueError):
    """What is no message, and where."""


def read(look: Look) -> None:
    """Facts: `vocabulary`, how many pieces there are. Peak memory: twice the file."""
    size_bytes = look.source.size_bytes
    if size_bytes > min(SIZE_BYTES_MAX, READ_BYTES_MAX):
        look.stop(WIRE, f"found {size_bytes} bytes")
    data = look.source.read(0, size_bytes)
    count = 0
    try:
        for number, wire_type, start, end in _fields(data, 0, size_bytes):
            look.budget.step()
            inner = _MODEL.get(number)
            if inner is None or wire_type != _BYTES:
                look.stop(FIELDS, f"found field {number} of type {wire_type}", offset=start)
            text = _check_message(look, data, inner, start, end)
            if number == 1:
                count += 1
                _check_piece(look, text, start)
    except _WireError as error:
        look.stop(WIRE, str(error))
    if not count:
        look.stop(PIECES, "found none")
    look.facts["vocabulary"] = count


def _check_message(
    look: Look, data: bytes, known: Mapping[int, int], start: int, end: int
) -> bytes | None:
    """The first field's bytes."""
    first = None
    for number, wire_type, at, after in _fields(data, start, end):
        look.budget.step()
        if known.get(number) != wire_type:
            look.stop(FIELDS, f"found field {number} of type {wire_type}", offset=at)
        if number == 1 and wire_type == _BYTES:
            first = data[at:after]
    return first


def _check_piece(look: Look, text: bytes | None, start: int) -> None:
    try:
        sound = text is not None and bool(text.decode("utf-8"))
    except UnicodeDecodeError:
        sound = False
    if not sound:
        look.stop(PIECES, f"found piece {quoted(text)}", offset=start)


def _fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Number, wire type, and where the value begins and ends."""
    while at < end:
        tag, at = _varint(data, at, end)
        number, wire_type = tag >> 3, tag & 7
        start = at
        if wire_type == _VARINT:
            _, at = _varint(data, at, end)
        elif wire_type == _BYTES:
            length, start = _varint(data, at, end)
            at = start + length
        elif wire_type in (_FIXED32, _FIXED64):
            at += 4 if wire_type == _FIXED32 else 8
        else:
            raise _WireError(f"found wire type {wire_type} at byte {start}")
        if at > end or not number:
            raise _WireError(f"found field {number} that ends at byte {at}, beyond {end}")
        yield number, wire_type, start, at


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise _WireError(f"found a number without an end at byte {at}")
