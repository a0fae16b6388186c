"""Merkle trees: the laws, against the definition of RFC 6962 said once more, and known roots."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.merkle import (
    EMPTY,
    EMPTY_ROOT,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

#: The test vectors that implementations of RFC 6962 share: eight leaves, and the root of each
#: beginning.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        *("", "00", "10", "2021", "3031", "40414243"),
        *("5051525354555657", "606162636465666768696a6b6c6d6e6f"),
    )
]
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)

sizes = st.integers(1, 70)


def leaves_of(size: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(size)]


def defined_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1, over hashes of leaves, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = defined_root(leaves[:split]), defined_root(leaves[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def test_known_roots() -> None:
    """The roots of the shared test vectors come out, the empty tree's included."""
    hashes = [leaf_hash(leaf) for leaf in LEAVES]
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert tuple(root_of(hashes[:size]).hex() for size in range(1, 9)) == ROOTS


@given(st.integers(0, 70), st.data())
def test_a_frontier_is_the_tree_however_it_grew(size: int, data: st.DataObject) -> None:
    """Grown at once or in two steps, the root is that of the definition."""
    leaves = leaves_of(size)
    cut = data.draw(st.integers(0, size))
    frontier = EMPTY.grown(leaves[:cut]).grown(leaves[cut:])
    assert frontier == EMPTY.grown(leaves)
    assert frontier.is_sound
    assert frontier.root == defined_root(leaves)


@given(sizes, st.data())
def test_inclusion_holds_for_its_leaf_alone(size: int, data: st.DataObject) -> None:
    """A proof verifies for its leaf, place, size and root, and no longer when one is another."""
    leaves = leaves_of(size)
    index = data.draw(st.integers(0, size - 1))
    root = root_of(leaves)
    path = inclusion_proof(index, size, lambda start, end: defined_root(leaves[start:end]))
    leaf = leaves[index]
    assert verify_inclusion(leaf, index=index, size=size, path=path, root=root)
    assert len(path) <= (size - 1).bit_length()
    other = leaf_hash(b"other")
    assert not verify_inclusion(other, index=index, size=size, path=path, root=root)
    assert not verify_inclusion(leaf, index=index, size=size, path=path, root=other)
    assert not verify_inclusion(leaf, index=index, size=size, path=[*path, other], root=root)
    wrong = data.draw(st.integers(-1, size + 1).filter(lambda n: n != index))
    assert not verify_inclusion(leaf, index=wrong, size=size, path=path, root=root)
    if path:
        assert not verify_inclusion(leaf, index=index, size=size, path=path[:-1], root=root)
        place = data.draw(st.integers(0, len(path) - 1))
        bent = [*path[:place], other, *path[place + 1 :]]
        assert not verify_inclusion(leaf, index=index, size=size, path=bent, root=root)


@given(sizes, st.data())
def test_consistency_holds_for_its_beginning_alone(size: int, data: st.DataObject) -> None:
    """A proof verifies for the roots of both sizes, and no longer when anything is another."""
    leaves = leaves_of(size)
    old = data.draw(st.integers(1, size))
    roots = {"old_root": root_of(leaves[:old]), "new_root": root_of(leaves)}
    path = consistency_proof(old, size, lambda start, end: defined_root(leaves[start:end]))
    assert verify_consistency(old=old, new=size, path=path, **roots)
    other = leaf_hash(b"other")
    for name in roots:
        assert not verify_consistency(old=old, new=size, path=path, **{**roots, name: other})
    assert not verify_consistency(old=old, new=size, path=[*path, other], **roots)
    for place in range(len(path)):
        bent = [*path[:place], other, *path[place + 1 :]]
        assert not verify_consistency(old=old, new=size, path=bent, **roots)
    if old < size:
        assert not verify_consistency(old=old, new=size, path=[], **roots)


@given(sizes)
def test_nothing_is_the_beginning_of_everything(size: int) -> None:
    """The empty tree needs no proof, and no other root passes for it."""
    root = root_of(leaves_of(size))
    assert consistency_proof(0, size, lambda start, end: b"") == []
    assert verify_consistency(old=0, new=size, path=[], old_root=EMPTY_ROOT, new_root=root)
    assert not verify_consistency(old=0, new=size, path=[], old_root=root, new_root=root)


def test_what_is_not_there_has_no_proof() -> None:
    """Places and sizes outside the tree are a caller's mistake."""
    for index, size in ((-1, 3), (3, 3), (0, 0)):
        with pytest.raises(ValueError, match="no leaf"):
            inclusion_proof(index, size, lambda start, end: b"")
    for old, new in ((4, 3), (-1, 3)):
        with pytest.raises(ValueError, match="no beginning"):
            consistency_proof(old, new, lambda start, end: b"")
