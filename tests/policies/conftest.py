"""The shipped set, and how files are changed for a test."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from registry.policies.evaluator import CompiledPolicy
from registry.policies.loader import Loaded
from registry.testing.policies import shipped, shipped_files

Changed = Callable[..., dict[str, bytes]]


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
