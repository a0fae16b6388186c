"""GGUF: keys with typed values, tensors' names and places, and their bytes.

Source: `docs/gguf.md` of https://github.com/ggml-org/ggml ("File structure"). Versions 2 and 3,
little-endian. Where the text leaves room, llama.cpp's reader (`ggml/src/gguf.cpp`) decides:
tensors' bytes follow one another in the order in which they are listed.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from math import prod
from typing import Any

from registry.formats import template
from registry.formats.gguf_types import (
    ARRAY,
    BOOL,
    FILE_TYPES,
    SCALARS,
    TENSOR_TYPES,
    TEXT,
)
from registry.formats.look import Look, Rule, StopLooking, quoted
from registry.formats.source import PIECE_BYTES

VERSIONS = (2, 3)
KEY_BYTES_MAX = 65_535
TENSOR_NAME_BYTES_MAX = 64
DIMENSIONS_MAX = 4
ALIGNMENT = 32
ALIGNMENT_MAX = 1 << 20
NESTED_MAX = 4
#: Longer texts are walked, not kept.
KEPT_BYTES_MAX = template.TEMPLATE_BYTES_MAX
_WINDOW_BYTES = 1 << 20
_SHORTEST_KEY_BYTES = 8 + 1 + 4 + 1
_SHORTEST_TENSOR_BYTES = 8 + 1 + 4 + 4 + 8
#: The specification's, with what writers make of architectures and of tensors' names.
_KEY = re.compile(rb"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_TEMPLATE_KEY = "tokenizer.chat_template"
_TOKENS_KEY = "tokenizer.ggml.tokens"
#: llama.cpp reads as many of each as there are tokens.
_BESIDE_TOKENS = ("tokenizer.ggml.scores", "tokenizer.ggml.token_type")

_WRITE = "Convert the model again with llama.cpp's tools, and push a new version."
HEADER = Rule("GGUF-1", "The file is GGUF of version 2 or 3, little-endian.", _WRITE)
BOUNDS = Rule(
    "GGUF-2", "Every count and length fits into the bytes that are left of the file.", _WRITE
)
KEYS = Rule(
    "GGUF-3",
    f"Keys are words joined by dots, at most {KEY_BYTES_MAX} bytes long, and each is there once.",
    _WRITE,
)
VALUES = Rule(
    "GGUF-4",
    f"Values have a known type; arrays lie in each other at most {NESTED_MAX} deep.",
    _WRITE,
)
ALIGNED = Rule(
    "GGUF-5", f"general.alignment is a power of two from 8 to {ALIGNMENT_MAX}, as UINT32.", _WRITE
)
TENSOR = Rule(
    "GGUF-6",
    f"Each tensor has a name of its own of 1 to {TENSOR_NAME_BYTES_MAX} bytes, a known type, and "
    f"at most {DIMENSIONS_MAX} axes that are whole blocks of it.",
    _WRITE,
)
PLACE = Rule(
    "GGUF-7",
    "Tensors follow one another as they are listed, aligned, zeros between, to the file's end.",
    _WRITE,
)
TOKENS = Rule("GGUF-8", "What goes with the tokens is as long as their list.", _WRITE)
RULES = (HEADER, BOUNDS, KEYS, VALUES, ALIGNED, TENSOR, PLACE, TOKENS)


@dataclass(frozen=True, slots=True)
class _Array:
    """An array that was walked, not kept."""

    count: int


@dataclass(frozen=True, slots=True)
class _Tensor:
    name: str
    dtype: str
    #: As numpy has it: the axis whose elements lie next to each other is the last.
    shape: tuple[int, ...]
    offset: int
    size_bytes: int


@dataclass
class _Cursor:
    """Goes through the file once, a window at a time."""

    look: Look
    #: Where the window begins in the file, and where reading goes on in the window.
    base: int = 0
    at: int = 0
    window: bytes = field(default=b"", repr=False)

    @property
    def offset(self) -> int:
        return self.base + self.at

    @property
    def left(self) -> int:
        return self.look.source.size_bytes - self.offset

    def need(self, size_bytes: int, what: str) -> None:
        """Have so many bytes in the window, of which no more are asked for than are kept."""
        if len(self.window) - self.at >= size_bytes:
            return
        if size_bytes > self.left:
            self.beyond(size_bytes, what)
        self.base, self.at = self.offset, 0
        self.window = self.look.source.read(self.base, max(size_bytes, _WINDOW_BYTES))

    def beyond(self, size_bytes: int, what: str) -> None:
        self.look.stop(
            BOUNDS,
            f"found {what} of {size_bytes} bytes, expected at most the {self.left} that are left",
            offset=self.offset,
        )

    def skip(self, size_bytes: int, what: str) -> None:
        if size_bytes > self.left:
            self.beyond(size_bytes, what)
        self.at += size_bytes
        if self.at > len(self.window):
            self.base, self.at, self.window = self.offset, 0, b""

    def take(self, size_bytes: int, what: str) -> bytes:
        self.need(size_bytes, what)
        self.at += size_bytes
        return self.window[self.at - size_bytes : self.at]

    def number(self, code: str, size_bytes: int, what: str) -> Any:
        self.need(size_bytes, what)
        self.at += size_bytes
        return struct.unpack_from("<" + code, self.window, self.at - size_bytes)[0]

    def text(self, what: str) -> bytes | None:
        """A text; None for one that is too long to be kept."""
        length = self.number("Q", 8, what)
        if length > KEPT_BYTES_MAX:
            self.skip(length, what)
            return None
        return self.take(length, what)

    def texts(self, count: int, what: str) -> None:
        """Past so many texts, of which there may be hundreds of thousands."""
        length_of = struct.Struct("<Q").unpack_from
        while count:
            self.need(8, what)
            window, at = self.window, self.at
            end = len(window) - 8
            while count and at <= end:
                after = at + 8 + length_of(window, at)[0]
                if after > end + 8:
                    break
                at = after
                count -= 1
            self.at = at
            if count:
                # The one that does not end in this window.
                self.skip(self.number("Q", 8, what), what)
                count -= 1


def read(look: Look) -> None:
    """Facts: `tensors` as of safetensors, `parameters`, and where the file says so `architecture`,
    `quantization`, `context_length`, `tokenizer`, `vocabulary`, `license`, `chat_templates`."""
    cursor = _Cursor(look)
    tensor_count, key_count = _header(look, cursor)
    values = _values(look, cursor, key_count)
    alignment = _alignment(look, values)
    tensors = [_tensor(look, cursor) for _ in range(tensor_count)]
    if len({each.name for each in tensors}) != len(tensors):
        look.stop(TENSOR, "found a tensor's name twice")
    _check_places(look, tensors, cursor.offset, alignment)
    _check_tokens(look, values)
    _note_facts(look, values, tensors)
    _check_templates(look, values)


def _header(look: Look, cursor: _Cursor) -> tuple[int, int]:
    if cursor.left < 24:
        look.stop(HEADER, f"found {cursor.left} bytes, expected a header of 24", offset=0)
    magic = cursor.take(4, "the header")
    version = cursor.number("I", 4, "the header")
    if magic != b"GGUF":
        look.stop(HEADER, f"found {quoted(magic)}, expected GGUF", offset=0)
    if version not in VERSIONS and version in {each << 24 for each in (1, 2, 3)}:
        look.doubt(HEADER, "found a file for big-endian machines", offset=4)
        raise StopLooking
    if version not in VERSIONS:
        look.stop(HEADER, f"found version {version}, expected 2 or 3", offset=4)
    tensor_count = cursor.number("Q", 8, "the header")
    key_count = cursor.number("Q", 8, "the header")
    for count, least, what in (
        (tensor_count, _SHORTEST_TENSOR_BYTES, "tensors"),
        (key_count, _SHORTEST_KEY_BYTES, "keys"),
    ):
        if count > cursor.left // least:
            look.stop(BOUNDS, f"found {count} {what} in a file of {look.source.size_bytes} bytes")
    return tensor_count, key_count


def _values(look: Look, cursor: _Cursor, key_count: int) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for _ in range(key_count):
        look.budget.step()
        start = cursor.offset
        length = cursor.number("Q", 8, "a key's length")
        if length > KEY_BYTES_MAX:
            look.stop(KEYS, f"found a key of {length} bytes", offset=start)
        key = cursor.take(length, "a key")
        if not _KEY.fullmatch(key):
            look.stop(KEYS, f"found key {quoted(key)}", offset=start)
        name = key.decode("ascii")
        if name in values:
            look.stop(KEYS, f"found key {quoted(name)} twice", offset=start)
        values[name] = _value(look, cursor, name, cursor.number("I", 4, "a value's type"), 0)
    return values


def _value(look: Look, cursor: _Cursor, key: str, kind: int, depth: int) -> Any:
    if kind == BOOL:
        return _booleans(look, cursor, key, 1) == 1
    if kind in SCALARS:
        size_bytes, code = SCALARS[kind]
        return cursor.number(code, size_bytes, f"value {quoted(key)}")
    if kind == TEXT:
        return cursor.text(f"text {quoted(key)}")
    if kind != ARRAY or depth > NESTED_MAX:
        look.stop(VALUES, f"{quoted(key)}: found type {kind}", offset=cursor.offset)
    inner = cursor.number("I", 4, "an array's type")
    count = cursor.number("Q", 8, "an array's length")
    what = f"array {quoted(key)}"
    if inner == TEXT:
        _check_count(look, cursor, count, 8, what)
        cursor.texts(count, what)
    elif inner == BOOL:
        _check_count(look, cursor, count, 1, what)
        _booleans(look, cursor, key, count)
    elif inner in SCALARS:
        _check_count(look, cursor, count, SCALARS[inner][0], what)
        cursor.skip(count * SCALARS[inner][0], what)
    else:
        _check_count(look, cursor, count, 12, what)
        for _ in range(count):
            _value(look, cursor, key, inner, depth + 1)
    return _Array(count)


def _check_count(look: Look, cursor: _Cursor, count: int, least: int, what: str) -> None:
    look.budget.step(min(count, cursor.left))
    if count > cursor.left // least:
        look.stop(BOUNDS, f"found {what} of {count}, and {cursor.left} bytes", offset=cursor.offset)


def _booleans(look: Look, cursor: _Cursor, key: str, count: int) -> int:
    """How many of them are true."""
    true = 0
    while count:
        piece = cursor.take(min(count, PIECE_BYTES, _WINDOW_BYTES), f"value {quoted(key)}")
        if piece.translate(None, b"\0\1"):
            look.stop(VALUES, f"{quoted(key)}: found a boolean that is neither 0 nor 1")
        true += piece.count(1)
        count -= len(piece)
    return true


def _alignment(look: Look, values: dict[str, Any]) -> int:
    if "general.alignment" not in values:
        return ALIGNMENT
    found = values["general.alignment"]
    if type(found) is not int or not 8 <= found <= ALIGNMENT_MAX or found & (found - 1):
        look.stop(ALIGNED, f"found {quoted(found)}")
    return found


def _tensor(look: Look, cursor: _Cursor) -> _Tensor:
    look.budget.step()
    start = cursor.offset
    length = cursor.number("Q", 8, "a tensor's name")
    if not 1 <= length <= TENSOR_NAME_BYTES_MAX:
        look.stop(TENSOR, f"found a name of {length} bytes", offset=start)
    try:
        name = cursor.take(length, "a tensor's name").decode("utf-8")
    except UnicodeDecodeError:
        look.stop(TENSOR, "found a name that is no UTF-8", offset=start)
    what = f"tensor {quoted(name)}"
    if not name.isprintable():
        look.stop(TENSOR, f"{what}: found what cannot be printed", offset=start)
    rank = cursor.number("I", 4, what)
    if rank > DIMENSIONS_MAX:
        look.stop(TENSOR, f"{what}: found {rank} axes", offset=start)
    axes = tuple(cursor.number("Q", 8, what) for _ in range(rank))
    kind = cursor.number("I", 4, what)
    offset = cursor.number("Q", 8, what)
    if kind not in TENSOR_TYPES:
        look.stop(TENSOR, f"{what}: found type {kind}", offset=start)
    dtype, block, block_bytes = TENSOR_TYPES[kind]
    elements = prod(axes)
    if not 0 < elements < 2**63 or (axes[0] if axes else 1) % block:
        look.stop(
            TENSOR,
            f"{what}: found axes {quoted(list(axes))}, expected blocks of {block} for {dtype}",
            offset=start,
        )
    return _Tensor(name, dtype, axes[::-1], offset, elements // block * block_bytes)


def _check_places(look: Look, tensors: list[_Tensor], head_bytes: int, alignment: int) -> None:
    begin = -(-head_bytes // alignment) * alignment
    size_bytes = look.source.size_bytes
    at, filled = begin, head_bytes
    for each in tensors:
        if begin + each.offset != at:
            look.stop(
                PLACE,
                f"tensor {quoted(each.name)}: found offset {each.offset}, expected {at - begin}",
            )
        if at + each.size_bytes > size_bytes:
            look.stop(
                PLACE,
                f"tensor {quoted(each.name)}: its end is byte {at + each.size_bytes}, and the "
                f"file's {size_bytes}",
            )
        _check_zeros(look, filled, at)
        filled = at + each.size_bytes
        at = -(-filled // alignment) * alignment
    # Not every writer fills up behind the last tensor.
    if size_bytes not in (filled, at):
        look.stop(PLACE, f"found a file of {size_bytes} bytes, expected {filled} or {at}")
    _check_zeros(look, filled, size_bytes)


def _check_zeros(look: Look, start: int, end: int) -> None:
    look.budget.step()
    if start < end and look.source.read(start, end - start).strip(b"\0"):
        look.stop(PLACE, "found bytes between tensors that are not zero", offset=start)


def _check_tokens(look: Look, values: dict[str, Any]) -> None:
    tokens = values.get(_TOKENS_KEY)
    for key in _BESIDE_TOKENS:
        beside = values.get(key)
        if beside is None:
            continue
        if not isinstance(tokens, _Array) or beside != tokens:
            look.refuse(TOKENS, f"found {quoted(key)} of another length")


def _check_templates(look: Look, values: dict[str, Any]) -> None:
    for key, value in values.items():
        if not key.startswith(_TEMPLATE_KEY) or isinstance(value, _Array):
            # `tokenizer.chat_templates` lists the names of the others.
            continue
        if not isinstance(value, bytes):
            look.refuse(template.READABLE, f"{quoted(key)}: found no text of bounded length")
            continue
        template.check(look, value, name=key.removeprefix(_TEMPLATE_KEY).lstrip("."))


def _note_facts(look: Look, values: dict[str, Any], tensors: list[_Tensor]) -> None:
    architecture = _said(values.get("general.architecture"))
    file_type = values.get("general.file_type")
    tokens = values.get(_TOKENS_KEY)
    facts: dict[str, object] = {
        "architecture": architecture,
        "quantization": FILE_TYPES.get(file_type, "") if isinstance(file_type, int) else "",
        "context_length": values.get(f"{architecture}.context_length"),
        "tokenizer": _said(values.get("tokenizer.ggml.model")),
        "vocabulary": tokens.count if isinstance(tokens, _Array) else None,
        "license": _said(values.get("general.license")),
    }
    look.facts.update(
        {key: value for key, value in facts.items() if isinstance(value, int | str) and value != ""}
    )
    look.facts["tensors"] = [
        {"name": each.name, "dtype": each.dtype, "shape": list(each.shape)} for each in tensors
    ]
    look.facts["parameters"] = sum(prod(each.shape) for each in tensors)


def _said(value: object) -> str:
    if not isinstance(value, bytes) or len(value) > 256:
        return ""
    return value.decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
