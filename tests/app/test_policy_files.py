"""The policy files of a first start."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.app.files import policy_files
from registry.errors import StartError
from registry.testing.policies import shipped_files


def test_the_shipped_files_are_the_default() -> None:
    """Without a setting a registry starts with the files that come with it."""
    assert policy_files(None) == shipped_files()


def test_a_folder_without_them_stops_the_start(tmp_path: Path) -> None:
    """A folder that lacks files is told, with the setting that names it."""
    with pytest.raises(StartError, match=r"promote\.yaml: cannot be read.*HALLMARK_POLICY_DIR"):
        policy_files(tmp_path)
