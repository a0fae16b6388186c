"""Merkle trees of RFC 6962, section 2.1: one root for a list of leaves, and proofs about it.

Leaves and inner nodes are hashed with different first bytes, so that none passes for the other. A
proof is as long as the tree is deep, and is checked with nothing but hashes.

Laws, for every list of leaves and every prefix of it: `Frontier` grown leaf by leaf has the root
that the definition gives; an inclusion proof verifies for its leaf at its place and for no other; a
consistency proof verifies for the root of the prefix and for no other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

#: The root of a part of the leaves, from `start` up to, not including, `end`.
RootOf = Callable[[int, int], bytes]

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, kw_only=True)
class Frontier:
    """All of a tree that its growth depends on: the roots of its largest perfect parts, from left
    to right, one for each bit of `size` that is set."""

    size: int
    roots: tuple[bytes, ...]

    def grown(self, leaves: Iterable[bytes]) -> Frontier:
        """With leaves behind the last one, given by their hashes; about one hash more for each."""
        size, roots = self.size, list(self.roots)
        for leaf in leaves:
            node, odd = leaf, size
            while odd & 1:
                node = node_hash(roots.pop(), node)
                odd >>= 1
            roots.append(node)
            size += 1
        return Frontier(size=size, roots=tuple(roots))

    @property
    def root(self) -> bytes:
        if not self.roots:
            return EMPTY_ROOT
        node = self.roots[-1]
        for left in reversed(self.roots[:-1]):
            node = node_hash(left, node)
        return node

    @property
    def is_sound(self) -> bool:
        """Whether it can be the frontier of any tree: one root a bit."""
        return self.size >= 0 and len(self.roots) == self.size.bit_count()


EMPTY = Frontier(size=0, roots=())


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over leaves, given by their hashes."""
    return EMPTY.grown(leaves).root


def inclusion_proof(index: int, size: int, root_of: RootOf) -> list[bytes]:
    """Shows that the leaf at `index` is one of the first `size` (RFC 6962, 2.1.1), leaf upwards.

    `root_of` is asked for parts that together are all leaves but that one.
    """
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} among {size}")
    start, end = 0, size
    path: list[bytes] = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(root_of(middle, end))
            end = middle
        else:
            path.append(root_of(start, middle))
            start = middle
    return path[::-1]


def consistency_proof(old: int, new: int, root_of: RootOf) -> list[bytes]:
    """Shows that the first `old` leaves of `new` are unchanged (RFC 6962, 2.1.2)."""
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} has no beginning of {old}")
    if old in (0, new):
        return []
    start, end = 0, new
    path: list[bytes] = []
    whole = True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(root_of(middle, end))
            end = middle
        else:
            path.append(root_of(start, middle))
            start = middle
            whole = False
    if not whole:
        path.append(root_of(start, end))
    return path[::-1]


def verify_inclusion(
    leaf: bytes, *, index: int, size: int, path: Sequence[bytes], root: bytes
) -> bool:
    """Whether the path shows the leaf (its hash) at `index` of the tree of `size` with this root
    (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    place, last, node = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        is_right = place & 1 or place == last
        node = node_hash(sibling, node) if is_right else node_hash(node, sibling)
        place, last = _above(place, last)
    return last == 0 and node == root


def verify_consistency(
    *, old: int, new: int, path: Sequence[bytes], old_root: bytes, new_root: bytes
) -> bool:
    """Whether the path shows that the tree of `old` leaves is the beginning of that of `new`
    (RFC 9162, 2.1.4.2). Nothing is a beginning of everything."""
    if not 0 <= old <= new:
        return False
    if old == 0:
        return not path and old_root == EMPTY_ROOT
    if old == new:
        return not path and old_root == new_root
    # A beginning that is one perfect part is a node of its own, and is not told again.
    nodes = [old_root, *path] if old & (old - 1) == 0 else list(path)
    return bool(nodes) and _roots_along(nodes, old=old, new=new) == (old_root, new_root)


def _roots_along(nodes: Sequence[bytes], *, old: int, new: int) -> tuple[bytes, bytes] | None:
    """The roots of both trees by a consistency proof; None where it is longer or shorter than such
    a proof is."""
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old_node = new_node = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            return None
        if place & 1 or place == last:
            old_node, new_node = node_hash(node, old_node), node_hash(node, new_node)
        else:
            new_node = node_hash(new_node, node)
        place, last = _above(place, last)
    return (old_node, new_node) if last == 0 else None


def _above(place: int, last: int) -> tuple[int, int]:
    """Places one level up, of a node and of the last one; a last node without a sibling is carried
    up as it is, over as many levels as it has none."""
    if not place & 1 and place == last:
        while not place & 1 and place:
            place, last = place >> 1, last >> 1
    return place >> 1, last >> 1


def _split(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << ((count - 1).bit_length() - 1)
