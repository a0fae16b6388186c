"""TFLite files, and what is wrong with them. Numbers of fields are those of schema.fbs."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from registry.testing.vectors import Vector

ADD, CUSTOM = 0, 32
FLOAT32 = 0


@dataclass(frozen=True)
class Number:
    value: int
    size: int = 4

    def encode(self) -> bytes:
        return (self.value & ((1 << 8 * self.size) - 1)).to_bytes(self.size, "little")


@dataclass(frozen=True)
class Table:
    """Fields by their number."""

    fields: Mapping[int, Value]


#: Lists are vectors: of tables, or of 32-bit numbers.
Value = Number | Table | str | bytes | Sequence["Table"] | Sequence[int]


def flatbuffer(root: Table, identifier: bytes = b"TFL3") -> bytes:
    """Front to back: each thing behind what refers to it."""
    out = bytearray(4) + identifier
    pending: list[tuple[int, Value]] = [(0, root)]
    while pending:
        at, value = pending.pop(0)
        # Elements of a vector begin 4 bytes behind it; data of tensors are aligned to 16.
        out += bytes((12 - len(out)) % 16)
        place, further = _write(out, value)
        out[at : at + 4] = (place - at).to_bytes(4, "little")
        pending += further
    return bytes(out)


def _write(out: bytearray, value: Value) -> tuple[int, list[tuple[int, Value]]]:
    if isinstance(value, Table):
        return _write_table(out, value)
    place = len(out)
    data = value.encode() if isinstance(value, str) else value
    assert not isinstance(data, Number)
    out += len(data).to_bytes(4, "little")
    if isinstance(data, bytes):
        out += data + b"\0"
        return place, []
    further: list[tuple[int, Value]] = []
    for each in data:
        if isinstance(each, Table):
            further.append((len(out), each))
            out += bytes(4)
        else:
            out += Number(each).encode()
    return place, further


def _write_table(out: bytearray, table: Table) -> tuple[int, list[tuple[int, Value]]]:
    count = max(table.fields, default=-1) + 1
    vtable = len(out)
    slots, body = [0] * count, bytearray()
    further: list[tuple[int, Value]] = []
    padding = (4 + 2 * count) % 4
    place = vtable + 4 + 2 * count + padding
    for number, value in sorted(table.fields.items()):
        size = value.size if isinstance(value, Number) else 4
        body += bytes(-(4 + len(body)) % min(size, 4))
        slots[number] = 4 + len(body)
        if isinstance(value, Number):
            body += value.encode()
        else:
            further.append((place + 4 + len(body), value))
            body += bytes(4)
    out += (4 + 2 * count).to_bytes(2, "little") + (4 + len(body)).to_bytes(2, "little")
    out += b"".join(slot.to_bytes(2, "little") for slot in slots)
    out += bytes(padding) + (place - vtable).to_bytes(4, "little") + body
    return place, further


def tensor(name: str, shape: list[int], buffer: int = 0, dtype: int = FLOAT32) -> Table:
    return Table({0: shape, 1: Number(dtype, 1), 2: Number(buffer), 3: name})


def code(number: int = ADD, custom: str = "") -> Table:
    fields: dict[int, Value] = {0: Number(min(number, 127), 1), 3: Number(number)}
    return Table(fields | ({1: custom} if custom else {}))


def operator(
    index: int = 0, inputs: Sequence[int] = (0, 1), outputs: Sequence[int] = (2,)
) -> Table:
    return Table({0: Number(index), 1: list(inputs), 2: list(outputs)})


def subgraph(
    tensors: Sequence[Table] = (), operators: Sequence[Table] = (), inputs: Sequence[int] = (0,)
) -> Table:
    given = tensors or (tensor("x", [1, 4]), tensor("w", [4], 1), tensor("y", [1, 4]))
    steps = operators or (operator(),)
    return Table({0: list(given), 1: list(inputs), 2: [2], 3: list(steps), 4: "main"})


def model(
    *,
    version: int = 3,
    codes: Sequence[Table] = (code(),),
    graphs: Sequence[Table] | None = None,
    data: bytes = bytes(16),
    more: Mapping[int, Value] | None = None,
) -> bytes:
    buffers = [Table({}), Table({0: data})]
    given = [subgraph()] if graphs is None else list(graphs)
    fields: dict[int, Value] = {
        0: Number(version),
        1: list(codes),
        2: given,
        3: "made for tests",
        4: buffers,
    }
    return flatbuffer(Table(fields | dict(more or {})))


def _sound(name: str, data: bytes) -> Vector:
    return Vector(name=name, path="model.tflite", data=data)


def _bad(name: str, rule: int, data: bytes, *, fails: bool = True) -> Vector:
    return Vector(name=name, path="model.tflite", data=data, rule=f"TFLITE-{rule}", fails=fails)


def _custom(name: str) -> bytes:
    return model(codes=[code(CUSTOM, name)])


def _zip() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo("labels.txt"), "cat\ndog\n")
    return packed.getvalue()


_PLAIN = model()
_SIGNATURE = Table(
    {0: [Table({0: "a", 1: Number(0)})], 1: [Table({0: "b", 1: Number(2)})], 2: "serve"}
)


def _weights(shape: list[int], dtype: int = FLOAT32, buffer: int = 1) -> Table:
    return subgraph((tensor("x", [1]), tensor("w", shape, buffer, dtype), tensor("y", [1])))


VECTORS = (
    _sound("plain", _PLAIN),
    _sound("signature", model(more={7: [_SIGNATURE]})),
    _sound("metadata", model(more={6: [Table({0: "min_runtime_version", 1: Number(1)})]})),
    _sound("nibbles", model(graphs=[_weights([3], 17)], data=bytes(2))),
    _sound("shipped-custom", _custom("TFLite_Detection_PostProcess")),
    _sound("computing-tensorflow", _custom("FlexErf")),
    _sound("optional-input", model(graphs=[subgraph(operators=[operator(inputs=(0, -1))])])),
    _bad("root-outside", 1, (2**31).to_bytes(4, "little") + _PLAIN[4:]),
    _bad("cut", 1, _PLAIN[: len(_PLAIN) // 2]),
    _bad("vtable-before-the-file", 1, b"\x08\0\0\0TFL3" + b"\xff\xff\xff\x7f" + bytes(64)),
    _bad(
        "vector-beyond-the-end",
        1,
        _PLAIN.replace(b"\x10\0\0\0" + bytes(16), b"\xff" * 4 + bytes(16)),
    ),
    _bad("no-utf-8", 1, _PLAIN.replace(b"made for", b"\xff\xff\xff\xff\xff\xff\xff\xff")),
    _bad("version-2", 2, model(version=2)),
    _bad("no-subgraph", 3, model(graphs=[])),
    _bad("operator-of-no-code", 3, model(graphs=[subgraph(operators=[operator(7)])])),
    _bad("tensor-beyond", 3, model(graphs=[subgraph(operators=[operator(inputs=(0, 99))])])),
    _bad("tensor-negative", 3, model(graphs=[subgraph(operators=[operator(inputs=(0, -2))])])),
    _bad("input-beyond", 3, model(graphs=[subgraph(inputs=[1000])])),
    _bad("buffer-beyond", 3, model(graphs=[_weights([4], buffer=9)])),
    _bad("metadata-beyond", 3, model(more={6: [Table({0: "x", 1: Number(99)})]})),
    _bad("signature-beyond", 3, model(more={7: [Table({2: "serve", 4: Number(5)})]})),
    _bad("too-few-bytes", 4, model(data=bytes(8))),
    _bad("too-many-bytes", 4, model(data=bytes(4096))),
    _bad("overflowing-shape", 4, model(graphs=[_weights([2**30, 2**30, 2**30])])),
    _bad("negative-axis", 4, model(graphs=[_weights([-2, -2])])),
    _bad("unknown-type", 4, model(graphs=[_weights([4], 99)])),
    _bad("foreign-operator", 5, _custom("RunShell")),
    _bad("edge-tpu", 5, _custom("edgetpu-custom-op")),
    _bad("nameless-custom", 5, _custom("")),
    _bad("delegate", 5, model(codes=[code(51)])),
    _bad("published-custom", 5, _custom("MaxUnpooling2D"), fails=False),
    _bad("newer-operator", 5, model(codes=[code(9999)]), fails=False),
    _bad("reads-a-file", 6, _custom("FlexReadFile")),
    _bad("python", 6, _custom("FlexPyFunc")),
    _bad("no-such-tensorflow", 6, _custom("FlexEvil")),
    _bad("unlisted-tensorflow", 6, _custom("FlexTensorSliceDataset"), fails=False),
    _bad("external-buffers", 7, model(more={8: [Table({0: "../weights.bin"})]})),
    _bad("packed-files", 8, _PLAIN + _zip(), fails=False),
    _bad("short-pickle", 8, _PLAIN + b"\x80\x04cos\nsystem\n(S'id'\ntR."),
    _bad("short-pickle-of-protocol-0", 8, _PLAIN + b"cos\nsystem\n(S'id'\ntR."),
    _bad("short-program", 8, _PLAIN + b"\x7fELF" + bytes(60)),
    _bad("trailing-bytes", 8, _PLAIN + b"\x80\x04cos\nsystem\n" * 16),
)
