"""The folder that a pull is to fill: judged before, filled beside, put into place in one step."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from registry.client.errors import FileChangedError, InvalidRequestError, TargetError
from registry.client.parallel import Crew
from registry.client.progress import Progress
from registry.client.scan import RECORD_NAME, RECORD_SCHEMA, LocalFile, hash_files
from registry.client.values import File, Version

_RECORD_BYTES_MAX = 64_000_000
# linux/fcntl.h, linux/fs.h.
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


class Target:
    """A folder that is absent, empty, or holds one pulled version. Nothing else is touched."""

    def __init__(self, path: Path, *, replace: bool = False) -> None:
        """`replace`: one that an earlier pull put there may go. Raises TargetError for what cannot
        be replaced in one step."""
        self.path = path.expanduser().resolve()
        self._replace = replace
        self._filling: Path | None = None
        if self.path.exists() and not self.path.is_dir():
            raise _unusable(self.path, "a file", "Name a folder that does not exist yet.")
        if self.path == Path.cwd() or self.path in Path.cwd().parents:
            found = "the folder that you are in"
            raise _unusable(self.path, found, "Name a folder below it, such as ./model.")
        if os.path.ismount(self.path):
            found = "a mount point, which cannot be replaced in one step"
            raise _unusable(self.path, found, f"Name a folder below it: {self.path / 'model'}")

    def holds(
        self,
        version: Version,
        files: Sequence[File],
        texts: Mapping[str, str],
        *,
        crew: Crew,
        progress: Progress,
    ) -> bool:
        """Whether the folder is this version already, every byte of it read again.

        False where it is absent, empty, or may be replaced; TargetError where it holds anything
        else.
        """
        if not self.path.exists() or not any(self.path.iterdir()):
            return False
        record = self._record()
        if record is None:
            found = "files that no pull put there"
            raise _unusable(self.path, found, "Name a new or an empty folder.")
        if record.get("digest") != version.digest or not self._is_laid_out(record, files, texts):
            if self._replace:
                return False
            found = f"{record.get('version')} ({record.get('digest')})"
            fix = f"To get {version.ref}, remove it first, name another folder, or say --replace."
            raise _unusable(self.path, found, fix)
        self._check_files(files, crew, progress)
        return True

    @contextmanager
    def filling(self, version: Version) -> Iterator[Path]:
        """The folder to fill: what a cut pull of this version left, or an empty one.

        Nobody else fills it until this ends. It stays where `finish` was not reached.
        """
        folder = self.path.parent / f".{self.path.name}.hallmark-{version.digest[-64:][:16]}"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = _lock(folder)
        except OSError as cause:
            found = f"no way to write beside it ({cause.strerror})"
            raise _unusable(self.path, found, "Check permissions and space.") from cause
        try:
            self._filling = folder
            yield folder
        finally:
            self._filling = None
            os.close(handle)

    def finish(
        self,
        version: Version,
        files: Sequence[File],
        texts: Mapping[str, str],
        *,
        reference: str,
        server: str,
        sync: bool,
    ) -> None:
        """Make the filled folder the target. All its files have to be there and right."""
        folder = self._filling
        if folder is None:
            raise AssertionError("finish belongs inside filling")
        try:
            _drop_all_but(folder, {file.path for file in files})
            _write_texts(folder, texts)
            _write_record(folder, version, files, reference=reference, server=server)
            if sync:
                _sync(folder)
            if self._replace and self._record() is not None:
                self._exchange(folder)
            else:
                # Replaces an empty folder, and fails for any other.
                os.rename(folder, self.path)
            if sync:
                _sync_one(self.path.parent)
        except OSError as cause:
            found = f"no way to put the files in place ({cause.strerror})"
            fix = f"They are complete in {folder}: make room, then run the command again."
            raise _unusable(self.path, found, fix) from cause

    def _exchange(self, folder: Path) -> None:
        """Put the filled folder in the place of an earlier pull's, which whoever looks sees whole
        until then, and throw that away."""
        exchange(folder, self.path)
        shutil.rmtree(folder)

    def _record(self) -> dict[str, object] | None:
        try:
            with open(self.path / RECORD_NAME, "rb") as file:
                record = json.loads(file.read(_RECORD_BYTES_MAX))
        except (FileNotFoundError, ValueError):
            return None
        except OSError as cause:
            found = f"no way to read {RECORD_NAME} ({cause.strerror})"
            raise _unusable(self.path, found, "Check its permissions.") from cause
        ours = isinstance(record, dict) and record.get("schema") == RECORD_SCHEMA
        return record if ours else None

    def _is_laid_out(
        self, record: Mapping[str, object], files: Sequence[File], texts: Mapping[str, str]
    ) -> bool:
        """Whether these files lie at these places, beside these texts."""
        listed = record.get("files")
        said = {each.get("path") for each in listed} if isinstance(listed, list) else set()
        return said == {file.path for file in files} and all(
            _text_of(self.path / path) == text for path, text in texts.items()
        )

    def _check_files(self, files: Sequence[File], crew: Crew, progress: Progress) -> None:
        fix = "Remove the folder and pull again."
        found: list[LocalFile] = []
        for file in files:
            source = self.path / file.path
            if not source.is_file() or source.is_symlink():
                raise _unusable(self.path, f"{file.path} missing", fix)
            status = source.stat()
            if status.st_size != file.size_bytes:
                size = f"{file.path} with {status.st_size} bytes instead of {file.size_bytes}"
                raise _unusable(self.path, size, fix)
            found.append(
                LocalFile(
                    path=file.path,
                    source=source,
                    size_bytes=status.st_size,
                    mtime_ns=status.st_mtime_ns,
                    inode=status.st_ino,
                )
            )
        try:
            hashed = hash_files(found, crew=crew, progress=progress)
        except (FileChangedError, InvalidRequestError) as cause:
            raise _unusable(self.path, f"trouble: {cause}", fix) from cause
        for file, now in zip(files, hashed, strict=True):
            if file.sha256 != now.sha256:
                wrong = f"{file.path} with sha256 {now.sha256} instead of {file.sha256}"
                raise _unusable(self.path, wrong, fix)


def exchange(one: Path, other: Path) -> None:
    """Swap two folders of one file system in one step: renameat2(2), RENAME_EXCHANGE. OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    names = (_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    if libc.renameat2(*names):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(other))


def _lock(folder: Path) -> int:
    """A handle that holds the folder, made where it is missing, for this process alone."""
    while True:
        folder.mkdir(exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as cause:
            os.close(handle)
            found = "another pull at work beside it"
            raise _unusable(folder, found, "Wait for it to end, then run this again.") from cause
        status = os.fstat(handle)
        if status.st_uid != os.geteuid():
            os.close(handle)
            found = "a folder of somebody else"
            raise _unusable(folder, found, "Remove it, or pull to another place.")
        # Whoever held it before may have put it into place meanwhile.
        if folder.exists() and os.path.samestat(status, os.lstat(folder)):
            return handle
        os.close(handle)


def _drop_all_but(folder: Path, paths: set[str]) -> None:
    """Remove what an earlier, different use of the folder left in it."""
    kept = {str(parent) for path in paths for parent in Path(path).parents}
    for root, folders, names in os.walk(folder):
        inside = Path(root).relative_to(folder)
        for name in list(folders):
            if str(inside / name) not in kept:
                shutil.rmtree(Path(root) / name)
                folders.remove(name)
        for name in names:
            if (inside / name).as_posix() not in paths:
                (Path(root) / name).unlink()


def _write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


def _text_of(path: Path) -> str | None:
    """None where there is no such text."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _write_record(
    folder: Path, version: Version, files: Sequence[File], *, reference: str, server: str
) -> None:
    """Say where this came from; a version that brings a file of this name keeps its own."""
    if any(file.path == RECORD_NAME for file in files):
        return
    record = {
        "schema": RECORD_SCHEMA,
        "version": version.ref,
        "name": version.name,
        "digest": version.digest,
        "reference": reference,
        "server": server,
        "files": [vars(file) for file in files],
    }
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    (folder / RECORD_NAME).write_text(text, encoding="utf-8")


def _sync(folder: Path) -> None:
    """Have the disk hold all of it: files first, then the folders that name them."""
    for root, _, names in os.walk(folder, topdown=False):
        for name in names:
            _sync_one(Path(root) / name)
        _sync_one(Path(root))


def _sync_one(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unusable(path: Path, found: str, fix: str) -> TargetError:
    return TargetError(
        f"{path}: found {found}. Nothing in it was touched. {fix}",
        metadata={"path": str(path), "found": found, "fix": fix},
    )
