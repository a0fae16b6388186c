"""Attributes of groups and datasets, all in their headers.

Sections IV.A.2.m (attributes) and IV.A.2.v (where many of them lie) of the specification.
"""

from __future__ import annotations

from collections.abc import Mapping

from registry.formats import hdf5_headers as headers
from registry.formats.hdf5_groups import text_of
from registry.formats.hdf5_headers import Header
from registry.formats.hdf5_heaps import GlobalHeaps
from registry.formats.hdf5_parts import Part
from registry.formats.hdf5_rules import COVERED, NAME, PICKLE, SIZE, give_up, said
from registry.formats.hdf5_types import (
    REFERENCE_BYTES,
    Dataspace,
    Datatype,
    read_dataspace,
    read_datatype,
)
from registry.formats.look import quoted
from registry.formats.pickle_looks import looks_like_pickle
from registry.formats.source import BytesSource

#: What hickle loads its own files by: it unpickles datasets.
_HICKLE = "HICKLE_VERSION"
#: Of attributes by their name; none of those that hold something else.
Texts = Mapping[str, tuple[bytes, ...]]


def read_attributes(heaps: GlobalHeaps, header: Header, what: str) -> Texts:
    """And the messages that only say something of the object: a comment, a time."""
    for message in header.all(headers.ATTRIBUTE_INFO):
        headers.check_storage(message, 2, "attributes")
    for message in header.all(headers.TIME):
        message.expect(b"\x01", "version")
        message.padding(3)
        message.number(4)
        message.padding()
    for message in header.all(headers.COMMENT):
        message.take(max(0, message.data.find(b"\0")) + 1)
        message.padding()
    found: dict[str, tuple[bytes, ...]] = {}
    for message in header.all(headers.ATTRIBUTE):
        name, texts = _read_attribute(heaps, message, what)
        if name in found:
            message.look.refuse(
                NAME, f"{what}: found two attributes {quoted(name)}", offset=message.at
            )
        found[name] = texts
    return found


def _read_attribute(heaps: GlobalHeaps, message: Part, what: str) -> tuple[str, tuple[bytes, ...]]:
    version, flags = message.number(), message.number()
    # In version 1 reserved; later they say that type or shape are stored elsewhere.
    if version not in (1, 2, 3) or flags:
        give_up(
            message.look,
            COVERED,
            f"{what}: found an attribute of version {version} with flags {flags:#x}, expected 1 "
            f"to 3 without",
            offset=message.at,
        )
    lengths = [message.number(2) for _ in range(3)]
    if version == 3 and message.number() > 1:
        message.wrong("found a name that is neither ASCII nor UTF-8")
    parts = []
    for length in lengths:
        parts.append(message.part(length, what))
        # Each filled up to eight bytes in version 1 alone.
        message.padding(-length % 8 if version == 1 else 0)
    name = text_of(parts[0], parts[0].data[:-1], is_step=False)
    if parts[0].data[-1:] != b"\0":
        parts[0].wrong("found a name without a NUL at its end")
    datatype, space = read_datatype(parts[1]), read_dataspace(parts[2])
    for part in parts[1:]:
        part.padding()
    what = f"{what}, attribute {quoted(name)}"
    texts = _read_values(heaps, message, what, datatype, space)
    for text in texts:
        if looks_like_pickle(BytesSource(text)):
            message.look.refuse(PICKLE, f"{what}: found {said(text)}", offset=message.at)
    if name == _HICKLE:
        message.look.doubt(PICKLE, f"{what}: found a file of hickle, which holds pickles as values")
    return name, texts


def _read_values(
    heaps: GlobalHeaps, message: Part, what: str, datatype: Datatype, space: Dataspace
) -> tuple[bytes, ...]:
    length = space.elements * datatype.size_bytes
    if length > message.left:
        message.look.stop(
            SIZE, f"{what}: found {message.left} bytes, expected {length}", offset=message.at
        )
    values = message.part(length, what)
    # Messages of version 1 headers are filled up to eight bytes.
    if message.left > 7:
        message.wrong(f"found {message.left} bytes behind an attribute")
    message.padding()
    if datatype.is_variable:
        return take_texts(heaps, values, what)
    if not datatype.is_text:
        return ()
    size_bytes = datatype.size_bytes
    starts = range(0, length, size_bytes)
    return tuple(values.data[at : at + size_bytes].rstrip(b"\0") for at in starts)


def take_texts(heaps: GlobalHeaps, values: Part, what: str) -> tuple[bytes, ...]:
    """What references to texts of any length lead to."""
    found = []
    while values.left:
        values.look.budget.step()
        found.append(heaps.take(values.part(REFERENCE_BYTES, what), what))
    return tuple(found)
