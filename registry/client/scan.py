"""What lies in a folder that is to be pushed: which files, which are left out, and their sha256."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from registry.client.errors import FileChangedError, InvalidRequestError, checked_locally
from registry.client.parallel import Crew
from registry.client.progress import FileStep, Progress
from registry.client.values import File
from registry.domain.manifests import FILES_MAX, guess_media_type
from registry.errors import InvalidFieldError
from registry.names.paths import check_paths, is_git_path, refuse_all, safe_path

PIECE_BYTES = 1 << 20
#: Written by pull, so that a pulled folder can be pushed again as it is.
RECORD_NAME = "hallmark.json"
RECORD_SCHEMA = "hallmark.pull.v1"
_RECORD_BYTES_MAX = 64_000_000

_JUNK_FOLDERS = frozenset({"__pycache__", "__MACOSX", "node_modules"})
_JUNK_FILES = frozenset({"thumbs.db", "desktop.ini"})
_JUNK_ENDINGS = (".pyc", ".pyo", ".swp", "~")


@dataclass(frozen=True, kw_only=True)
class LocalFile:
    """A file as it was when it was found."""

    path: str
    source: Path
    size_bytes: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    path: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Scan:
    """Files by path; what is left out is told, a folder as one entry ending in `/`."""

    files: tuple[LocalFile, ...]
    left_out: tuple[LeftOut, ...]


def scan(sources: Sequence[Path], *, hidden: bool = False) -> Scan:
    """The files below one folder, or of several files and folders, these under their own names.

    Left out are Git's files, what `pull` wrote, well-known junk, links to folders (they may lead in
    circles), and hidden ones unless asked for. Links to files are followed.

    Raises InvalidRequestError where a source is missing, unreadable, nothing remains, or a path
    could not lie in a version.
    """
    left_out: list[LeftOut] = []
    files: list[LocalFile] = []
    whole = len(sources) == 1 and sources[0].is_dir()
    for source in sources:
        prefix = "" if whole else source.resolve().name
        if source.is_dir():
            found = _walk(source, prefix, hidden, left_out)
        else:
            found = iter([_local_file(source, prefix)])
        for file in found:
            files.append(file)
            if len(files) > FILES_MAX:
                raise _refused(source, f"more than {FILES_MAX} files", "Pack small ones into one.")
    if not files:
        names = ", ".join(str(source) for source in sources)
        raise _refused(names, "no file to push", "Name the folder that holds the model's files.")
    _check_paths(files)
    return Scan(
        files=tuple(sorted(files, key=lambda file: file.path)),
        left_out=tuple(sorted(left_out, key=lambda entry: entry.path)),
    )


def hash_files(files: Sequence[LocalFile], *, crew: Crew, progress: Progress) -> tuple[File, ...]:
    """Path, size, sha256 and media type of each, in the same order.

    Raises FileChangedError where a file is written to meanwhile.
    """
    progress.begin("hash", [FileStep(path=f.path, size_bytes=f.size_bytes) for f in files])
    try:

        def hashed(file: LocalFile) -> File:
            return _hashed(file, crew, progress)

        return tuple(crew.run(hashed, files, workers=min(4, os.cpu_count() or 1)))
    finally:
        progress.end()


def check_unchanged(files: Iterable[LocalFile]) -> None:
    """Raise FileChangedError for the first file that is not as it was found."""
    for file in files:
        try:
            status = os.stat(file.source)
        except OSError as cause:
            raise _changed(file, f"it cannot be read any more ({cause.strerror})") from cause
        if status.st_size != file.size_bytes:
            raise _changed(file, f"{status.st_size} bytes instead of {file.size_bytes}")
        if (status.st_mtime_ns, status.st_ino) != (file.mtime_ns, file.inode):
            raise _changed(file, "it was written to or replaced")


def _walk(root: Path, prefix: str, hidden: bool, left_out: list[LeftOut]) -> Iterator[LocalFile]:
    folders = [(str(root), prefix)]
    while folders:
        folder, inside = folders.pop()
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as cause:
            fix = "Check its permissions."
            raise _refused(folder, f"no way to read it ({cause.strerror})", fix) from cause
        for entry in entries:
            path = f"{inside}/{entry.name}" if inside else entry.name
            is_folder = entry.is_dir()
            why = _why_left_out(entry, path, is_folder, hidden)
            if why:
                left_out.append(LeftOut(path=path + "/" * is_folder, why=why))
            elif is_folder:
                folders.append((entry.path, path))
            else:
                yield _local_file(Path(entry.path), path)


def _why_left_out(entry: os.DirEntry[str], path: str, is_folder: bool, hidden: bool) -> str:
    """Empty where the entry is to be pushed."""
    name = entry.name
    if is_git_path(name):
        return "Git's own"
    if name.startswith((".hallmark", "._")):
        return "junk"
    if name in _JUNK_FOLDERS if is_folder else _is_junk(name):
        return "junk"
    if name.startswith(".") and not hidden:
        return "hidden"
    if is_folder and entry.is_symlink():
        return "a link to a folder"
    if path == RECORD_NAME and _is_record(entry.path):
        return "written by hallmark pull"
    return ""


def _is_junk(name: str) -> bool:
    return name.lower() in _JUNK_FILES or name.endswith(_JUNK_ENDINGS) or name == ".DS_Store"


def _is_record(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            record = json.loads(file.read(_RECORD_BYTES_MAX))
    except (OSError, ValueError):
        # Not ours, then: it is pushed, or refused with its own reason when it is hashed.
        return False
    return isinstance(record, dict) and record.get("schema") == RECORD_SCHEMA


def _local_file(source: Path, path: str) -> LocalFile:
    try:
        status = os.stat(source)
    except OSError as cause:
        kind = "a link that leads nowhere" if source.is_symlink() else f"nothing ({cause.strerror})"
        raise _refused(source, kind, "Check the name, or leave it out.") from cause
    if not stat.S_ISREG(status.st_mode):
        raise _refused(source, "no regular file", "Leave out pipes, sockets and devices.")
    return LocalFile(
        path=path,
        source=source,
        size_bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
        inode=status.st_ino,
    )


def _check_paths(files: Sequence[LocalFile]) -> None:
    """All paths' problems at once, before an hour is spent on hashing."""
    problems = []
    for file in files:
        try:
            safe_path(file.path, field=file.path)
        except InvalidFieldError as error:
            problems.append(error)
    with checked_locally():
        refuse_all(problems)
        check_paths(file.path for file in files)


def _hashed(file: LocalFile, crew: Crew, progress: Progress) -> File:
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(PIECE_BYTES))
    check_unchanged([file])
    try:
        with open(file.source, "rb", buffering=0) as opened:
            while count := opened.readinto(buffer):
                crew.check()
                digest.update(buffer[:count])
                progress.advance(file.path, count)
    except OSError as cause:
        fix = "Check its permissions and the disk."
        raise _refused(file.source, f"no way to read it ({cause.strerror})", fix) from cause
    check_unchanged([file])
    return File(
        path=file.path,
        size_bytes=file.size_bytes,
        sha256=digest.hexdigest(),
        media_type=guess_media_type(file.path),
    )


def _refused(where: object, found: str, fix: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"{where}: found {found}. {fix}",
        reason="CANNOT_READ",
        metadata={"path": str(where), "found": found, "fix": fix},
    )


def _changed(file: LocalFile, found: str) -> FileChangedError:
    return FileChangedError(
        f"{file.source} changed during the push: {found}. Nothing was created. "
        "Let whatever writes to it finish, then push again.",
        metadata={"path": file.path, "found": found},
    )
