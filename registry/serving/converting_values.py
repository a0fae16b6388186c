"""What a conversion is made of: tensors by name, and where their elements lie in a file."""

from __future__ import annotations

from dataclasses import dataclass

#: Tensors may share storages, and be expanded out of a few bytes; small numbers in fields of
#: protobuf take less than in bytes, and what is aligned takes more.
_GROWTH_MAX = 8
_GROWTH_BYTES = 64 * 1024 * 1024


def size_bytes_max(source_bytes: int) -> int:
    """Of what files of that size together may become."""
    return _GROWTH_MAX * source_bytes + _GROWTH_BYTES


class CannotConvertError(Exception):
    """The file is none that can be converted; the text says what of it, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Elements:
    """Where a tensor's elements lie: of one size, from a byte of the file on, a step of so many
    elements along each axis."""

    begin: int
    item_bytes: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def count(self) -> int:
        found = 1
        for axis in self.shape:
            found *= axis
        return found

    @property
    def size_bytes(self) -> int:
        """Of all of them in C order, those that lie in one place counted each time."""
        return self.count * self.item_bytes

    @property
    def end(self) -> int:
        """Behind the last byte of the file that is one of theirs."""
        if not self.count:
            return self.begin
        steps = sum((axis - 1) * step for axis, step in zip(self.shape, self.strides, strict=True))
        return self.begin + (1 + steps) * self.item_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedTensor:
    """As the converted file has it: `dtype` is safetensors' name of it. Its shape may count other
    things than its elements: those of F4 are pairs of numbers."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    elements: Elements
