"""What the local store needs of POSIX: folders without links, locks, syncs, errors in our words."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from registry.errors import AlreadyExistsError, HallmarkError, StorageError, StorageFullError
from registry.ports.blobs import PIECE_BYTES

#: Every file of the store is opened with these: never through a link, never waiting for a pipe.
FILE_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_STORE = "blob store"
_WRITEBACK_BYTES = 8 * PIECE_BYTES

#: EFBIG: the file system, or a limit on this process, takes no file of that size.
_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
_NO_LINKS = "The store follows no links inside its folder; its operator has to put a folder there."
_FIXES = {
    errno.EROFS: "Nothing was changed; its operator has to mount the file system writable.",
    errno.EACCES: "Nothing was changed; its operator has to let the server's user in there.",
    errno.EMFILE: "Nothing was changed; retry, and let the server open more files (ulimit -n).",
    errno.ENFILE: "Nothing was changed; retry, and let the system open more files (fs.file-max).",
    errno.EXDEV: "Its folders blobs and staging have to lie on one file system.",
    errno.ELOOP: _NO_LINKS,
    errno.ENOTDIR: _NO_LINKS,
}
_LOST = (
    "The staged bytes were thrown away, since after a failed sync nobody can tell which of them "
    "reached the disk. Send the file again, and tell the server's operator."
)


# --- Failures ------------------------------------------------------------------------------------


@contextmanager
def failures_told(what: str) -> Iterator[None]:
    """Turn an OSError inside into the error of ours that says how to mend it."""
    try:
        yield
    except OSError as error:
        raise told(error, what) from error


def told(error: OSError, what: str) -> HallmarkError:
    """StorageFullError or StorageError with the system's own words, but no path of the server."""
    if error.errno in _FULL:
        return StorageFullError(what=what, store=_STORE, cause=_cause(error))
    fix = _FIXES.get(error.errno or 0, StorageError.fix)
    return StorageError(what=what, store=_STORE, cause=_cause(error), fix=fix)


def lost(error: OSError, what: str) -> StorageError:
    """The error for staged bytes that a failed sync has made worthless."""
    return StorageError(what=what, store=_STORE, cause=_cause(error), fix=_LOST)


def _cause(error: OSError) -> str:
    number = error.errno or 0
    return f"{errno.errorcode.get(number, number)}: {os.strerror(number)}"


# --- Folders -------------------------------------------------------------------------------------


@contextmanager
def folders(root: Path, *below: str, make: bool = False) -> Iterator[tuple[int, ...]]:
    """Open `root` and each folder inside the one before, as descriptors in this order.

    Only the way to `root` may lead over links. Raises FileNotFoundError where one is missing,
    or makes it with `make`; its name is then synced by whoever publishes something inside.
    """
    opened = [_open_root(root, make=make)]
    try:
        for name in below:
            opened.append(_open_folder(name, opened[-1], make=make))
        yield tuple(opened)
    finally:
        for fd in opened:
            os.close(fd)


def _open_root(root: Path, *, make: bool) -> int:
    try:
        return os.open(root, _FOLDER_FLAGS)
    except FileNotFoundError:
        if not make:
            raise
    # Quarantined bytes lie below, hence closed to other users until the operator opens it.
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Once in a store's life, and the only call that also syncs folders which we may not open.
    os.sync()
    return os.open(root, _FOLDER_FLAGS)


def _open_folder(name: str, within: int, *, make: bool) -> int:
    flags = _FOLDER_FLAGS | os.O_NOFOLLOW
    try:
        return os.open(name, flags, dir_fd=within)
    except FileNotFoundError:
        if not make:
            raise
    with suppress(FileExistsError):
        os.mkdir(name, 0o755, dir_fd=within)
    return os.open(name, flags, dir_fd=within)


# --- Files ---------------------------------------------------------------------------------------


@contextmanager
def locked(fd: int) -> Iterator[None]:
    """Exclude other holders of this file or folder, threads and processes alike.

    A lock of the kernel's on the open file: it ends with its holder, however that dies.
    """
    fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)


@contextmanager
def opened(name: str, folder: int, flags: int) -> Iterator[int | None]:
    """Open the file of this name, never through a link; None where there is none."""
    try:
        fd = os.open(name, flags | FILE_FLAGS, 0o644, dir_fd=folder)
    except FileNotFoundError:
        yield None
        return
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def held(name: str, folder: int, flags: int = os.O_RDONLY) -> Iterator[int | None]:
    """Open and lock the file of this name while this lasts; None where there is none."""
    while True:
        with opened(name, folder, flags) as fd:
            if fd is None:
                yield None
                return
            with locked(fd):
                # Whoever held the lock before may have renamed or removed the file.
                if bears_name(fd, name, folder):
                    yield fd
                    return


def bears_name(fd: int, name: str, folder: int) -> bool:
    """True while the open file is the one that bears this name."""
    try:
        there = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(fd))


def write_at(fd: int, offset: int, data: bytes) -> int:
    """Write all of `data` at `offset` and return where it ends; a failure keeps what fitted."""
    rest = memoryview(data)
    end = offset
    while rest:
        written = os.pwrite(fd, rest, end)
        end, rest = end + written, rest[written:]
    _start_writeback(fd, offset, end)
    return end


def write_new(path: Path, pieces: Iterable[bytes]) -> None:
    """Write and sync a file where nothing was, or leave nothing there."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | FILE_FLAGS, 0o644)
    except FileExistsError as error:
        fix = "Choose a path where nothing is."
        raise AlreadyExistsError(
            kind="file", name=str(path), existing="something else", fix=fix
        ) from error
    try:
        end = 0
        for piece in pieces:
            end = write_at(fd, end, piece)
        os.fsync(fd)
        with folders(path.parent) as (folder,):
            os.fsync(folder)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)


def _start_writeback(fd: int, start: int, end: int) -> None:
    # Without this the kernel keeps everything for the sync in commit, which then waits for the
    # disk alone. The advice to drop pages starts writing dirty ones and drops only clean ones,
    # of which a range that was just written has none: what commit reads back stays in memory.
    last = end // _WRITEBACK_BYTES * _WRITEBACK_BYTES
    if last > start:
        first = start // _WRITEBACK_BYTES * _WRITEBACK_BYTES
        os.posix_fadvise(fd, first, last - first, os.POSIX_FADV_DONTNEED)


def sha256_of(fd: int) -> str:
    """Read the whole file and return its sha256."""
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    digest = hashlib.sha256()
    piece = bytearray(PIECE_BYTES)
    offset = 0
    while size := os.preadv(fd, [piece], offset):
        digest.update(memoryview(piece)[:size])
        offset += size
    return digest.hexdigest()
