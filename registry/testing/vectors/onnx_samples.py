"""ONNX test data, and what is wrong with it. Field numbers are those of onnx-data.proto."""

from __future__ import annotations

from registry.testing.vectors import Vector
from registry.testing.vectors.onnx import (
    FLOAT,
    INT64,
    STRING,
    external,
    field,
    graph,
    model,
    node,
    tensor,
)

#: Kinds of values; the field of each has this number and two more.
TENSOR, SPARSE, SEQUENCE, MAP, OPTIONAL = range(1, 6)


def holder(kind: int, *values: bytes, name: str = "x") -> bytes:
    """A SequenceProto, or an OptionalProto of no or one value."""
    inner = b"".join(field(kind + 2, value) for value in values)
    return field(1, name) + field(2, kind) + inner


def map_of(key_type: int, keys: bytes, *values: bytes) -> bytes:
    return field(1, "m") + field(2, key_type) + keys + field(5, holder(TENSOR, *values))


def _sound(name: str, data: bytes, path: str = "test_data_set_0/input_0.pb") -> Vector:
    return Vector(name=name, path=path, data=data)


def _bad(name: str, rule: int, data: bytes, *, fails: bool = True) -> Vector:
    return Vector(
        name=name,
        path="test_data_set_0/input_0.pb",
        data=data,
        rule=f"ONNX-{rule}",
        fails=fails,
        files={"w.bin": 64},
    )


def _nested(depth: int) -> bytes:
    """With a name that no other message takes for numbers."""
    inner = ONE
    for _ in range(depth):
        inner = holder(SEQUENCE, inner, name="\xe9")
    return inner


_W = tensor(FLOAT, [2, 2], field(9, bytes(16)))
ONE = holder(TENSOR, _W)
_AWAY = tensor(FLOAT, [4], external(location="w.bin"))
_INDICES = tensor(INT64, [2], field(9, bytes(16)))
_SPARSE = field(1, tensor(FLOAT, [2], field(9, bytes(8)))) + field(2, _INDICES) + field(3, 9)
_KEYS = field(3, 1) + field(3, -1)
#: Whose bytes are text, so that they could be the name of a value.
_NODE = field(1, "x") + field(2, "Placeholder")

VECTORS = (
    _sound("tensor", _W),
    _sound("tensor-that-comes-out", _W, "output_12.pb"),
    _sound("in-capitals", _W, "INPUT_0.PB"),
    _sound("scalar", tensor(FLOAT, [], field(4, bytes(4)))),
    _sound("texts", tensor(STRING, [2], field(6, "a"), field(6, b"\xff"))),
    # Its first bytes could be zlib's.
    _sound("of-29", tensor(FLOAT, [29], field(9, bytes(116)))),
    _sound("sequence", holder(TENSOR, _W, tensor(INT64, [], field(7, 1)))),
    _sound("sequence-of-nothing", holder(TENSOR)),
    _sound("sequence-of-sequences", holder(SEQUENCE, ONE, holder(TENSOR))),
    _sound("sequence-of-maps", holder(MAP, map_of(INT64, _KEYS, _W, _W))),
    _sound("sequence-of-sparse-ones", holder(SPARSE, _SPARSE)),
    _sound("sequence-of-optional-ones", holder(OPTIONAL, ONE, field(2, 0), holder(TENSOR))),
    _sound("optional", holder(SEQUENCE, ONE)),
    _sound("optional-nothing", field(2, 0)),
    _sound("map", map_of(INT64, _KEYS, _W, _W)),
    _sound("map-of-packed-keys", map_of(INT64, field(3, b"\x01\x02"), _W, _W)),
    _sound("map-of-texts", map_of(STRING, field(4, "a") + field(4, "b"), _W, _W)),
    _bad("unknown-field", 2, _W + field(99, b"payload"), fails=False),
    _bad("unknown-field-within", 2, holder(TENSOR, _W + field(99, b".")), fails=False),
    _bad("unknown-dtype", 5, tensor(99, [1], field(9, b"."))),
    _bad("overflowing-dims", 5, holder(TENSOR, tensor(FLOAT, [2**62, 4], field(9, b"")))),
    _bad("no-data", 6, tensor(FLOAT, [2])),
    _bad("segment", 6, _W + field(3, field(1, 0)), fails=False),
    _bad("too-few-bytes", 7, tensor(FLOAT, [2, 2], field(9, bytes(12)))),
    _bad("too-many-bytes-within", 7, holder(TENSOR, tensor(FLOAT, [1], field(9, bytes(99))))),
    _bad("sparse-without-indices", 8, holder(SPARSE, field(1, _INDICES) + field(3, 9))),
    _bad("trailing-bytes", 14, _W + b"cos\nsystem\n(S'id'\ntR."),
    _bad("cut", 14, _W[:-3]),
    _bad("deep", 14, _nested(100)),
    _bad("two-names", 14, field(1, "y") + ONE),
    _bad("name-no-utf-8", 14, field(8, b"\xff") + tensor(FLOAT, [0])[:-3]),
    _bad("endless-number", 14, b"\x08" + b"\xff" * 11 + _W),
    _bad("model", 14, model(graph(field(1, node("Relu"))), field(2, "maker"))),
    _bad("graph-of-tensorflow", 14, field(1, _NODE) + field(1, _NODE) + field(4, field(1, 21))),
    _bad("graph-in-a-name", 14, field(1, _NODE) + field(2, TENSOR)),
    _bad("external", 15, _AWAY),
    _bad("external-within", 15, holder(SEQUENCE, holder(TENSOR, _W, _AWAY))),
    _bad("external-in-a-map", 15, map_of(INT64, _KEYS, _W, _AWAY)),
    _bad("external-of-nowhere", 15, tensor(FLOAT, [0], field(14, 1))),
    _bad("external-and-inline", 15, _W + external(location="w.bin")[:-2]),
    _bad(
        "texts-that-are-maps",
        15,
        tensor(STRING, [1], field(6, map_of(INT64, _KEYS[:2], _AWAY)[3:])),
        fails=False,
    ),
    _bad(
        "tags-filled-up",
        15,
        tensor(STRING, [1], field(6, b"\x8a\x80\x00\x88\x00location" + field(2, "w.bin"))),
        fails=False,
    ),
    _bad("no-kind", 16, field(1, "x") + field(3, _W)),
    _bad("no-such-kind", 16, field(1, "x") + field(2, 99)),
    _bad("values-of-another-kind", 16, field(1, "x") + field(2, SEQUENCE) + field(3, _W)),
    _bad("values-of-two-kinds", 16, ONE + field(5, ONE)),
    _bad("values-of-no-kind", 16, field(1, "x") + field(2, 0) + field(3, _W)),
    _bad("sequence-of-no-kind", 16, holder(SEQUENCE, field(2, 0))),
    _bad("optional-of-another-kind", 16, holder(OPTIONAL, field(2, SPARSE) + field(3, _W))),
    _bad("too-few-keys", 17, map_of(INT64, _KEYS[:2], _W, _W)),
    _bad("no-values", 17, field(1, "m") + field(2, INT64) + _KEYS),
    _bad("keys-of-another-type", 17, map_of(STRING, _KEYS, _W, _W)),
    _bad("keys-of-two-types", 17, map_of(INT64, _KEYS + field(4, "a"), _W, _W)),
    _bad("keys-that-are-floats", 17, map_of(FLOAT, _KEYS, _W, _W)),
)
