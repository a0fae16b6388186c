"""What values are and how many: datatype, dataspace and fill value messages.

Sections IV.A.2.b, d, e and f of the specification.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import NoReturn

from registry.formats.hdf5_parts import WIDTH, Part
from registry.formats.hdf5_rules import COVERED, TYPE, give_up
from registry.formats.look import quoted

DIMENSIONS_MAX = 32
ELEMENTS_MAX = 2**63 - 1
#: Of an enumeration, which is a boolean or nothing that is known here.
_BOOLEAN = {b"FALSE": 0, b"TRUE": 1}
_FIXED, _FLOAT, _STRING, _OPAQUE, _ENUM, _VARIABLE = 0, 1, 3, 5, 8, 9
#: Bytes of one element of a text of any length: its length, and its place in a global heap.
REFERENCE_BYTES = 16
#: By size in bytes, where sign, exponent and mantissa lie, and the exponent's bias.
_FLOATS = {
    # sign bit; exponent's first bit and count; mantissa's first bit and count; bias
    (1, 7, 3, 4, 0, 3, 7): "float8_e4m3fn",
    (1, 7, 2, 5, 0, 2, 15): "float8_e5m2",
    (2, 15, 10, 5, 0, 10, 15): "float16",
    (2, 15, 7, 8, 0, 7, 127): "bfloat16",
    (4, 31, 23, 8, 0, 23, 127): "float32",
    (8, 63, 52, 11, 0, 52, 1023): "float64",
}


@dataclass(frozen=True)
class Datatype:
    #: As NumPy calls it; `string` for texts, `S5` and the like for those of a fixed size, `V2` for
    #: bytes without meaning.
    name: str
    size_bytes: int
    #: Texts of any length lie in global heaps.
    is_variable: bool = False

    @property
    def is_text(self) -> bool:
        return self.is_variable or self.name.startswith("S")


@dataclass(frozen=True)
class Dataspace:
    #: None: no values at all, not even one.
    shape: tuple[int, ...] | None

    @property
    def elements(self) -> int:
        return 0 if self.shape is None else prod(self.shape)


def read_datatype(part: Part) -> Datatype:
    """The type that the part begins with; what follows is left."""
    kind = part.number()
    version, kind = kind >> 4, kind & 0x0F
    bits = part.number(3)
    size_bytes = part.number(4)
    if version not in (1, 2, 3):
        give_up(
            part.look,
            COVERED,
            f"{part.what}: found a datatype of version {version}, expected 1 to 3",
            offset=part.at,
        )
    if not size_bytes:
        part.wrong("found a datatype of no bytes")
    read = {
        _FIXED: _read_fixed,
        _FLOAT: _read_float,
        _STRING: _read_string,
        _OPAQUE: _read_opaque,
        _ENUM: _read_enum,
        _VARIABLE: _read_variable,
    }.get(kind)
    if read is None:
        give_up(part.look, TYPE, f"{part.what}: found datatype class {kind}", offset=part.at)
    return read(part, version, bits, size_bytes)


def _unknown(part: Part, found: str) -> NoReturn:
    give_up(part.look, TYPE, f"{part.what}: found {found}", offset=part.at)


def _read_fixed(part: Part, _: int, bits: int, size_bytes: int) -> Datatype:
    offset, precision = part.number(2), part.number(2)
    # Bit 0: big-endian, bit 3: signed. Others say what surrounds the bits of a value.
    if size_bytes not in (1, 2, 4, 8) or offset or precision != 8 * size_bytes or bits & ~0b1001:
        _unknown(part, f"a number of {precision} bits in {size_bytes} bytes, flags {bits:#x}")
    return Datatype(f"{'int' if bits & 0b1000 else 'uint'}{precision}", size_bytes)


def _read_float(part: Part, _: int, bits: int, size_bytes: int) -> Datatype:
    offset, precision = part.number(2), part.number(2)
    exponent = part.number(), part.number()
    mantissa = part.number(), part.number()
    bias = part.number(4)
    sign = bits >> 8 & 0xFF
    name = _FLOATS.get((size_bytes, sign, *exponent, *mantissa, bias))
    # Bit 0: big-endian; bits 4 and 5 are 2: the mantissa's first bit is 1 and not stored.
    if name is None or offset or precision != 8 * size_bytes or bits & ~0xFF01 != 0x20:
        _unknown(part, f"a float of {size_bytes} bytes, exponent {exponent}, flags {bits:#x}")
    return Datatype(name, size_bytes)


def _read_string(part: Part, _: int, bits: int, size_bytes: int) -> Datatype:
    # Bits 0 to 3: how it is padded; bits 4 to 7: ASCII or UTF-8.
    if bits & 0x0F > 2 or bits >> 4 > 1:
        _unknown(part, f"a text with flags {bits:#x}")
    return Datatype(f"S{size_bytes}", size_bytes)


def _read_opaque(part: Part, _: int, bits: int, size_bytes: int) -> Datatype:
    part.take(bits & 0xFF)
    if bits >> 8 or bits % 8:
        _unknown(part, f"plain bytes with flags {bits:#x}")
    return Datatype(f"V{size_bytes}", size_bytes)


def _read_enum(part: Part, version: int, bits: int, size_bytes: int) -> Datatype:
    base = read_base(part, version)
    if bits != len(_BOOLEAN) or base.size_bytes != size_bytes or size_bytes != 1:
        _unknown(part, f"an enumeration of {bits} values")
    names = [_read_member(part, version) for _ in _BOOLEAN]
    values = [part.number() for _ in names]
    if dict(zip(names, values, strict=True)) != _BOOLEAN:
        _unknown(part, f"an enumeration of {quoted(names)}")
    return Datatype("bool", size_bytes)


def _read_member(part: Part, version: int) -> bytes:
    """A name with its NUL; before version 3 filled up to eight bytes."""
    end = part.data.find(b"\0", part.read)
    name = part.take(max(0, end - part.read))
    part.take(1)
    if version < 3:
        part.padding(-(len(name) + 1) % 8)
    return name


def _read_variable(part: Part, version: int, bits: int, size_bytes: int) -> Datatype:
    base = read_base(part, version)
    # Bits 0 to 3: 1 for texts; 4 to 7: padding; 8 to 11: ASCII or UTF-8.
    if bits & 0x0F != 1 or bits >> 4 & 0x0F > 2 or bits >> 8 > 1:
        _unknown(part, f"values of any length that are no texts, flags {bits:#x}")
    if size_bytes != REFERENCE_BYTES or base.size_bytes != 1:
        part.wrong(f"found texts of {base.size_bytes} bytes a character, {size_bytes} each")
    return Datatype("string", size_bytes, is_variable=True)


def read_base(part: Part, version: int) -> Datatype:
    """Of an enumeration's values, or of a text's characters: a plain one, so nothing recurses."""
    kind = part.number()
    if kind & 0x0F not in (_FIXED, _STRING) or kind >> 4 not in (1, version):
        _unknown(part, f"a type that is made of datatype class {kind & 0x0F}")
    bits, size_bytes = part.number(3), part.number(4)
    if kind & 0x0F == _FIXED:
        return _read_fixed(part, version, bits, size_bytes)
    return _read_string(part, version, bits, size_bytes)


def read_dataspace(part: Part) -> Dataspace:
    """The shape that the part begins with; what follows is left."""
    version, rank, flags = part.number(), part.number(), part.number()
    if version == 1:
        part.padding(5)
        is_null = False
    elif version == 2:
        kind = part.number()
        is_null = kind == 2
        if kind > 2 or (kind != 1 and rank) or (kind == 1 and not rank):
            part.wrong(f"found a dataspace of type {kind} with {rank} axes")
    else:
        give_up(
            part.look,
            COVERED,
            f"{part.what}: found a dataspace of version {version}, expected 1 or 2",
            offset=part.at,
        )
    # Bit 0: greatest lengths follow. Bit 1, a permutation, was never written.
    if flags > 1 or rank > DIMENSIONS_MAX:
        part.wrong(f"found {rank} axes and flags {flags}, expected {DIMENSIONS_MAX} and 0 or 1")
    shape = tuple(part.number(WIDTH) for _ in range(rank))
    limits = tuple(part.number(WIDTH) for _ in range(rank)) if flags else shape
    # All bits set mean no limit, which is more than any length.
    if any(axis > limit for axis, limit in zip(shape, limits, strict=True)):
        part.wrong(f"found lengths {quoted(list(shape))} beyond their limits")
    if prod(axis or 1 for axis in shape) > ELEMENTS_MAX:
        part.wrong(f"found shape {quoted(list(shape))}, expected under 2^63 elements")
    return Dataspace(None if is_null else shape)


def check_fill(part: Part, size_bytes: int) -> None:
    """The fill value message: what is read where nothing was written. All is written here, so
    its value does not matter."""
    version = part.number()
    if version in (1, 2):
        allocated, written, is_defined = part.number(), part.number(), part.number()
        # Version 1 always has a value, maybe of no bytes.
        has_value = version == 1 or is_defined == 1
        flags_known = is_defined <= 1
    elif version == 3:
        flags = part.number()
        allocated, written = flags & 3, flags >> 2 & 3
        has_value = bool(flags & 0x20)
        flags_known = flags < 0x40 and flags & 0x30 != 0x30
    else:
        give_up(
            part.look,
            COVERED,
            f"{part.what}: found version {version}, expected 1 to 3",
            offset=part.at,
        )
    if allocated > 3 or written > 2 or not flags_known:
        part.wrong(f"found allocation {allocated}, writing {written}, and flags that are unknown")
    if has_value:
        read_old_fill(part, size_bytes)


def read_old_fill(part: Part, size_bytes: int) -> None:
    """A length and a value of it: all that the older message has."""
    length = part.number(4)
    if length not in (0, size_bytes):
        part.wrong(f"found a value of {length} bytes, expected {size_bytes}")
    part.take(length)
