"""HDF5: a superblock, and a tree of groups and datasets with attributes.

The superblock: section II.A of the specification.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from registry.formats import hdf5_headers as headers
from registry.formats import hdf5_rules, keras_hdf5
from registry.formats import hdf5_types as types
from registry.formats.hdf5_attributes import Texts, read_attributes, take_texts
from registry.formats.hdf5_data import Dataset, Filter, read_filters
from registry.formats.hdf5_groups import Child, Sizes, Table, read_entry, read_group, table_of
from registry.formats.hdf5_headers import Header, read_header
from registry.formats.hdf5_heaps import GlobalHeaps
from registry.formats.hdf5_parts import NOWHERE, Part, Parts
from registry.formats.hdf5_rules import (
    COVERED,
    END,
    STORAGE,
    STRUCTURE,
    SUPERBLOCK,
    TREE,
    give_up,
)
from registry.formats.keras_hdf5 import Object
from registry.formats.look import Look, quoted
from registry.formats.source import BytesSource, Source, Unpacked

RULES = (*hdf5_rules.RULES, *keras_hdf5.RULES)

#: Groups in groups.
DEPTH_MAX = 64
#: Of the way to a group: each object in it has a path of its own.
PATH_CHARS_MAX = 4096
#: What is compressed is unpacked as a whole up to here, as parts do not lie in order.
UNPACKED_BYTES_MAX = 64 * 1024 * 1024

_GROUP = frozenset((headers.SYMBOL_TABLE, headers.LINK_INFO, headers.LINK, headers.GROUP_INFO))
_DATASET = frozenset(
    (
        headers.DATASPACE,
        headers.DATATYPE,
        headers.OLD_FILL,
        headers.FILL,
        headers.EXTERNAL,
        headers.LAYOUT,
        headers.FILTERS,
    )
)
_BOTH = frozenset(
    (
        headers.ATTRIBUTE,
        headers.COMMENT,
        headers.TIME,
        headers.ATTRIBUTE_INFO,
        headers.REFERENCES,
    )
)
#: The only messages that an object may have several of.
_MANY = frozenset((headers.LINK, headers.ATTRIBUTE))


@dataclass(frozen=True)
class _Pending:
    child: Child
    path: str
    #: Addresses of the groups that it lies in.
    within: tuple[int, ...] = ()


@dataclass
class _File:
    parts: Parts
    heaps: GlobalHeaps
    sizes: Sizes
    objects: dict[str, Object] = field(default_factory=dict)
    tensors: list[dict[str, object]] = field(default_factory=list)


def read(look: Look) -> None:
    """Facts: adds to `tensors` {name, dtype, shape}; those of Keras (`keras_hdf5.py`)."""
    source: Source = look.source
    if isinstance(source, Unpacked) and source.size_bytes <= UNPACKED_BYTES_MAX:
        source = BytesSource(source.read(0, source.size_bytes))
    parts = Parts(look, source)
    root, sizes = _read_superblock(parts)
    file = _File(parts, GlobalHeaps(parts), sizes)
    _read_objects(file, root)
    look.facts["tensors"] = [*look.facts.get("tensors", ()), *file.tensors]
    is_whole = look.book.is_sound
    keras_hdf5.check(look, file.objects)
    # What was refused was not read, so what nobody claimed is told of no file but a sound one.
    if is_whole:
        file.heaps.check_unused()
        parts.check_unused()


def _read_superblock(parts: Parts) -> tuple[Child, Sizes]:
    """The way to the root group."""
    what = "superblock"
    look = parts.look
    version = parts.peek(0, 9, what).data[8]
    if version not in (0, 2, 3):
        give_up(look, SUPERBLOCK, f"found version {version}, expected 0, 2 or 3", offset=8)
    part = parts.take(0, 96 if version == 0 else 48, what)
    if version:
        part.check_sum()
    part.take(9)
    return _read_early(part) if version == 0 else _read_late(part)


def _check_place(part: Part, base: int, end: int) -> None:
    look = part.look
    if base:
        look.stop(SUPERBLOCK, f"found base address {base}, expected 0", offset=part.at)
    if end != look.source.size_bytes:
        look.stop(
            END, f"found a file of {look.source.size_bytes} bytes, expected {end}", offset=part.at
        )


def _check_fields(part: Part, found: bytes, expected: bytes, field: str) -> None:
    if found != expected:
        part.look.stop(
            SUPERBLOCK, f"found {found.hex()} as {field}, expected {expected.hex()}", offset=part.at
        )


def _read_early(part: Part) -> tuple[Child, Sizes]:
    # Versions of free space, root entry and shared messages; sizes of addresses and lengths.
    _check_fields(part, part.take(7), b"\0\0\0\0\x08\x08\0", "versions and sizes")
    sizes = Sizes(leaf=part.number(2), inner=part.number(2))
    if not sizes.leaf or not sizes.inner:
        part.look.stop(SUPERBLOCK, "found trees without room", offset=part.at)
    _check_fields(part, part.take(4), bytes(4), "flags")
    base, free, end, driver = (part.address() for _ in range(4))
    _check_place(part, base, end)
    if (free, driver) != (NOWHERE, NOWHERE):
        give_up(part.look, COVERED, "found free space or a driver's block", offset=part.at)
    name, address, kind, table = read_entry(part)
    if name or kind > 1:
        part.look.stop(SUPERBLOCK, f"found a root of name {name}, kind {kind}", offset=part.at)
    return Child("", address, table if kind else None), sizes


def _read_late(part: Part) -> tuple[Child, Sizes]:
    # Sizes of addresses and lengths; flags, of which each is set while the file is open.
    _check_fields(part, part.take(3), b"\x08\x08\0", "sizes and flags")
    base, extension, end, address = (part.address() for _ in range(4))
    _check_place(part, base, end)
    if extension != NOWHERE:
        give_up(part.look, COVERED, "found an extension of the superblock", offset=part.at)
    return Child("", address), Sizes()


def _read_objects(file: _File, root: Child) -> None:
    """All that the root leads to, each once."""
    look = file.parts.look
    pending, seen = [_Pending(root, "")], set[int]()
    while pending:
        each = pending.pop()
        address = each.child.address
        if address in seen:
            said = f"{_said(each.path)}: found an object that has a name already"
            if address in each.within:
                look.stop(TREE, f"{said}: a group that it lies in", offset=address)
            look.doubt(TREE, said, offset=address)
            continue
        seen.add(address)
        children = _read_object(file, each)
        if children and (len(each.within) >= DEPTH_MAX or len(each.path) > PATH_CHARS_MAX):
            give_up(
                look,
                TREE,
                f"found groups more than {DEPTH_MAX} deep, or names of them that have more than "
                f"{PATH_CHARS_MAX} characters together",
                offset=address,
            )
        within = (*each.within, address)
        before = f"{each.path}/" if each.path else ""
        pending += [_Pending(child, before + child.name, within) for child in reversed(children)]


def _said(path: str) -> str:
    return quoted(f"/{path}")


def _read_object(file: _File, each: _Pending) -> list[Child]:
    what, look = _said(each.path), file.parts.look
    header = read_header(file.parts, each.child.address, what)
    if header.references != 1:
        look.doubt(
            TREE,
            f"{what}: found {header.references} links to it, expected 1",
            offset=header.address,
        )
    is_group = _is_group(look, header, what)
    texts = read_attributes(file.heaps, header, what)
    file.objects[each.path] = Object(is_group, texts)
    if is_group:
        return _read_group(file, header, each.child.table, what)
    if each.child.table:
        look.stop(STRUCTURE, f"{what}: found a dataset whose link says that it is a group")
    _read_dataset(file, header, each.path, texts, what)
    return []


def _is_group(look: Look, header: Header, what: str) -> bool:
    """Or a dataset; what has messages of neither, or of both, is not read."""
    kinds = header.messages.keys() - _BOTH
    is_group = bool(kinds & _GROUP)
    if not is_group and headers.LAYOUT not in kinds:
        give_up(look, COVERED, f"{what}: found neither group nor dataset", offset=header.address)
    has_table, has_info = headers.SYMBOL_TABLE in kinds, headers.LINK_INFO in kinds
    if is_group and (has_table == has_info or (has_table and headers.LINK in kinds)):
        look.stop(
            STRUCTURE,
            f"{what}: found a group with a symbol table and links as messages, or with neither",
            offset=header.address,
        )
    strange = kinds - (_GROUP if is_group else _DATASET)
    if strange:
        give_up(
            look, COVERED, f"{what}: found message of type {min(strange)}", offset=header.address
        )
    for kind in header.messages.keys() - _MANY:
        if len(header.all(kind)) > 1:
            header.all(kind)[1].wrong(f"found message of type {kind} twice")
    return is_group


def _read_group(file: _File, header: Header, cached: Table | None, what: str) -> list[Child]:
    # Where a group has no table any more, as link messages took its place, nobody reads the link's.
    if cached is not None and table_of(header) not in (None, cached):
        file.parts.look.stop(
            STRUCTURE,
            f"{what}: found one symbol table by its link, and another by its header",
            offset=header.address,
        )
    return read_group(file.parts, header, file.sizes, what)


def _read_dataset(file: _File, header: Header, path: str, texts: Texts, what: str) -> None:
    look = file.parts.look
    for external in header.all(headers.EXTERNAL):
        look.refuse(STORAGE, f"{what}: found data in external files", offset=external.at)
        return
    parts = header.all(headers.DATATYPE) + header.all(headers.DATASPACE)
    if len(parts) != 2:
        look.stop(STRUCTURE, f"{what}: found no datatype or no dataspace", offset=header.address)
    datatype, space = types.read_datatype(parts[0]), types.read_dataspace(parts[1])
    for part in parts:
        part.padding()
    for fill in header.all(headers.FILL):
        types.check_fill(fill, datatype.size_bytes)
        fill.padding()
    for fill in header.all(headers.OLD_FILL):
        types.read_old_fill(fill, datatype.size_bytes)
        fill.padding()
    filters: tuple[Filter, ...] | None = ()
    for message in header.all(headers.FILTERS):
        filters = read_filters(message, what, datatype.size_bytes)
    dataset = Dataset(file.parts, what, datatype, space, filters, file.sizes.chunks)
    for values in dataset.read(header.all(headers.LAYOUT)[0]):
        if datatype.is_variable:
            take_texts(file.heaps, values, what)
    # Keras stores bfloat16 as plain bytes, and says so beside.
    dtype = next(iter(texts.get("dtype", ())), b"") if datatype.name == "V2" else b""
    name = "bfloat16" if dtype == b"bfloat16" else datatype.name
    shape = None if space.shape is None else list(space.shape)
    file.tensors.append({"name": path, "dtype": name, "shape": shape})
