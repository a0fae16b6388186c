"""Local files and folders as the files of one version, without following anything out of them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from registry.errors import FieldViolation, InvalidRequestError

FILES_MAX = 100_000
#: Problems that an error says; it counts the rest.
SHOWN_MAX = 10


def files_of(paths: Iterable[Path]) -> Mapping[str, Path]:
    """What each path would be called in a version, sorted: a file by its name, those of a folder by
    their way from there. Links, pipes and devices are no files of a version.

    InvalidRequestError names all that is wrong at once.
    """
    found: dict[str, Path] = {}
    problems: list[FieldViolation] = []
    for path in paths:
        for name, file in _below(path, problems):
            if name in found:
                problems.append(_problem(file, f"a second file would be called {name}"))
            found[name] = file
            if len(found) > FILES_MAX:
                raise _refusal([_problem(path, f"it has more than {FILES_MAX:,} files")])
    if problems:
        raise _refusal(problems)
    return dict(sorted(found.items()))


def _refusal(problems: list[FieldViolation]) -> InvalidRequestError:
    shown = "; ".join(f"{each.field}: {each.description}" for each in problems[:SHOWN_MAX])
    more = f"; and {len(problems) - SHOWN_MAX} more" if len(problems) > SHOWN_MAX else ""
    return InvalidRequestError(
        count=len(problems), summary=f"{shown}{more}.", violations=tuple(problems)
    )


def _below(path: Path, problems: list[FieldViolation]) -> Iterable[tuple[str, Path]]:
    try:
        mode = path.lstat().st_mode
    except OSError as error:
        problems.append(_problem(path, f"it cannot be looked at: {error.strerror}"))
        return
    if stat.S_ISREG(mode):
        yield path.name, path
    elif stat.S_ISDIR(mode):
        yield from _in_folder(path, problems)
    else:
        problems.append(_problem(path, "it is neither a file nor a folder"))


def _in_folder(top: Path, problems: list[FieldViolation]) -> Iterable[tuple[str, Path]]:
    """Without recursion, of which os.walk needs as much as folders lie in each other."""
    pending = [str(top)]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder) as entries:
                found = list(entries)
        except OSError as error:
            problems.append(_problem(Path(folder), f"it cannot be read: {error.strerror}"))
            continue
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                pending.append(entry.path)
            elif entry.is_file(follow_symlinks=False):
                file = Path(entry.path)
                yield file.relative_to(top).as_posix(), file
            else:
                problems.append(_problem(Path(entry.path), "it is neither a file nor a folder"))


def _problem(path: Path, description: str) -> FieldViolation:
    return FieldViolation(field=ascii(str(path))[1:-1], description=description)
