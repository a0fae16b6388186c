"""Large files are read back while they come: the digest is still that of what lies on the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.blobs import reading_back
from registry.blobs.local import LocalBlobStore
from registry.blobs.reading_back import FILES_MAX, FOLLOWED_BYTES_MIN
from registry.errors import DigestMismatchError, StorageError
from registry.ports.blobs import PIECE_BYTES, BlobStore
from registry.testing.contracts.blob_samples import read, sha256_of
from registry.testing.contracts.blobs import BlobStoreContract

LARGE = os.urandom(3 * FOLLOWED_BYTES_MIN + 12345)
SHA256 = sha256_of(LARGE)


def pieces(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), PIECE_BYTES):
        yield data[start : start + PIECE_BYTES]


def open_files(root: Path) -> list[str]:
    """Files of the store that this process holds open."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            path = os.readlink(f"/proc/self/fd/{fd}")
        except FileNotFoundError:
            continue
        if path.startswith(f"{root}/"):
            found.append(path)
    return found


@pytest.fixture
def store(tmp_path: Path) -> LocalBlobStore:
    return LocalBlobStore(tmp_path)


class TestReadingBackFromTheStart(BlobStoreContract):
    """The whole contract once more, with files of a few bytes read back early."""

    @pytest.fixture
    def store(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalBlobStore:
        monkeypatch.setattr(reading_back, "FOLLOWED_BYTES_MIN", 2)
        return LocalBlobStore(tmp_path / "store")

    def damage(self, store: BlobStore, sha256: str, data: bytes) -> None:
        assert isinstance(store, LocalBlobStore)
        path = store.local_path(sha256)
        assert path is not None
        path.chmod(0o644)
        path.write_bytes(data)


def test_a_large_file_becomes_a_blob(store: LocalBlobStore, tmp_path: Path) -> None:
    """What was read back early and what was not make one digest, and nothing stays open."""
    store.append("key", 0, pieces(LARGE))
    store.commit("key", SHA256, len(LARGE))
    assert read(store, SHA256) == LARGE
    assert open_files(tmp_path) == []


@pytest.mark.parametrize("place", [0, FOLLOWED_BYTES_MIN, len(LARGE) - 1])
def test_a_wrong_byte_anywhere_is_found(store: LocalBlobStore, place: int) -> None:
    """Bytes other than announced are refused, wherever they lie."""
    wrong = bytearray(LARGE)
    wrong[place] ^= 1
    store.append("key", 0, pieces(bytes(wrong)))
    with pytest.raises(DigestMismatchError):
        store.commit("key", SHA256, len(LARGE))
    assert store.staged("key") is None


def test_a_cut_sender_goes_on(store: LocalBlobStore) -> None:
    """A file that came in several appends, cut and whole, has the right digest."""
    end = 0
    for cut in (FOLLOWED_BYTES_MIN + 7, 2 * FOLLOWED_BYTES_MIN, len(LARGE)):

        def broken(start: int = end, stop: int = cut) -> Iterator[bytes]:
            yield from pieces(LARGE[start:stop])
            raise ConnectionResetError("the sender went away")

        with pytest.raises(ConnectionResetError):
            store.append("key", end, broken())
        end = cut
    store.commit("key", SHA256, len(LARGE))
    assert read(store, SHA256) == LARGE


@pytest.mark.slow
def test_another_process_may_replace_the_file(store: LocalBlobStore, tmp_path: Path) -> None:
    """What was read of a file that is gone is never taken for its successor's bytes."""
    other = LocalBlobStore(tmp_path)
    half = 2 * FOLLOWED_BYTES_MIN
    store.append("key", 0, pieces(bytes(half)))
    other.discard("key")
    other.append("key", 0, pieces(LARGE[:half]))
    store.append("key", half, pieces(LARGE[half:]))
    store.commit("key", SHA256, len(LARGE))
    assert read(store, SHA256) == LARGE
    store.append("key", 0, pieces(LARGE[:half]))
    other.discard("key")
    other.append("key", 0, pieces(LARGE[half:] + LARGE[:half]))
    with pytest.raises(DigestMismatchError):
        store.commit("key", SHA256, len(LARGE))


def test_a_discarded_file_is_let_go(store: LocalBlobStore, tmp_path: Path) -> None:
    """Its room on the disk is free at once."""
    store.append("key", 0, pieces(LARGE))
    store.discard("key")
    assert open_files(tmp_path) == []


def test_a_forgotten_file_is_let_go(
    store: LocalBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sender that never comes back holds nothing for ever: the next check sees to it."""
    store.append("key", 0, pieces(LARGE))
    monkeypatch.setattr(reading_back, "IDLE_S", -1.0)
    store.check()
    assert open_files(tmp_path) == []
    store.commit("key", SHA256, len(LARGE))
    assert read(store, SHA256) == LARGE


@pytest.mark.slow
def test_many_senders_at_once_open_few_files(store: LocalBlobStore, tmp_path: Path) -> None:
    """Beyond a bound files are read when they are committed, as small ones are."""
    data = LARGE[: FOLLOWED_BYTES_MIN + 1]
    keys = [f"key-{number}" for number in range(FILES_MAX + 2)]
    for key in keys:
        store.append(key, 0, pieces(data))
    assert len(open_files(tmp_path)) == FILES_MAX
    for key in keys:
        store.commit(key, sha256_of(data), len(data))
    assert open_files(tmp_path) == []


def test_a_read_that_fails_is_told_by_the_commit(
    store: LocalBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that cannot be read is no digest mismatch, keeps the bytes, and may be retried."""
    with monkeypatch.context() as failing:

        def fail(*args: object) -> int:
            raise OSError(5, "Input/output error")

        failing.setattr(os, "preadv", fail)
        store.append("key", 0, pieces(LARGE))
        with pytest.raises(StorageError, match="EIO"):
            store.commit("key", SHA256, len(LARGE))
    store.commit("key", SHA256, len(LARGE))
    assert read(store, SHA256) == LARGE
