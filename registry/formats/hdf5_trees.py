"""Version 1 B-trees: of a group's names, and of a dataset's chunks.

Section III.A.1 of the specification. Nodes of one level know their neighbours; each has keys
before, between and behind its children. Who looks something up goes down by keys, who lists all
goes along the leaves: so both ways have to agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from registry.formats.hdf5_parts import NOWHERE, WIDTH, Part, Parts

Key = TypeVar("Key")
#: A tree of more levels has more than a file can hold.
LEVEL_MAX = 8


class Leaf(NamedTuple, Generic[Key]):
    """What a node of the lowest level leads to, and the keys on both sides of that."""

    address: int
    low: Key
    high: Key


@dataclass(frozen=True)
class Tree(Generic[Key]):
    parts: Parts
    what: str
    #: As each node says it: 0 for names, 1 for chunks.
    kind: int
    #: Children that each node has room for.
    room: int
    key_bytes: int
    read_key: Callable[[Part], Key]

    def leaves(self, root: int) -> Iterator[Leaf[Key]]:
        """From left to right. Whether keys are in order is for the caller to tell."""
        depth, children = self._read_level([root], None, None)
        while depth:
            depth, children = self._read_level([each.address for each in children], children, depth)
        yield from children

    def _read_level(
        self, places: list[int], bounds: list[Leaf[Key]] | None, above: int | None
    ) -> tuple[int, list[Leaf[Key]]]:
        """The nodes of one level, where their parents have them; gives their children."""
        children: list[Leaf[Key]] = []
        around = [NOWHERE, *places, NOWHERE]
        depth = 0
        for index, address in enumerate(places):
            length = 24 + self.room * (self.key_bytes + WIDTH) + self.key_bytes
            node = self.parts.take(address, length, f"{self.what}: tree")
            node.expect(b"TREE" + bytes((self.kind,)), "signature and kind")
            depth, count = node.number(), node.number(2)
            if depth > LEVEL_MAX or (above is not None and depth != above - 1) or count > self.room:
                node.wrong(
                    f"found level {depth} and {count} children, expected {self.room} at most"
                )
            if not count and (depth or above is not None):
                node.wrong("found no children, expected some in all but an empty tree")
            if (node.address(), node.address()) != (around[index], around[index + 2]):
                node.wrong("found other neighbours than its parent has")
            # What follows the last key is room, which HDF5 1.8 did not clear; so is all where there
            # is no child.
            if not count:
                continue
            keys, found = [self.read_key(node)], []
            for _ in range(count):
                found.append(node.address())
                keys.append(self.read_key(node))
            if bounds and (keys[0], keys[-1]) != (bounds[index].low, bounds[index].high):
                node.wrong("found other keys as its first and last than its parent has")
            children += map(Leaf, found, keys, keys[1:])
        return depth, children
