"""Copies of checkpoints: each once, in order, and none over another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from registry.domain.checkpoints import StoredCheckpoint
from registry.errors import CheckpointBrokenError, StorageError
from registry.jobs.checkpoint_folder import AT_ONCE, CheckpointFolder
from registry.testing.contracts.database.checkpoints import checkpoint


class Table:
    """Checkpoints from 1 to a number."""

    def __init__(self, last: int) -> None:
        self.last = last

    def since(self, number: int, limit: int) -> Sequence[StoredCheckpoint]:
        return [checkpoint(n) for n in range(number + 1, self.last + 1)][:limit]


def test_each_is_written_once(tmp_path: Path) -> None:
    """What is missing is added, what is there stays as it is, whoever wrote it."""
    folder, table = tmp_path / "copies", Table(2)
    copies = CheckpointFolder(folder)
    assert not copies.keep(table.since)
    first = folder / "checkpoint-000000001.txt"
    assert first.read_text() == checkpoint(1).note
    first.write_text("kept")
    table.last = 4
    CheckpointFolder(folder).keep(table.since)
    assert first.read_text() == "kept"
    assert sorted(each.name for each in folder.iterdir()) == [
        f"checkpoint-{number:09}.txt" for number in range(1, 5)
    ]


def test_a_copy_that_the_database_has_not_is_told(tmp_path: Path) -> None:
    """An older backup was put back, with or without checkpoints made since: nothing more is copied
    until somebody moved the copies away."""
    copies, table = CheckpointFolder(tmp_path), Table(5)
    copies.keep(table.since)
    table.last = 3
    with pytest.raises(CheckpointBrokenError, match="checkpoint 5: it is not what"):
        copies.keep(table.since)
    table.last = 6
    (tmp_path / "checkpoint-000000005.txt").write_text("another one of that number")
    with pytest.raises(CheckpointBrokenError, match="checkpoint 5: it is not what"):
        copies.keep(table.since)
    assert len(list(tmp_path.iterdir())) == 5
    for path in tmp_path.iterdir():
        path.unlink()
    copies.keep(table.since)
    assert len(list(tmp_path.iterdir())) == 6


def test_a_folder_that_only_takes_new_files_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing can be taken away, each copy is there all the same."""

    def refused(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(path)

    monkeypatch.setattr(Path, "unlink", refused)
    copies, table = CheckpointFolder(tmp_path), Table(2)
    copies.keep(table.since)
    copies.keep(table.since)
    assert {each.name for each in tmp_path.glob("checkpoint-*")} == {
        f"checkpoint-{number:09}.txt" for number in (1, 2)
    }


def test_many_are_written_in_turns(tmp_path: Path) -> None:
    """A call does so many and says that there may be more."""
    copies, table = CheckpointFolder(tmp_path), Table(AT_ONCE + 1)
    assert copies.keep(table.since)
    assert not copies.keep(table.since)
    assert len(list(tmp_path.iterdir())) == AT_ONCE + 1


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    """With its setting's name; without a folder nothing is done."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="HALLMARK_AUDIT_EXPORT_DIR"):
        CheckpointFolder(tmp_path / "file").keep(Table(1).since)
    assert not CheckpointFolder(None).keep(Table(1).since)
