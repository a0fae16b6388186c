"""Blobs as plain files on one disk. How the bytes lie, and what survives what: README.md here."""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from registry.blobs import disk
from registry.blobs.pieces import FilePieces
from registry.blobs.reading_back import ReadingBack
from registry.blobs.rules import (
    blob_named,
    check_key,
    check_offset,
    check_size,
    damaged,
    is_key,
    no_blob,
    span,
    upload_named,
)
from registry.errors import DigestMismatchError, InvalidFieldError, OffsetMismatchError
from registry.names import check_sha256
from registry.ports.blobs import PIECE_BYTES, BlobStat, StagedStat

_BLOBS = "blobs"
_STAGING = "staging"
#: Neither a key nor a shard can be spelled so.
_PROBE = ".probe"
_SHARD = re.compile(r"[0-9a-f]{2}")
_READ_ONLY = 0o444


class LocalBlobStore:
    """A BlobStore with abilities HasLocalPath, in a folder that several processes may share.

    Making an instance touches nothing; `check` makes the folder. All of `root` must lie on one
    file system, which must know flock, fsync and atomic renames: a local one does.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._reading_back = ReadingBack()

    # -- reading

    def stat(self, sha256: str) -> BlobStat | None:
        # By its path, which asks the system once: a link in place of a folder tells what is not
        # here, but whoever reads is stopped by it.
        path = "/".join((str(self._root), *_shard(check_sha256(sha256)), sha256))
        try:
            found = os.stat(path, follow_symlinks=False)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise disk.told(error, blob_named(sha256)) from error
        return _blob_stat(sha256, found) if stat.S_ISREG(found.st_mode) else None

    def open_range(
        self,
        sha256: str,
        start: int = 0,
        length: int | None = None,
        *,
        size_bytes: int | None = None,
    ) -> FilePieces:
        fd, found = self._open(sha256)
        try:
            start, end = span(
                sha256, start, length, stored_bytes=found.size_bytes, size_bytes=size_bytes
            )
            if end - start > PIECE_BYTES:
                os.posix_fadvise(fd, start, end - start, os.POSIX_FADV_SEQUENTIAL)
        except BaseException:
            os.close(fd)
            raise
        return FilePieces(fd, sha256, start, end)

    def verify(self, sha256: str) -> BlobStat:
        fd, found = self._open(sha256)
        try:
            with disk.failures_told(blob_named(sha256)):
                digest = disk.sha256_of(fd)
        finally:
            os.close(fd)
        if digest != sha256:
            raise damaged(sha256, found=digest)
        return found

    def copy_to(self, sha256: str, path: Path) -> None:
        what = f"A copy of {blob_named(sha256)} to {path}"
        with closing(self.open_range(sha256)) as pieces, disk.failures_told(what):
            disk.write_new(path, pieces)

    def local_path(self, sha256: str) -> Path | None:
        if self.stat(sha256) is None:
            return None
        return self._root.joinpath(*_shard(sha256), sha256)

    def list_blobs(self) -> Iterator[BlobStat]:
        for outer in filter(_SHARD.fullmatch, self._names(_BLOBS)):
            for inner in filter(_SHARD.fullmatch, self._names(_BLOBS, outer)):
                yield from self._list_shard(outer, inner)

    def _list_shard(self, outer: str, inner: str) -> Iterator[BlobStat]:
        for name in self._names(_BLOBS, outer, inner):
            # Elsewhere than in its own folder nobody would find it by its digest.
            if _is_sha256(name) and _shard(name) == (_BLOBS, outer, inner):
                found = self.stat(name)
                if found is not None:
                    yield found

    def _open(self, sha256: str) -> tuple[int, BlobStat]:
        with disk.failures_told(blob_named(check_sha256(sha256))):
            try:
                with disk.folders(self._root, *_shard(sha256)) as (*_, shard):
                    # What is no plain file is no blob; a commit puts one in its place.
                    found = os.stat(sha256, dir_fd=shard, follow_symlinks=False)
                    if not stat.S_ISREG(found.st_mode):
                        raise no_blob(sha256)
                    fd = os.open(sha256, os.O_RDONLY | disk.FILE_FLAGS, dir_fd=shard)
            except FileNotFoundError as error:
                raise no_blob(sha256) from error
            return fd, _blob_stat(sha256, os.fstat(fd))

    def _names(self, *below: str) -> list[str]:
        with disk.failures_told("Listing the blob store"):
            try:
                with disk.folders(self._root, *below) as (*_, folder):
                    return os.listdir(folder)
            except FileNotFoundError:
                return []

    # -- staging

    def append(self, key: str, offset: int, pieces: Iterable[bytes]) -> int:
        what = upload_named(check_key(key))
        create = os.O_CREAT if offset == 0 else 0
        with ExitStack() as opened:
            # Not around `pieces`: what their source raises is no failure of the store.
            with disk.failures_told(what):
                *_, staging = opened.enter_context(disk.folders(self._root, _STAGING, make=True))
                fd = opened.enter_context(disk.opened(key, staging, os.O_RDWR | create))
            if fd is None:
                raise OffsetMismatchError(what=what, stored=0, offset=offset)
            end = self._grow(key, staging, fd, offset, b"")
            for piece in pieces:
                end = self._grow(key, staging, fd, end, piece)
                with disk.failures_told(what):
                    self._reading_back.follow(key, fd, end)
            return end

    def _grow(self, key: str, staging: int, fd: int, offset: int, piece: bytes) -> int:
        # Locked for one piece, never while waiting for the next one from a sender that may have
        # gone: another one can go on, and whoever falls behind is refused.
        what = upload_named(key)
        with disk.failures_told(what), disk.locked(fd):
            if not disk.bears_name(fd, key, staging):
                raise OffsetMismatchError(what=what, stored=0, offset=offset)
            check_offset(key, stored_bytes=os.fstat(fd).st_size, offset=offset)
            return disk.write_at(fd, offset, piece)

    def staged(self, key: str) -> StagedStat | None:
        with disk.failures_told(upload_named(check_key(key))):
            try:
                with disk.folders(self._root, _STAGING) as (*_, staging):
                    found = os.stat(key, dir_fd=staging, follow_symlinks=False)
            except FileNotFoundError:
                return None
        if not stat.S_ISREG(found.st_mode):
            return None
        return StagedStat(
            key=key, size_bytes=found.st_size, update_time_us=found.st_mtime_ns // 1000
        )

    def list_staged(self) -> Iterator[StagedStat]:
        for name in self._names(_STAGING):
            found = self.staged(name) if is_key(name) else None
            if found is not None:
                yield found

    def discard(self, key: str) -> None:
        self._reading_back.forget(check_key(key))
        with disk.failures_told(upload_named(check_key(key))):
            try:
                with (
                    disk.folders(self._root, _STAGING) as (*_, staging),
                    disk.held(key, staging) as fd,
                ):
                    if fd is not None:
                        os.unlink(key, dir_fd=staging)
            except FileNotFoundError:
                return

    def commit(self, key: str, sha256: str, size_bytes: int) -> BlobStat:
        what = upload_named(check_key(key))
        check_sha256(sha256)
        with (
            disk.failures_told(what),
            disk.folders(self._root, _STAGING, make=True) as (*_, staging),
            disk.held(key, staging) as fd,
        ):
            if fd is not None:
                self._prove(fd, key, staging, sha256, size_bytes)
                return self._publish(fd, key, staging, sha256)
            earlier = self._renew(sha256, size_bytes)
        if earlier is not None:
            return earlier
        check_size(key, staged_bytes=0, size_bytes=size_bytes)
        self.append(key, 0, ())
        return self.commit(key, sha256, size_bytes)

    def _prove(self, fd: int, key: str, staging: int, sha256: str, size_bytes: int) -> None:
        """Return once the staged bytes are those announced and on the disk."""
        check_size(key, staged_bytes=os.fstat(fd).st_size, size_bytes=size_bytes)
        found = self._reading_back.finish(key, fd)
        if found != sha256:
            os.unlink(key, dir_fd=staging)
            raise DigestMismatchError(what=upload_named(key), found=found, expected=sha256)
        try:
            os.fsync(fd)
        except OSError as error:
            # The kernel reports a failed write once and then takes the pages for clean: a second
            # sync would succeed without the bytes.
            os.unlink(key, dir_fd=staging)
            raise disk.lost(error, upload_named(key)) from error

    def _publish(self, fd: int, key: str, staging: int, sha256: str) -> BlobStat:
        with disk.folders(self._root, *_shard(sha256), make=True) as way:
            shard = way[-1]
            with disk.locked(shard):
                os.rename(key, sha256, src_dir_fd=staging, dst_dir_fd=shard)
                _date(fd)
            _sync_names(way)
        return _blob_stat(sha256, os.fstat(fd))

    def _renew(self, sha256: str, size_bytes: int) -> BlobStat | None:
        """Do again what an equal commit may not have come to after its rename."""
        found = self.stat(sha256)
        if found is None or found.size_bytes != size_bytes:
            return None
        try:
            with disk.folders(self._root, *_shard(sha256)) as way:
                shard = way[-1]
                with (
                    disk.locked(shard),
                    disk.opened(sha256, shard, os.O_RDONLY) as fd,
                ):
                    if fd is None:
                        return None
                    _date(fd)
                    renewed = _blob_stat(sha256, os.fstat(fd))
                _sync_names(way)
                return renewed
        except FileNotFoundError:
            return None

    # -- removing

    def delete(self, sha256: str, *, older_than_us: int | None = None) -> bool:
        with disk.failures_told(blob_named(check_sha256(sha256))):
            try:
                with disk.folders(self._root, *_shard(sha256)) as (*_, shard), disk.locked(shard):
                    found = os.stat(sha256, dir_fd=shard, follow_symlinks=False)
                    created_us = _blob_stat(sha256, found).create_time_us
                    if older_than_us is not None and created_us >= older_than_us:
                        return False
                    os.unlink(sha256, dir_fd=shard)
            except FileNotFoundError:
                return False
        return True

    # -- health

    def check(self) -> None:
        self._reading_back.forget_idle()
        with (
            disk.failures_told(f"Checking the blob store in {self._root}"),
            disk.folders(self._root, _STAGING, make=True) as (root, staging),
            disk.folders(self._root, _BLOBS, make=True) as (_, blobs),
            disk.held(_PROBE, staging, os.O_RDWR | os.O_CREAT) as fd,
        ):
            if fd is None:
                raise FileNotFoundError(errno.ENOENT, "the folder for staged bytes went away")
            sent = os.urandom(4096)
            disk.write_at(fd, 0, sent)
            os.fsync(fd)
            if os.pread(fd, len(sent), 0) != sent:
                raise OSError(errno.EIO, "other bytes came back than were written")
            # The way of every commit: fails where the two folders lie on two file systems.
            os.rename(_PROBE, _PROBE, src_dir_fd=staging, dst_dir_fd=blobs)
            # From here on another check makes a probe of its own, and may take ours for its.
            with suppress(FileNotFoundError):
                os.unlink(_PROBE, dir_fd=blobs)
            _sync_names((root, blobs))


def _shard(sha256: str) -> tuple[str, str, str]:
    return _BLOBS, sha256[:2], sha256[2:4]


def _is_sha256(name: str) -> bool:
    try:
        check_sha256(name)
    except InvalidFieldError:
        return False
    return True


def _blob_stat(sha256: str, found: os.stat_result) -> BlobStat:
    return BlobStat(
        sha256=sha256, size_bytes=found.st_size, create_time_us=found.st_mtime_ns // 1000
    )


def _date(fd: int) -> None:
    # After the rename and under the folder's lock, so that a sweep never sees an earlier time.
    now_ns = time.time_ns()
    os.utime(fd, ns=(now_ns, now_ns))
    os.fchmod(fd, _READ_ONLY)


def _sync_names(way: tuple[int, ...]) -> None:
    # Every folder on the way, each time: one that another thread or a killed process made may not
    # be synced yet, and where all is clean the further calls cost nearly nothing.
    for folder in reversed(way):
        os.fsync(folder)
