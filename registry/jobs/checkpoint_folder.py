"""The folder to which checkpoints are copied, so that evidence lies outside the database."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from registry.domain.checkpoints import StoredCheckpoint
from registry.errors import CheckpointBrokenError, StorageError

AT_ONCE = 100
_NAME = re.compile(r"checkpoint-([0-9]{9,})\.txt")


class CheckpointFolder:
    """One file a checkpoint, `checkpoint-000000031.txt`; one that is there is never written again.

    So a folder that only takes new files, or several replicas with one folder, will do.
    """

    def __init__(self, folder: Path | None) -> None:
        """None: nothing is kept."""
        self._folder = folder

    def keep(self, since: Callable[[int, int], Sequence[StoredCheckpoint]]) -> bool:
        """Write those that are missing behind the last that is there; whether there may be more.

        Raises StorageError where the folder cannot be used; the next call goes on. And
        CheckpointBrokenError where the last copy is not what the database has under its number, as
        when an older backup was put back: then nothing is copied until somebody has looked.
        """
        if self._folder is None:
            return False
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            last = self._last(self._folder)
            self._compare(self._folder, last, since)
            found = since(last, AT_ONCE)
            for stored in found:
                _write(self._folder, _name_of(stored.number), stored.note)
        except OSError as error:
            raise StorageError(
                what=f"Copies of checkpoints in {self._folder}",
                store="HALLMARK_AUDIT_EXPORT_DIR",
                cause=error.strerror or type(error).__name__,
                fix="They are copied as soon as it can be written.",
            ) from error
        return len(found) == AT_ONCE

    def _compare(
        self, folder: Path, last: int, since: Callable[[int, int], Sequence[StoredCheckpoint]]
    ) -> None:
        if not last:
            return
        copy = folder / _name_of(last)
        if [(each.number, each.note) for each in since(last - 1, 1)] != [(last, _text(copy))]:
            raise CheckpointBrokenError(
                number=last,
                problem=f"it is not what {copy} has: the database was put back, or "
                "rewritten, or the copy was; no more are copied there until it is moved away",
            )

    def _last(self, folder: Path) -> int:
        numbers = [int(name[1]) for each in os.listdir(folder) if (name := _NAME.fullmatch(each))]
        return max(numbers, default=0)


def _name_of(number: int) -> str:
    return f"checkpoint-{number:09}.txt"


def _text(path: Path) -> str:
    return path.read_bytes().decode(errors="replace")


def _write(folder: Path, name: str, text: str) -> None:
    """Whole or not at all, also after a power cut."""
    new = folder / f".{name}.{os.getpid()}"
    with open(new, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(new, folder / name)
    except FileExistsError:
        # Another replica was quicker, with the same.
        pass
    finally:
        # A folder that only takes new files keeps this one too, under a name that nobody reads.
        with contextlib.suppress(PermissionError):
            new.unlink()
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
