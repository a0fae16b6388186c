"""GGUF files, and what is wrong with them."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from registry.testing.vectors import Vector

_CODES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def scalar(kind: int, value: float) -> bytes:
    return struct.pack("<I" + _CODES[kind], kind, value)


def words(value: str | bytes) -> bytes:
    return struct.pack("<I", 8) + text(value)


def array(kind: int, items: Sequence[bytes], *, count: int | None = None) -> bytes:
    return struct.pack("<IIQ", 9, kind, len(items) if count is None else count) + b"".join(items)


def tensor(name: str | bytes, axes: Sequence[int], kind: int, offset: int) -> bytes:
    shape = struct.pack(f"<I{len(axes)}Q", len(axes), *axes)
    return text(name) + shape + struct.pack("<IQ", kind, offset)


def gguf(
    keys: Sequence[tuple[str | bytes, bytes]] = (),
    tensors: Sequence[bytes] = (),
    data: bytes = b"",
    *,
    version: int = 3,
    counts: tuple[int, int] | None = None,
    alignment: int = 32,
) -> bytes:
    """A file of these keys, tensors' descriptions, and their bytes."""
    tensor_count, key_count = counts or (len(tensors), len(keys))
    head = b"GGUF" + struct.pack("<IQQ", version, tensor_count, key_count)
    head += b"".join(text(key) + value for key, value in keys) + b"".join(tensors)
    return head + bytes(-len(head) % alignment) + data


_KEYS = (
    ("general.architecture", words("llama")),
    ("general.file_type", scalar(4, 15)),
    ("llama.context_length", scalar(4, 4096)),
    ("llama.rope.freq_base", scalar(6, 10000.0)),
    ("command-r.any", scalar(7, 1)),
    ("tokenizer.ggml.model", words("gpt2")),
    ("tokenizer.ggml.tokens", array(8, [text("a"), text("b\xff"), text("")])),
    ("tokenizer.ggml.token_type", array(5, [bytes(4)] * 3)),
    ("tokenizer.ggml.nested", array(9, [array(0, [b"."])[4:]])),
    ("tokenizer.chat_template", words("{{ messages[0].role }}")),
    ("tokenizer.chat_template.tool_use", words("{{ tools | tojson }}")),
    ("tokenizer.chat_templates", array(8, [text("tool_use")])),
)
_A = tensor("a.weight", [32, 2], 2, 0)
_B = tensor("b", [3], 0, 64)
_DATA = b"." * 36 + bytes(28) + b"." * 12


def _bad(name: str, rule: str, data: bytes, *, fails: bool = True) -> Vector:
    full = rule if "-" in rule else f"GGUF-{rule}"
    return Vector(name=name, path="model.gguf", data=data, rule=full, fails=fails)


def _sound(name: str, data: bytes) -> Vector:
    return Vector(name=name, path="model.gguf", data=data)


def _key(value: bytes, name: str | bytes = "a.b") -> bytes:
    return gguf([(name, value)])


def _one(description: bytes, data: bytes = b"") -> bytes:
    return gguf([], [description], data)


VECTORS = (
    _sound("model", gguf(_KEYS, [_A, _B], _DATA)),
    _sound("padded-end", gguf(_KEYS, [_A, _B], _DATA + bytes(20))),
    _sound("version-2", gguf(_KEYS, [_A], bytes(36), version=2)),
    _sound("vocabulary-alone", gguf(_KEYS)),
    _sound(
        "other-alignment",
        gguf([("general.alignment", scalar(4, 64))], [_A], bytes(36), alignment=64),
    ),
    _sound("scalar-tensor", _one(tensor("a", [], 0, 0), bytes(4))),
    _bad("short", "1", b"GGUF\3\0\0\0"),
    _bad("version-1", "1", gguf(version=1)),
    _bad("version-9", "1", gguf(version=9)),
    _bad("big-endian", "1", b"GGUF" + struct.pack(">IQQ", 3, 0, 0), fails=False),
    _bad("tensor-count", "2", gguf(counts=(2**61, 0))),
    _bad("key-count", "2", gguf(counts=(0, 2**63))),
    _bad("text-length", "2", _key(struct.pack("<IQ", 8, 2**63))),
    _bad("overflowing-text", "2", _key(struct.pack("<IQ", 8, 2**64 - 1))),
    _bad("array-length", "2", _key(array(4, [], count=2**62))),
    _bad("overflowing-array", "2", _key(array(10, [], count=2**61))),
    _bad("texts-length", "2", _key(array(8, [struct.pack("<Q", 2**64 - 8)]))),
    _bad("booleans-length", "2", _key(array(7, [], count=2**40))),
    _bad("nested-length", "2", _key(array(9, [], count=2**40))),
    _bad("cut-in-a-key", "2", gguf(_KEYS)[:40]),
    _bad("long-key", "3", _key(scalar(0, 1), "a" * 65_536)),
    _bad("empty-key", "3", _key(scalar(0, 1), "")),
    _bad("key-with-space", "3", _key(scalar(0, 1), "a b")),
    _bad("key-with-nul", "3", _key(scalar(0, 1), "a\0")),
    _bad("key-twice", "3", gguf([("a", scalar(0, 1)), ("a", scalar(0, 2))])),
    _bad("type-13", "4", _key(struct.pack("<I", 13))),
    _bad("array-of-type-13", "4", _key(array(13, [bytes(12)]))),
    _bad("deep", "4", _key(struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 5000 + bytes(12))),
    _bad("boolean-2", "4", _key(struct.pack("<IB", 7, 2))),
    _bad("boolean-in-array", "4", _key(array(7, [b"\0", b"\1", b"\3"]))),
    _bad("alignment-0", "5", _key(scalar(4, 0), "general.alignment")),
    _bad("alignment-24", "5", _key(scalar(4, 24), "general.alignment")),
    _bad("alignment-2-31", "5", _key(scalar(4, 2**31), "general.alignment")),
    _bad("alignment-text", "5", _key(words("32"), "general.alignment")),
    _bad("no-name", "6", _one(tensor("", [1], 0, 0), bytes(4))),
    _bad("long-name", "6", _one(tensor("a" * 65, [1], 0, 0), bytes(4))),
    _bad("name-no-utf-8", "6", _one(tensor(b"\xff", [1], 0, 0), bytes(4))),
    _bad("name-unprintable", "6", _one(tensor("a\0b", [1], 0, 0), bytes(4))),
    _bad("name-twice", "6", gguf([], [_A, tensor("a.weight", [3], 0, 64)], _DATA)),
    _bad("five-axes", "6", _one(tensor("a", [1] * 5, 0, 0), bytes(4))),
    _bad("type-4", "6", _one(tensor("a", [32], 4, 0), bytes(4))),
    _bad("type-99", "6", _one(tensor("a", [32], 99, 0), bytes(4))),
    _bad("half-a-block", "6", _one(tensor("a", [33], 2, 0), bytes(36))),
    _bad("no-elements", "6", _one(tensor("a", [0, 3], 0, 0))),
    _bad("overflowing-axes", "6", _one(tensor("a", [2**32, 2**32], 0, 0))),
    _bad("wrapping-axes", "6", _one(tensor("a", [2**62, 4, 2**63], 0, 0))),
    _bad("gap", "7", _one(tensor("a", [3], 0, 32), bytes(44))),
    _bad("unaligned", "7", gguf([], [_A, tensor("b", [3], 0, 36)], bytes(48))),
    _bad("overlap", "7", gguf([], [_A, tensor("b", [3], 0, 0)], _DATA)),
    _bad("out-of-order", "7", gguf([], [_B, _A], _DATA)),
    _bad("beyond-the-end", "7", _one(tensor("a", [2**60], 0, 0), bytes(64))),
    _bad("cut", "7", gguf([], [_A], bytes(35))),
    _bad("trailing", "7", gguf([], [_A], bytes(64) + b"PK\3\4")),
    _bad("trailing-without-tensors", "7", gguf(_KEYS, [], bytes(64))),
    _bad("hidden-in-padding", "7", gguf([], [_A, _B], b"." * 37 + bytes(27) + b"." * 12)),
    _bad("scores-without-tokens", "8", _key(array(6, [bytes(4)]), "tokenizer.ggml.scores")),
    _bad(
        "fewer-scores",
        "8",
        gguf(
            [
                ("tokenizer.ggml.tokens", array(8, [text("a")] * 3)),
                ("tokenizer.ggml.scores", array(6, [bytes(4)])),
            ]
        ),
    ),
    _bad(
        "template-with-class",
        "TEMPLATE-3",
        _key(words("{{ ''.__class__ }}"), "tokenizer.chat_template"),
    ),
    _bad(
        "named-template-with-call",
        "TEMPLATE-6",
        _key(words("{{ x.system('id') }}"), "tokenizer.chat_template.tool_use"),
    ),
    _bad("template-number", "TEMPLATE-1", _key(scalar(4, 1), "tokenizer.chat_template")),
)
