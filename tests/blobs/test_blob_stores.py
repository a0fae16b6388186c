"""Both stores keep the one contract, and each what is its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.blobs.local import LocalBlobStore
from registry.errors import StorageFullError
from registry.ports.blobs import BlobStore, CanPresign, HasLocalPath
from registry.testing.blobs import MemoryBlobStore
from registry.testing.contracts.blob_samples import ABSENT, put, read, sha256_of
from registry.testing.contracts.blobs import BlobStoreContract


class TestMemoryBlobStore(BlobStoreContract):
    @pytest.fixture
    def store(self) -> MemoryBlobStore:
        return MemoryBlobStore()

    def damage(self, store: BlobStore, sha256: str, data: bytes) -> None:
        assert isinstance(store, MemoryBlobStore)
        store.damage(sha256, data)

    def test_has_no_abilities(self, store: BlobStore) -> None:
        """Whoever is tested on memory cannot come to need paths or addresses."""
        assert not isinstance(store, HasLocalPath)
        assert not isinstance(store, CanPresign)

    def test_can_be_full(self) -> None:
        """A store with a capacity keeps what fits, says that it is full, and goes on with room."""
        store = MemoryBlobStore(capacity_bytes=10)
        store.check()
        first = put(store, b"abcd")
        with pytest.raises(StorageFullError):
            store.append("key", 0, [b"0123", b"4567"])
        with pytest.raises(StorageFullError):
            store.check()
        found = store.staged("key")
        assert found is not None
        assert found.size_bytes == 6
        store.delete(first)
        assert store.append("key", 6, [b"67"]) == 8
        assert read(store, store.commit("key", sha256_of(b"01234567"), 8).sha256) == b"01234567"

    def test_is_dated_by_its_clock(self) -> None:
        """Times come from the clock that was given."""
        times = iter(range(100, 200))
        store = MemoryBlobStore(now_us=lambda: next(times))
        store.append("key", 0, [b"abc"])
        found = store.staged("key")
        assert found is not None
        assert store.commit("key", sha256_of(b"abc"), 3).create_time_us > found.update_time_us


class TestLocalBlobStore(BlobStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> LocalBlobStore:
        return LocalBlobStore(tmp_path / "store")

    def damage(self, store: BlobStore, sha256: str, data: bytes) -> None:
        assert isinstance(store, LocalBlobStore)
        path = store.local_path(sha256)
        assert path is not None
        path.chmod(0o644)
        path.write_bytes(data)

    def test_has_a_local_path(self, store: LocalBlobStore) -> None:
        """A blob's path leads to its bytes, unwritable; an unknown blob has none."""
        assert isinstance(store, HasLocalPath)
        assert not isinstance(store, CanPresign)
        path = store.local_path(put(store, b"abc"))
        assert path is not None
        assert path.read_bytes() == b"abc"
        assert path.stat().st_mode & 0o777 == 0o444
        assert store.local_path(ABSENT) is None
