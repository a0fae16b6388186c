"""The shipped set, and how files are changed for a test."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import pytest

from registry.formats.yaml_lines import read_yaml
from registry.policies import loader
from registry.policies.evaluator import CompiledPolicy
from registry.policies.loader import Loaded
from registry.testing.policies import shipped, shipped_files

Changed = Callable[..., dict[str, bytes]]

_read_once = lru_cache(maxsize=32)(read_yaml)


@pytest.fixture(autouse=True)
def files_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most files of a changed set are as shipped, and reading is most of what loading costs."""
    monkeypatch.setattr(loader, "read_yaml", _read_once)


@pytest.fixture
def loaded() -> Loaded:
    return shipped()


@pytest.fixture
def policy(loaded: Loaded) -> CompiledPolicy:
    return loaded.policy


@pytest.fixture
def changed() -> Changed:
    """The shipped files, one of them with text replaced."""

    def change(file: str, old: str, new: str) -> dict[str, bytes]:
        text = shipped_files()[file].decode()
        assert old in text
        return shipped_files() | {file: text.replace(old, new, 1).encode()}

    return change
