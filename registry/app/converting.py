"""Conversion where files lie: of a local folder, or of a version that was pulled."""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from registry.jail.process import Limits
from registry.serving.converting import (
    Conversion,
    ConversionError,
    ConvertedFile,
    NoJailError,
    Target,
    Watcher,
    convert_files,
)
from registry.vetting.folder import files_of

__all__ = [
    "Conversion",
    "ConversionError",
    "ConvertedFile",
    "NoJailError",
    "Watcher",
    "convert_folder",
    "convert_pulled",
]


def convert_folder(
    path: Path,
    to: str,
    out: Path | None,
    *,
    without: Collection[str],
    bare: bool,
    watcher: Watcher,
) -> Conversion:
    """A local file, or a folder with all else that is in it, converted into a new folder, which is
    there whole or not at all; without one it is converted, compared and thrown away.

    `bare`: also where this machine cannot close the jail; else NoJailError. ConversionError, as
    `convert_files`, and where the folder is not absent or empty; InvalidRequestError for paths that
    no version could have.
    """
    files = files_of([path])
    with _staging(out) as staging:
        found = _convert(files, to, staging, without=without, bare=bare, watcher=watcher)
        if out is not None:
            _carry_over(files, found, staging, _copy)
    return found


def convert_pulled(
    folder: Path,
    paths: Sequence[str],
    to: str,
    into: Path,
    *,
    without: Collection[str],
    bare: bool,
    watcher: Watcher,
) -> Conversion:
    """A version's files that nobody else needs, converted into a folder that is made; all others
    move there too. Otherwise as `convert_folder`."""
    files = {path: folder / path for path in paths}
    into.mkdir()
    found = _convert(files, to, into, without=without, bare=bare, watcher=watcher)
    _carry_over(files, found, into, os.rename)
    return found


def _convert(
    files: Mapping[str, Path],
    to: str,
    into: Path,
    *,
    without: Collection[str],
    bare: bool,
    watcher: Watcher,
) -> Conversion:
    limits = dataclasses.replace(Limits(), bare=bare)
    return convert_files(files, Target(to), into, without=without, watcher=watcher, limits=limits)


def _carry_over(
    files: Mapping[str, Path],
    found: Conversion,
    into: Path,
    move: Callable[[Path, Path], object],
) -> None:
    for path in sorted(files.keys() - set(found.replaced)):
        try:
            (into / path).parent.mkdir(parents=True, exist_ok=True)
            move(files[path], into / path)
        except OSError as error:
            raise ConversionError(
                f"{path} cannot be put beside what was converted: {error.strerror}. Nothing was "
                "kept; check permissions and space."
            ) from error


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target, follow_symlinks=False)
    shutil.copymode(source, target, follow_symlinks=False)


@contextmanager
def _staging(out: Path | None) -> Iterator[Path]:
    """A folder beside the one that is wanted, which takes its name in the end; what is in it is
    gone where this ends otherwise."""
    if out is None:
        with tempfile.TemporaryDirectory(prefix="hallmark-convert-") as folder:
            yield Path(folder)
        return
    out = out.expanduser().absolute()
    if out.is_symlink() or (out.exists() and (not out.is_dir() or any(out.iterdir()))):
        raise ConversionError(f"{out}: found something there; name a new or an empty folder.")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{out.name}.hallmark-", dir=out.parent))
    except OSError as error:
        raise ConversionError(
            f"{out}: found no way to write beside it ({error.strerror}). Check permissions and "
            "space, or name another folder."
        ) from error
    try:
        yield staging
        # Made for its owner alone; the folder is like any other.
        os.chmod(staging, 0o777 & ~_umask())
        os.rename(staging, out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _umask() -> int:
    found = os.umask(0)
    os.umask(found)
    return found
