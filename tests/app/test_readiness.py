"""Readiness in a running server: where files are laid out, and what a kill leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.app.readiness import WORK_DIR, clear_work, releases_of
from registry.errors import StartError
from registry.serving.releases import FILE
from registry.serving.work_folder import PREFIX
from registry.testing.server import running_server


@pytest.mark.slow
def test_what_a_killed_server_left_is_removed(tmp_path: Path) -> None:
    """And nothing else that lies there."""
    work = tmp_path / "home" / WORK_DIR
    (work / f"{PREFIX}of-one-that-was-killed" / "1").mkdir(parents=True)
    (work / f"{PREFIX}of-one-that-was-killed" / "1" / "model.onnx").write_bytes(b"left")
    (work / "notes").write_text("kept")
    with running_server(tmp_path / "home"):
        assert [path.name for path in work.iterdir()] == ["notes"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / WORK_DIR).write_text("no folder")
    with pytest.raises(StartError, match=r"work.*cannot be made.*Give the server the right"):
        clear_work(tmp_path)


def test_the_operators_own_releases_are_known(tmp_path: Path) -> None:
    """Of the policy folder; without the file there, those that come along."""
    assert "25.10" in releases_of(None)
    assert "25.10" in releases_of(tmp_path)
    (tmp_path / FILE).write_text(
        'releases:\n  "31.01":\n    onnxruntime: "1.31.1"\n    source: "our build"\n'
    )
    assert list(releases_of(tmp_path)) == ["31.01"]
    (tmp_path / FILE).write_text("releases:\n  x: 1\n")
    with pytest.raises(StartError, match=r"triton-releases\.yaml: .*line 2"):
        releases_of(tmp_path)
