"""Indices of TensorFlow's checkpoints, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from registry.testing.vectors import Vector
from registry.testing.vectors.onnx import field, varint

MAGIC = bytes.fromhex("57fb808b247547db")
FLOAT, STRING = 1, 7


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def block(pairs: Sequence[tuple[bytes, bytes]], *, restart: int = 0) -> bytes:
    """With its trailer; each key is written as what it adds to the one before."""
    out, before = bytearray(), b""
    for key, value in pairs:
        shared = 0
        while shared < min(len(before), len(key)) and before[shared] == key[shared]:
            shared += 1
        out += varint(shared) + varint(len(key) - shared) + varint(len(value))
        out += key[shared:] + value
        before = key
    out += restart.to_bytes(4, "little") + (1).to_bytes(4, "little")
    crc = crc32c(bytes(out) + b"\0")
    masked = (crc >> 15 | (crc & 0x7FFF) << 17) + 0xA282EAD8 & 0xFFFFFFFF
    return bytes(out) + b"\0" + masked.to_bytes(4, "little")


def table(*blocks: bytes, gap: bytes = b"", padding: int = 0) -> bytes:
    out = bytearray()
    handles = []
    for each in blocks:
        handles.append((b"~", varint(len(out)) + varint(len(each) - 5)))
        out += each
    out += gap
    meta = len(out)
    out += block(())
    index = len(out)
    out += block([(bytes((number,)), handle) for number, (_, handle) in enumerate(handles)])
    footer = varint(meta) + varint(index - meta - 5) + varint(index) + varint(len(out) - index - 5)
    return bytes(out) + footer.ljust(40, bytes((padding,))) + MAGIC


def entry(
    shape: Sequence[int], size: int, offset: int = 0, dtype: int = FLOAT, shard: int = 0
) -> bytes:
    dims = b"".join(field(2, field(1, axis)) for axis in shape)
    place = (field(3, shard) if shard else b"") + (field(4, offset) if offset else b"")
    return field(1, dtype) + field(2, dims) + place + field(5, size)


HEADER = (b"", field(1, 1) + field(3, field(1, 1)))


def index(*pairs: tuple[bytes, bytes]) -> bytes:
    return table(block([HEADER, *pairs]))


def _vector(
    name: str,
    data: bytes,
    rule: int = 0,
    *,
    fails: bool = True,
    files: Mapping[str, int] | None = None,
) -> Vector:
    return Vector(
        name=name,
        path="variables.index",
        data=data,
        rule=f"CHECKPOINT-{rule}" if rule else "",
        fails=fails,
        files={"variables/variables.data-00000-of-00001": 40} if files is None else files,
    )


_A = (b"layer/a", entry([2, 4], 32))
_B = (b"layer/b", entry([2], 8, 32))
_PLAIN = index(_A, _B)

VECTORS = (
    _vector("plain", _PLAIN),
    _vector("two-blocks", table(block([HEADER, _A]), block([_B]))),
    _vector("texts", index(_A, (b"t", entry([1], 8, 32, STRING)))),
    _vector("no-tensors", index(), files={"model.data-00000-of-00001": 0}),
    _vector("other-index", b"IxFI" + bytes(60), 1, fails=False),
    _vector("cut", _PLAIN[8:], 1),
    _vector("changed-byte", _PLAIN.replace(b"layer", b"later"), 1),
    _vector("gap", table(block([HEADER, _A, _B]), gap=b"cos\nsystem\n"), 1),
    _vector("payload-before", b"cos\nsystem\n" + _PLAIN, 1),
    _vector("padding", table(block([HEADER, _A, _B]), padding=1), 1),
    _vector("restart-nowhere", table(block([HEADER, _A, _B], restart=3)), 1),
    _vector("unsorted", index(_B, _A), 2),
    _vector("key-twice", index(_A, _A), 2),
    _vector("no-header", table(block([_A, _B])), 2),
    _vector("no-message", index((b"a", b"\xff\xff")), 3),
    _vector("unknown-field", index((b"a", entry([1], 4) + field(99, b"x"))), 3),
    _vector("no-data-files", table(block([(b"", b"")])), 3),
    _vector("size-of-another-shape", index((b"a", entry([2, 5], 32)), _B), 4),
    _vector("overflowing-shape", index((b"a", entry([2**62, 2**62], 32))), 4),
    _vector("negative-axis", index((b"a", entry([-2, -4], 32)), _B), 4),
    _vector("unknown-type", index(_A, (b"t", entry([1], 8, 32, 99))), 4, fails=False),
    _vector("overlap", index(_A, (b"layer/b", entry([2], 8, 16))), 5),
    _vector("hole", index(_A, (b"layer/b", entry([2], 8, 64))), 5),
    _vector("other-data-file", index(_A, (b"layer/b", entry([2], 8, 32, shard=7))), 5),
    _vector("data-file-absent", _PLAIN, 6, files={}),
    _vector("data-file-longer", _PLAIN, 6, files={"variables.data-00000-of-00001": 4096}),
)
