"""A served registry for each test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from registry.blobs.local import LocalBlobStore
from registry.testing.site import Site
from registry.testing.world import World


@contextmanager
def served(folder: Path) -> Iterator[Site]:
    world = World(folder)
    made = Site(world)
    yield made
    made.stop()
    world.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for all tests of a file, for those that leave nothing behind."""
    with served(tmp_path_factory.mktemp("site")) as made:
        yield made


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Site]:
    """One for a single test."""
    with served(tmp_path) as made:
        yield made


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Site]:
    """A site whose bytes lie on the disk."""
    store = LocalBlobStore(tmp_path / "blobs")
    store.check()
    world = World(tmp_path, blobs=store)
    made = Site(world)
    yield made
    made.stop()
    world.close()
