"""Local folders as the files of one version, whatever lies in them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.errors import InvalidRequestError
from registry.vetting.folder import files_of

DEPTH = 1500


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """A file below so many folders; made and removed step by step, since its path is long."""
    here = os.open(tmp_path, os.O_RDONLY)
    folders = [here]
    for _ in range(DEPTH):
        os.mkdir("d", dir_fd=folders[-1])
        folders.append(os.open("d", os.O_RDONLY, dir_fd=folders[-1]))
        os.close(folders.pop(-2))
    os.close(os.open("a.txt", os.O_CREAT | os.O_WRONLY, dir_fd=folders[-1]))
    os.close(folders[-1])
    yield tmp_path
    for depth in range(DEPTH, -1, -1):
        below = tmp_path / "/".join("d" * depth)
        for name in os.listdir(below):
            (os.rmdir if name == "d" else os.unlink)(below / name)


def test_folders_may_lie_deep(deep: Path) -> None:
    """Deeper than Python recurses."""
    (name,) = files_of([deep])
    assert name == "d/" * DEPTH + "a.txt"


def test_what_leads_out_is_named(tmp_path: Path) -> None:
    """Links to files and folders, and pipes, are no files of a version."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.txt").write_text("a")
    (tmp_path / "sub" / "out").symlink_to("/")
    (tmp_path / "sub" / "passwd").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidRequestError) as raised:
        files_of([tmp_path])
    said = str(raised.value)
    assert all(name in said for name in ("sub/out", "sub/passwd", "pipe"))
    assert "a.txt" not in said
