"""A world of its own for each test of the services."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.domain.access import Caller, Role
from registry.testing.reruns import Judge
from registry.testing.story import Story
from registry.testing.world import World, grant


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def story(world: World) -> Story:
    return Story(world)


@pytest.fixture
def judge(story: Story) -> Judge:
    return Judge(story)


@pytest.fixture
def eve(story: Story) -> Caller:
    """Who may have versions vetted anew."""
    return story.world.caller("eve", grant(Role.SECURITY))
