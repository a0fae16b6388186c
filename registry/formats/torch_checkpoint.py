"""A checkpoint of torch.save as whoever copies tensors out of it needs to know it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from registry.formats.pickle_values import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class StoragePlace:
    """Where a storage's bytes lie in the file."""

    offset: int
    size_bytes: int
    #: They are there as they are. If not, they are packed.
    is_stored: bool = True


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What both of torch's formats come to. Only as good as what was noted while it was read:
    tensors lie within their storages, and storages within the file, if no finding says otherwise.
    """

    value: Value
    #: By the keys that the pickle refers to them by.
    storages: Mapping[str, StoragePlace]
    is_little_endian: bool = True
