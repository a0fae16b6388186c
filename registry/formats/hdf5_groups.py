"""Groups: what each name leads to.

Symbol tables: sections III.A.1, III.B, III.C of the specification, and IV.A.2.r. Link messages:
IV.A.2.c and IV.A.2.g.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from registry.formats.hdf5_headers import (
    GROUP_INFO,
    LINK,
    LINK_INFO,
    SYMBOL_TABLE,
    Header,
    check_storage,
)
from registry.formats.hdf5_heaps import LocalHeap
from registry.formats.hdf5_parts import WIDTH, Part, Parts
from registry.formats.hdf5_rules import LINK as STRAIGHT
from registry.formats.hdf5_rules import NAME, said
from registry.formats.hdf5_trees import Tree
from registry.formats.look import quoted

_ENTRY_BYTES = 40
_HARD, _SOFT, _EXTERNAL = 0, 1, 64
_KINDS = {_SOFT: "a soft link", _EXTERNAL: "an external link"}


class Table(NamedTuple):
    """Where the symbol table of a group lies."""

    tree: int
    heap: int


class Child(NamedTuple):
    name: str
    address: int
    #: What the link says of the group that it leads to; readers may take either's word.
    table: Table | None = None


@dataclass(frozen=True)
class Sizes:
    """Half of what a leaf, an inner node of a group's tree, and a node of chunks have room for."""

    leaf: int = 4
    inner: int = 16
    chunks: int = 32


def read_entry(entry: Part) -> tuple[int, int, int, Table]:
    """Of a symbol table: the name's place, the object's, the link's kind, and its scratch pad."""
    name, address, kind = entry.address(), entry.address(), entry.number(4)
    entry.padding(4)
    table = Table(entry.address(), entry.address())
    if kind == 0 and table != (0, 0):
        entry.wrong("found a scratch pad, expected none for this kind of entry")
    return name, address, kind, table


def table_of(header: Header) -> Table | None:
    for message in header.all(SYMBOL_TABLE):
        # Asked for twice.
        message.read = 0
        table = Table(message.address(), message.address())
        message.ended()
        return table
    return None


def read_group(parts: Parts, header: Header, sizes: Sizes, what: str) -> list[Child]:
    """All links of a group. Those that lead elsewhere are refused, and left out."""
    table = table_of(header)
    found = _SymbolTable(parts, table, sizes, what).read() if table else []
    for message in header.all(LINK_INFO):
        check_storage(message, 8, "links")
    for message in header.all(GROUP_INFO):
        _check_group_info(message)
    for message in header.all(LINK):
        child = _read_link(message)
        if child is not None:
            found.append(child)
    names = [child.name for child in found]
    if len(set(names)) != len(names):
        parts.look.refuse(NAME, f"{what}: found two links of one name", offset=header.address)
    return found


def text_of(part: Part, name: bytes, *, is_step: bool = True) -> str:
    """A name as a text. Readers take that of an object for a path, so it is a step of one."""
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    is_wrong = is_step and ("/" in text or text in (".", ".."))
    if is_wrong or not text or not text.isprintable():
        part.look.stop(
            NAME,
            f"{part.what}: found name {said(name)}, expected UTF-8 without control characters, "
            f"and no slash in an object's",
            offset=part.at,
        )
    return text


class _SymbolTable:
    """A version 1 B-tree whose leaves list names in order, and the heap that has the names."""

    def __init__(self, parts: Parts, table: Table, sizes: Sizes, what: str) -> None:
        self._parts = parts
        self._heap = LocalHeap(parts, table.heap, f"{what}: names")
        self._table = table
        self._sizes = sizes
        self._what = what
        self._children: list[Child] = []
        self._last = b""

    def read(self) -> list[Child]:
        tree = Tree(self._parts, self._what, 0, 2 * self._sizes.inner, WIDTH, Part.address)
        for leaf in tree.leaves(self._table.tree):
            self._read_leaf(leaf.address, self._heap.name(leaf.low), self._heap.name(leaf.high))
        self._heap.check_unused()
        return self._children

    def _read_leaf(self, address: int, low: bytes, high: bytes) -> None:
        length = 8 + 2 * self._sizes.leaf * _ENTRY_BYTES
        leaf = self._parts.take(address, length, f"{self._what}: links")
        leaf.expect(b"SNOD\x01\0", "signature and version")
        count = leaf.number(2)
        if count > 2 * self._sizes.leaf:
            leaf.wrong(f"found {count} links, expected {2 * self._sizes.leaf} at most")
        for _ in range(count):
            self._add(leaf.part(_ENTRY_BYTES, leaf.what), low, high)
        leaf.padding()

    def _add(self, entry: Part, low: bytes, high: bytes) -> None:
        offset, address, kind, table = read_entry(entry)
        name = self._heap.name(offset)
        # Who looks a name up goes by the order that who lists them all does not look at.
        if not max(self._last, low) < name <= high:
            entry.wrong(f"found {said(name)}, expected names in order, and where the tree says")
        self._last = name
        text = text_of(entry, name)
        if kind > 1:
            found = _KINDS[_SOFT] if kind == 2 else f"a link of kind {kind}"
            entry.look.refuse(
                STRAIGHT, f"{self._what}: found {quoted(text)}, {found}", offset=entry.at
            )
            # Where a soft link leads is a name of the heap, too.
            if kind == 2:
                self._heap.name(table.tree & 0xFFFFFFFF)
            return
        self._children.append(Child(text, address, table if kind else None))


def _check_group_info(message: Part) -> None:
    message.expect(b"\0", "version")
    flags = message.number()
    if flags > 3:
        message.wrong(f"found flags {flags:#x}")
    message.take(4 * flags.bit_count())
    message.padding()


def _read_link(message: Part) -> Child | None:
    message.expect(b"\x01", "version")
    flags = message.number()
    if flags & 0xE0:
        message.wrong(f"found flags {flags:#x}")
    kind = message.number() if flags & 0x08 else _HARD
    if flags & 0x04:
        message.number(8)
    if flags & 0x10 and message.number() > 1:
        message.wrong("found a name that is neither ASCII nor UTF-8")
    length = message.number(1 << (flags & 3))
    name = text_of(message, message.take(min(length, message.left)))
    if kind != _HARD:
        found = _KINDS.get(kind, f"a link of kind {kind}")
        message.look.refuse(
            STRAIGHT, f"{message.what}: found {quoted(name)}, {found}", offset=message.at
        )
        return None
    address = message.address()
    message.padding()
    return Child(name, address)
