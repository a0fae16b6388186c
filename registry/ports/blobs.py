"""Where bytes lie. Content-addressed, write-once; nothing above knows of files or buckets.

A blob is named by the sha256 of its bytes (64 lower-case hex). Bytes arrive in a *staged* area,
by offset, and become a blob in one step after the store has read all of them back itself.
Implementations turn every foreign failure into `StorageFullError`, `StorageError`,
`CorruptBytesError`, keeping the cause. All methods may be called from many threads.

Nothing may assume one file a blob: family storage and S3 implement the same port. What only some
stores can do is an ability apart (`HasLocalPath`, `CanPresign`): test with isinstance.

A malformed key or digest is an InvalidFieldError everywhere, before anything is touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

#: The most that a store hands out at once, and a good size to hand it pieces in.
PIECE_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class BlobStat:
    sha256: str
    size_bytes: int
    #: Microseconds since the epoch, UTC, when the latest commit of these bytes was published.
    create_time_us: int


@dataclass(frozen=True, kw_only=True)
class StagedStat:
    key: str
    size_bytes: int
    #: Microseconds since the epoch, UTC, of the last append.
    update_time_us: int


class Pieces(Iterator[bytes], Protocol):
    """Bytes of one blob in order, in pieces of 1 byte to 1 MB. May be closed from any thread.

    Closing frees what it holds, repeats safely and ends the iteration; reading to the end or an
    error closes too. Threads may take turns to ask for the next piece, not ask at the same time.
    """

    def close(self) -> None: ...


class BlobStore(Protocol):
    """Whole blobs by digest, and staged uploads on their way to become one."""

    # -- reading
    def stat(self, sha256: str) -> BlobStat | None:
        """The blob's size, or None where there is none."""

    def open_range(
        self,
        sha256: str,
        start: int = 0,
        length: int | None = None,
        *,
        size_bytes: int | None = None,
    ) -> Pieces:
        """The bytes [start, start+length) in pieces of at most 1 MB; to the end without `length`.

        As with a slice, a range that reaches past the end stops there, and start == size is the
        empty range. The call itself (not the first piece) raises NotFoundError, and
        RangeNotSatisfiableError where start lies past the end or a number is negative.

        `size_bytes` is what the caller's record says: a store may know no size but that of what
        lies there, so only with it is a blob cut short (or grown) told as CorruptBytesError, by
        the call itself. A blob that shrinks while it is read raises it before the last piece.
        """

    def verify(self, sha256: str) -> BlobStat:
        """Read the whole blob; raise CorruptBytesError where its bytes no longer match its name."""

    def copy_to(self, sha256: str, path: Path) -> None:
        """Write the blob to a new file at `path` (never a link to our own bytes), and sync it.

        Raises AlreadyExistsError where something is at `path`; a failed copy leaves nothing there.
        """

    def list_blobs(self) -> Iterator[BlobStat]:
        """All blobs, in no order. Blobs that come or go meanwhile may or may not be seen."""

    # -- staging
    def append(self, key: str, offset: int, pieces: Iterable[bytes]) -> int:
        """Add bytes at `offset`, which must equal what is staged; return the new size.

        Key: 1-128 of [a-z0-9-]. A new key starts at 0, and exists from then on even without bytes.
        What arrived before `pieces` raised, or before the store was full, is kept, so that the
        sender can go on there. Raises OffsetMismatchError.

        A slow sender holds nothing up: the offset is compared again before each piece, so when a
        second sender goes on at the stored size, the first one gets OffsetMismatchError for its
        next piece. No byte is ever written over another, whoever sends it.
        Not synced: after a power cut staged bytes may be fewer or damaged, which commit finds.
        """

    def staged(self, key: str) -> StagedStat | None: ...

    def commit(self, key: str, sha256: str, size_bytes: int) -> BlobStat:
        """Make the staged bytes a blob: read them all, compare, sync, publish in one step.

        Returns only when the blob survives a power cut. Bytes that lie there already under this
        name are replaced by the proven ones, which mends a damaged blob. A key that is not there
        counts as one without bytes. Raises SizeMismatchError (staged bytes kept),
        DigestMismatchError (staged bytes thrown away), or StorageError with staged bytes thrown
        away where a sync failed, since then nobody can tell what reached the disk.

        Repeats safely, also after the staged bytes are gone because an equal commit came first:
        where nothing is staged, a blob of this digest and size is success. Hence success alone
        does not prove that *this* sender had the bytes: whoever grants rights by it must have seen
        `staged(key)` at the full size first.
        """

    def discard(self, key: str) -> None:
        """Throw staged bytes away; a key that is not there is no error."""

    def list_staged(self) -> Iterator[StagedStat]: ...

    # -- removing
    def delete(self, sha256: str, *, older_than_us: int | None = None) -> bool:
        """Remove a blob that nothing refers to; True where there was one to remove.

        With `older_than_us` only a blob whose create_time_us lies before it, compared and removed
        in one step. Every commit renews create_time_us, so a sweep takes nothing that is about to
        be referred to, if it passes the time at which it looked for references, less the longest
        that anybody takes from a commit to the row that refers to it.
        """

    # -- health
    def check(self) -> None:
        """Prove that the store can be written and read right now, or raise. Makes a new store."""


@runtime_checkable
class HasLocalPath(Protocol):
    """A store whose blobs are plain files: nginx (X-Accel-Redirect) and jails may read them."""

    def local_path(self, sha256: str) -> Path | None: ...


@runtime_checkable
class CanPresign(Protocol):
    """A store that hands out addresses of its own, so that bytes bypass this process."""

    def presign(self, sha256: str, ttl_s: int) -> str | None: ...
