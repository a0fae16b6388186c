"""Where bytes lie. Content-addressed, write-once; nothing above this port knows of files or buckets.

A blob is named by the sha256 of its bytes (64 lower-case hex). Bytes arrive in a *staged* area,
by offset, and become a blob in one step after the store has read all of them back itself.
Implementations turn every foreign failure into `StorageFullError`, `StorageError`,
`CorruptBytesError`, keeping the cause. All methods may be called from many threads.

Nothing may assume one file a blob: family storage and S3 implement the same port. What only some
stores can do is an ability apart (`HasLocalPath`, `CanPresign`): test with isinstance.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, kw_only=True)
class BlobStat:
    sha256: str
    size_bytes: int
    #: Microseconds since the epoch, UTC, when the blob became visible.
    create_time_us: int


@dataclass(frozen=True, kw_only=True)
class StagedStat:
    key: str
    size_bytes: int
    #: Microseconds since the epoch, UTC, of the last append.
    update_time_us: int


class BlobStore(Protocol):
    """Whole blobs by digest, and staged uploads on their way to become one."""

    # -- reading
    def stat(self, sha256: str) -> BlobStat | None:
        """The blob's size, or None where there is none."""

    def open_range(self, sha256: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The bytes [start, start+length) in pieces of at most 1 MB; to the end without `length`.

        The call itself (not the first piece) raises NotFoundError, and RangeNotSatisfiableError
        where start lies past the end. A blob shorter than its record raises CorruptBytesError
        before the last piece. Closing the iterator frees what it holds.
        """

    def verify(self, sha256: str) -> BlobStat:
        """Read the whole blob; raise CorruptBytesError where its bytes no longer match its name."""

    def copy_to(self, sha256: str, path: Path) -> None:
        """Write the blob to a new file at `path` (never a link to our own bytes), and sync it."""

    def list_blobs(self) -> Iterator[BlobStat]:
        """All blobs, in no order. Blobs that come or go meanwhile may or may not be seen."""

    # -- staging
    def append(self, key: str, offset: int, pieces: Iterable[bytes]) -> int:
        """Add bytes at `offset`, which must equal what is staged; return the new size.

        Key: 1-128 of [a-z0-9-]. A new key starts at 0. What arrived before `pieces` raised is
        kept, so that the sender can go on there. Raises OffsetMismatchError.
        """

    def staged(self, key: str) -> StagedStat | None: ...

    def commit(self, key: str, sha256: str, size_bytes: int) -> BlobStat:
        """Make the staged bytes a blob: read them all, compare, sync, publish in one step.

        Returns only when the blob survives a power cut. Repeats safely, also after the staged bytes
        are gone because an equal commit came first. Raises SizeMismatchError (staged bytes kept) or
        DigestMismatchError (staged bytes thrown away).
        """

    def discard(self, key: str) -> None:
        """Throw staged bytes away; a key that is not there is no error."""

    def list_staged(self) -> Iterator[StagedStat]: ...

    # -- removing
    def delete(self, sha256: str) -> None:
        """Remove a blob that nothing refers to; one that is not there is no error."""

    # -- health
    def check(self) -> None:
        """Prove that the store can be written and read right now, or raise."""


@runtime_checkable
class HasLocalPath(Protocol):
    """A store whose blobs are plain files: nginx (X-Accel-Redirect) and jails may read them."""

    def local_path(self, sha256: str) -> Path | None: ...


@runtime_checkable
class CanPresign(Protocol):
    """A store that hands out addresses of its own, so that bytes bypass this process."""

    def presign(self, sha256: str, ttl_s: int) -> str | None: ...
