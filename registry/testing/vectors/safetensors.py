"""safetensors files, and what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Mapping

from registry.testing.vectors import Vector


def safetensors(header: object, buffer: bytes = b"", *, length: int | None = None) -> bytes:
    """A file of this header, a value of JSON or bytes as they are, and this buffer."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    size = len(text) if length is None else length
    return size.to_bytes(8, "little") + text + buffer


def tensor(dtype: str, shape: list[int], begin: int, end: int) -> Mapping[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


_A = tensor("F32", [2, 3], 0, 24)
_B = tensor("BF16", [4], 24, 32)


def _bad(name: str, rule: str, data: bytes) -> Vector:
    return Vector(name=name, path="model.safetensors", data=data, rule=f"SAFETENSORS-{rule}")


def _sound(name: str, data: bytes) -> Vector:
    return Vector(name=name, path="model.safetensors", data=data)


VECTORS = (
    _sound("two-tensors", safetensors({"a": _A, "b": _B}, bytes(32))),
    _sound("unsorted-header", safetensors({"b": _B, "a": _A}, bytes(32))),
    _sound("padded-header", safetensors(b"{}      ")),
    *(
        _sound(f"header-of-{length}-bytes", safetensors(b"{}".ljust(length)))
        for length in (0x280, 0x480, 0x010280)
    ),
    Vector(
        name="header-length-that-is-a-pickle",
        path="model.safetensors",
        # PROTO 2, BINFLOAT over the brace, and what it would run: 0x470280 bytes of header.
        data=safetensors(b"{xxcos\nsystem\nX\x04\0\0\0echo\x85R.".ljust(0x470280)),
        rule="FILE-1",
    ),
    _sound("metadata", safetensors({"__metadata__": {"format": "pt"}, "a": _A}, bytes(24))),
    _sound("empty-tensor", safetensors({"a": tensor("I64", [0, 7], 0, 0)})),
    _sound("scalar", safetensors({"a": tensor("F64", [], 0, 8)}, bytes(8))),
    _sound("packed-4-bit", safetensors({"a": tensor("F4", [3, 2], 0, 3)}, bytes(3))),
    _bad("header-longer-than-file", "1", safetensors({"a": _A}, bytes(24), length=4096)[:9] + b"}"),
    _bad("header-of-one-byte", "1", safetensors(b"{", length=1)),
    _bad("key-twice", "2", safetensors(b'{"a":{},"a":{}}')),
    _bad("not-utf-8", "2", safetensors(b'{"\xff":{}}')),
    _bad("deep", "2", safetensors(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}")),
    _bad("nan", "2", safetensors(b'{"a":NaN}')),
    _bad("padded-with-tabs", "2", safetensors(b"{}\t\0")),
    _bad("metadata-number", "3", safetensors({"__metadata__": {"a": 1}})),
    _bad("metadata-list", "3", safetensors({"__metadata__": ["a"]})),
    _bad("unknown-dtype", "4", safetensors({"a": tensor("O8", [1], 0, 8)}, bytes(8))),
    _bad("further-key", "4", safetensors({"a": {**_A, "hook": "x"}}, bytes(24))),
    _bad("negative-axis", "4", safetensors({"a": tensor("F32", [-2, -3], 0, 24)}, bytes(24))),
    _bad(
        "boolean-axis", "4", safetensors({"a": {**tensor("U8", [1], 0, 1), "shape": [True]}}, b".")
    ),
    _bad("float-offset", "4", safetensors({"a": {**_A, "data_offsets": [0.0, 24]}}, bytes(24))),
    _bad("overflowing-shape", "4", safetensors({"a": tensor("U8", [2**40, 2**40], 0, 0)})),
    _bad("size-of-another-dtype", "5", safetensors({"a": tensor("F16", [2, 3], 0, 24)}, bytes(24))),
    _bad("half-a-byte", "5", safetensors({"a": tensor("F4", [3], 0, 1)}, b".")),
    _bad("end-before-begin", "5", safetensors({"a": tensor("U8", [0], 4, 0)}, bytes(4))),
    _bad("gap", "6", safetensors({"a": tensor("U8", [4], 4, 8)}, bytes(8))),
    _bad("overlap", "6", safetensors({"a": _A, "b": tensor("U8", [8], 16, 24)}, bytes(24))),
    _bad("trailing-bytes", "6", safetensors({"a": _A}, bytes(24) + b"cos\nsystem\n.")),
    _bad("cut", "6", safetensors({"a": _A}, bytes(20))),
)
