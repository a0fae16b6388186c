"""A complete BlobStore in memory: the same contract, no disk, for tests of what stands above."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import RLock

from registry.blobs.rules import (
    blob_named,
    check_key,
    check_offset,
    check_size,
    damaged,
    no_blob,
    span,
    upload_named,
)
from registry.errors import (
    AlreadyExistsError,
    DigestMismatchError,
    OffsetMismatchError,
    StorageError,
    StorageFullError,
)
from registry.names import check_sha256
from registry.ports.blobs import PIECE_BYTES, BlobStat, Pieces, StagedStat

_STORE = "blob store in memory"


def _now_us() -> int:
    return time.time_ns() // 1000


class MemoryBlobStore:
    """A BlobStore that forgets all with its process; takes `capacity_bytes`, staged bytes included.

    Has neither a local path nor addresses of its own, so that nothing above comes to need them.
    `now_us` dates what is written.
    """

    def __init__(
        self, *, capacity_bytes: int | None = None, now_us: Callable[[], int] = _now_us
    ) -> None:
        self.capacity_bytes = capacity_bytes
        self._now_us = now_us
        self._lock = RLock()
        self._blobs: dict[str, tuple[bytes, int]] = {}
        self._staged: dict[str, tuple[bytearray, int]] = {}

    def damage(self, sha256: str, data: bytes) -> None:
        """Put other bytes in a blob's place, as a failing disk would."""
        with self._lock:
            _, create_time_us = self._blobs[sha256]
            self._blobs[sha256] = (data, create_time_us)

    # -- reading

    def stat(self, sha256: str) -> BlobStat | None:
        check_sha256(sha256)
        with self._lock:
            found = self._blobs.get(sha256)
        if found is None:
            return None
        data, create_time_us = found
        return BlobStat(sha256=sha256, size_bytes=len(data), create_time_us=create_time_us)

    def open_range(
        self,
        sha256: str,
        start: int = 0,
        length: int | None = None,
        *,
        size_bytes: int | None = None,
    ) -> Pieces:
        data = self._read(sha256)
        start, end = span(sha256, start, length, stored_bytes=len(data), size_bytes=size_bytes)
        offsets = range(start, end, PIECE_BYTES)
        return (data[offset : min(offset + PIECE_BYTES, end)] for offset in offsets)

    def verify(self, sha256: str) -> BlobStat:
        with self._lock:
            data = self._read(sha256)
            _, create_time_us = self._blobs[sha256]
        digest = hashlib.sha256(data).hexdigest()
        if digest != sha256:
            raise damaged(sha256, found=digest)
        return BlobStat(sha256=sha256, size_bytes=len(data), create_time_us=create_time_us)

    def copy_to(self, sha256: str, path: Path) -> None:
        data = self._read(sha256)
        try:
            with path.open("xb") as file:
                file.write(data)
        except FileExistsError as error:
            fix = "Choose a path where nothing is."
            raise AlreadyExistsError(
                kind="file", name=str(path), existing="something else", fix=fix
            ) from error
        except OSError as error:
            what = f"A copy of {blob_named(sha256)} to {path}"
            raise StorageError(what=what, store=_STORE, cause=str(error)) from error

    def list_blobs(self) -> Iterator[BlobStat]:
        with self._lock:
            known = list(self._blobs)
        return (found for found in map(self.stat, known) if found is not None)

    def _read(self, sha256: str) -> bytes:
        check_sha256(sha256)
        with self._lock:
            if sha256 not in self._blobs:
                raise no_blob(sha256)
            return self._blobs[sha256][0]

    # -- staging

    def append(self, key: str, offset: int, pieces: Iterable[bytes]) -> int:
        check_key(key)
        with self._lock:
            if key not in self._staged:
                check_offset(key, stored_bytes=0, offset=offset)
                self._staged[key] = (bytearray(), self._now_us())
        end = self._grow(key, offset, b"")
        for piece in pieces:
            end = self._grow(key, end, piece)
        return end

    def _grow(self, key: str, offset: int, piece: bytes) -> int:
        with self._lock:
            if key not in self._staged:
                raise OffsetMismatchError(what=upload_named(key), stored=0, offset=offset)
            data, _ = self._staged[key]
            check_offset(key, stored_bytes=len(data), offset=offset)
            fits = piece[: self._room_bytes()]
            data += fits
            self._staged[key] = (data, self._now_us())
            if len(fits) < len(piece):
                cause = f"it takes {self.capacity_bytes} bytes"
                raise StorageFullError(what=upload_named(key), store=_STORE, cause=cause)
            return len(data)

    def _room_bytes(self) -> int | None:
        if self.capacity_bytes is None:
            return None
        holders = (*self._blobs.values(), *self._staged.values())
        return max(0, self.capacity_bytes - sum(len(data) for data, _ in holders))

    def staged(self, key: str) -> StagedStat | None:
        check_key(key)
        with self._lock:
            if key not in self._staged:
                return None
            data, update_time_us = self._staged[key]
            return StagedStat(key=key, size_bytes=len(data), update_time_us=update_time_us)

    def list_staged(self) -> Iterator[StagedStat]:
        with self._lock:
            known = list(self._staged)
        return (found for found in map(self.staged, known) if found is not None)

    def discard(self, key: str) -> None:
        check_key(key)
        with self._lock:
            self._staged.pop(key, None)

    def commit(self, key: str, sha256: str, size_bytes: int) -> BlobStat:
        check_key(key)
        check_sha256(sha256)
        with self._lock:
            staged = self._staged.get(key)
            earlier = self._blobs.get(sha256)
            if staged is None and earlier is not None and len(earlier[0]) == size_bytes:
                return self._publish(sha256, earlier[0])
            data = b"" if staged is None else bytes(staged[0])
            check_size(key, staged_bytes=len(data), size_bytes=size_bytes)
            self._staged.pop(key, None)
            found = hashlib.sha256(data).hexdigest()
            if found != sha256:
                raise DigestMismatchError(what=upload_named(key), found=found, expected=sha256)
            return self._publish(sha256, data)

    def _publish(self, sha256: str, data: bytes) -> BlobStat:
        now_us = self._now_us()
        self._blobs[sha256] = (data, now_us)
        return BlobStat(sha256=sha256, size_bytes=len(data), create_time_us=now_us)

    # -- removing

    def delete(self, sha256: str, *, older_than_us: int | None = None) -> bool:
        check_sha256(sha256)
        with self._lock:
            found = self._blobs.get(sha256)
            if found is None or (older_than_us is not None and found[1] >= older_than_us):
                return False
            del self._blobs[sha256]
            return True

    # -- health

    def check(self) -> None:
        with self._lock:
            if self._room_bytes() == 0:
                what = f"Checking the {_STORE}"
                cause = f"it takes {self.capacity_bytes} bytes"
                raise StorageFullError(what=what, store=_STORE, cause=cause)
