"""What is the local store's own: files on disk, and what others may do to them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from registry.blobs.local import LocalBlobStore
from registry.errors import (
    AlreadyExistsError,
    CorruptBytesError,
    DigestMismatchError,
    HallmarkError,
    NotFoundError,
    OffsetMismatchError,
    RangeNotSatisfiableError,
    StorageError,
)
from registry.ports.blobs import PIECE_BYTES
from registry.testing.contracts.blob_samples import ABSENT, LONG, put, read, sha256_of

ABC = sha256_of(b"abc")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "far" / "store"


@pytest.fixture
def store(root: Path) -> LocalBlobStore:
    return LocalBlobStore(root)


def blob_path(root: Path, sha256: str) -> Path:
    return root / "blobs" / sha256[:2] / sha256[2:4] / sha256


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def open_descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def test_making_an_instance_touches_nothing(store: LocalBlobStore, root: Path) -> None:
    """Neither an instance nor any reading makes a folder."""
    assert store.stat(ABC) is None
    assert store.staged("key") is None
    assert list(store.list_blobs()) == []
    assert list(store.list_staged()) == []
    assert not store.delete(ABC)
    store.discard("key")
    assert not root.parent.exists()


def test_check_makes_a_store_closed_to_others(store: LocalBlobStore, root: Path) -> None:
    """A new store is its owner's alone: what is in quarantine lies there too."""
    store.check()
    assert sorted(path.name for path in root.iterdir()) == ["blobs", "staging"]
    assert root.stat().st_mode & 0o077 == 0


def test_lays_files_as_documented(store: LocalBlobStore, root: Path) -> None:
    """Blobs lie at blobs/ab/cd/<sha256>, staged bytes at staging/<key>, and nothing else."""
    put(store, b"abc")
    store.append("key", 0, [b"x"])
    assert files_below(root) == {f"blobs/ba/78/{ABC}", "staging/key"}


def test_a_root_behind_a_link_is_fine(root: Path, tmp_path: Path) -> None:
    """An operator may put the whole store elsewhere and leave a link."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    assert read(LocalBlobStore(tmp_path / "link"), put(LocalBlobStore(tmp_path / "link"), LONG))


@pytest.mark.parametrize("linked", ["blobs", "blobs/ba", "blobs/ba/78", "staging"])
def test_follows_no_link_to_a_folder(
    store: LocalBlobStore, root: Path, tmp_path: Path, linked: str
) -> None:
    """A link in place of one of the store's folders stops all work there; its target is safe."""
    put(store, b"abc")
    folder = root / linked
    target = tmp_path / "target"
    folder.rename(target)
    folder.symlink_to(target)
    before = files_below(target)
    with pytest.raises(StorageError, match="follows no links"):
        put(store, b"abc")
    assert files_below(target) == before


def test_writes_through_no_link(store: LocalBlobStore, root: Path, tmp_path: Path) -> None:
    """A link with the name of a key is neither read nor written through."""
    store.check()
    target = tmp_path / "target"
    target.write_bytes(b"abc")
    (root / "staging" / "key").symlink_to(target)
    for offset in (0, 3):
        with pytest.raises(StorageError, match="follows no links"):
            store.append("key", offset, [b"x"])
    with pytest.raises(StorageError, match="follows no links"):
        store.commit("key", ABC, 3)
    assert store.staged("key") is None
    assert target.read_bytes() == b"abc"


def test_a_link_is_no_blob(store: LocalBlobStore, root: Path, tmp_path: Path) -> None:
    """A link with the name of a blob is not there for readers, and a commit takes its place."""
    put(store, b"abc")
    target = tmp_path / "target"
    target.write_bytes(b"secret")
    path = blob_path(root, ABC)
    path.unlink()
    path.symlink_to(target)
    assert store.stat(ABC) is None
    assert store.local_path(ABC) is None
    assert list(store.list_blobs()) == []
    with pytest.raises(NotFoundError):
        store.open_range(ABC)
    put(store, b"abc")
    assert read(store, ABC) == b"abc"
    assert target.read_bytes() == b"secret"


def test_a_folder_in_the_place_of_a_blob_is_told(store: LocalBlobStore, root: Path) -> None:
    """What cannot be replaced by a rename is an error, and the staged bytes stay."""
    blob_path(root, ABC).mkdir(parents=True)
    store.append("key", 0, [b"abc"])
    with pytest.raises(StorageError, match="EISDIR"):
        store.commit("key", ABC, 3)
    blob_path(root, ABC).rmdir()
    assert store.commit("key", ABC, 3).size_bytes == 3


def test_lists_only_its_own(store: LocalBlobStore, root: Path) -> None:
    """Strange names, and blobs in a folder where no reader looks, are no blobs and no keys."""
    put(store, b"abc")
    store.append("key", 0, [b"x"])
    for strange in (
        f"blobs/ab/cd/{ABC}",
        f"blobs/ba/78/{ABC}.part",
        "blobs/ba/78/note",
        "blobs/README",
        "blobs/zz/78/x",
        "staging/.hidden",
        "staging/Key",
    ):
        path = root / strange
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"strange")
    assert [found.sha256 for found in store.list_blobs()] == [ABC]
    assert [found.key for found in store.list_staged()] == ["key"]


def test_finds_a_blob_cut_while_it_is_read(store: LocalBlobStore, root: Path) -> None:
    """A file that shrinks under a reader ends in an error, not in an early end."""
    sha256 = put(store, LONG)
    pieces = store.open_range(sha256)
    received = next(pieces)
    path = blob_path(root, sha256)
    path.chmod(0o644)
    os.truncate(path, PIECE_BYTES + 7)
    received += next(pieces)
    with pytest.raises(CorruptBytesError, match=f"{PIECE_BYTES + 7} of {len(LONG)} bytes"):
        next(pieces)
    assert received == LONG[: PIECE_BYTES + 7]
    assert list(pieces) == []


def test_reads_on_while_a_blob_goes(store: LocalBlobStore) -> None:
    """Whoever has begun to read a blob reads it to its end, deleted or sent again meanwhile."""
    sha256 = put(store, LONG)
    deleted, replaced = store.open_range(sha256), store.open_range(sha256)
    assert store.delete(sha256)
    assert b"".join(deleted) == LONG
    put(store, LONG)
    assert b"".join(replaced) == LONG


def test_resumes_what_an_earlier_process_staged(root: Path) -> None:
    """The disk alone knows what is staged: another instance goes on there."""
    LocalBlobStore(root).append("key", 0, [b"ab"])
    later = LocalBlobStore(root)
    assert [(found.key, found.size_bytes) for found in later.list_staged()] == [("key", 2)]
    later.append("key", 2, [b"c"])
    assert later.commit("key", ABC, 3).sha256 == ABC


def test_finds_what_a_power_cut_did_to_staged_bytes(store: LocalBlobStore, root: Path) -> None:
    """Staged bytes that came back as zeros are found by the commit and thrown away."""
    store.append("key", 0, [LONG])
    with (root / "staging" / "key").open("r+b") as file:
        file.seek(PIECE_BYTES)
        file.write(bytes(4096))
    with pytest.raises(DigestMismatchError):
        store.commit("key", sha256_of(LONG), len(LONG))
    assert files_below(root) == set()


def test_copies_nothing_into_a_folder_that_is_not_there(
    store: LocalBlobStore, tmp_path: Path
) -> None:
    """A copy to where nothing can be written says so and names the path."""
    sha256 = put(store, b"abc")
    with pytest.raises(StorageError, match="nowhere"):
        store.copy_to(sha256, tmp_path / "nowhere" / "copy")


def test_leaves_no_descriptor_open(store: LocalBlobStore, tmp_path: Path) -> None:
    """Success, refusal, half-read ranges and forgotten ones all give their files back."""

    def broken() -> Iterator[bytes]:
        yield b"x"
        raise ConnectionResetError

    sha256 = put(store, LONG)
    taken = tmp_path / "taken"
    taken.touch()
    before = open_descriptors()
    store.check()
    store.verify(sha256)
    store.copy_to(sha256, tmp_path / "copy")
    list(store.open_range(sha256))
    store.open_range(sha256).close()
    next(store.open_range(sha256))
    with pytest.raises(ConnectionResetError):
        store.append("key", 0, broken())
    refusals: list[tuple[type[HallmarkError], Callable[[], object]]] = [
        (OffsetMismatchError, lambda: store.append("key", 9, [])),
        (OffsetMismatchError, lambda: store.append("new", 9, [])),
        (DigestMismatchError, lambda: store.commit("key", ABC, 1)),
        (NotFoundError, lambda: store.open_range(ABSENT)),
        (RangeNotSatisfiableError, lambda: store.open_range(sha256, -1)),
        (CorruptBytesError, lambda: store.open_range(sha256, size_bytes=1)),
        (AlreadyExistsError, lambda: store.copy_to(sha256, taken)),
    ]
    for error, call in refusals:
        with pytest.raises(error):
            call()
    assert open_descriptors() == before
