"""The folder to which checkpoints are copied, so that evidence lies outside the database."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from registry.domain.checkpoints import StoredCheckpoint
from registry.errors import StorageError

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

        Raises StorageError where the folder cannot be used; the next call goes on.
        """
        if self._folder is None:
            return False
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = since(self._last(self._folder), AT_ONCE)
            for stored in found:
                _write(self._folder, f"checkpoint-{stored.number:09}.txt", stored.note)
        except OSError as error:
            raise StorageError(
                what=f"Copies of checkpoints in {self._folder}",
                store="HALLMARK_AUDIT_EXPORT_DIR",
                cause=error.strerror or type(error).__name__,
                fix="They are copied as soon as it can be written.",
            ) from error
        return len(found) == AT_ONCE

    def _last(self, folder: Path) -> int:
        numbers = [int(name[1]) for each in os.listdir(folder) if (name := _NAME.fullmatch(each))]
        return max(numbers, default=0)


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
        new.unlink()
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
