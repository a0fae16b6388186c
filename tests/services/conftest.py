"""A world of its own for each test of the services."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.testing.story import Story
from registry.testing.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def story(world: World) -> Story:
    return Story(world)
