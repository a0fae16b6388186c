"""fsck: it names what is damaged, and removes bytes only where nothing can need them."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.domain.access import Role
from registry.domain.fsck import Report
from registry.errors import StartError
from registry.services.fsck import Fsck, check_belonging
from registry.testing.blobs import MemoryBlobStore
from registry.testing.story import Story
from registry.testing.world import World, grant

FILES = {"model.bin": b"weights"}


def repaired(world: World) -> Report:
    fsck = Fsck(
        database=world.database,
        blobs=world.blobs,
        clock=world.clock,
        quick=False,
        tell=lambda _: None,
    )
    return fsck.run(remove_orphans=True)


def test_what_nothing_refers_to_is_removed(world: World, story: Story) -> None:
    """Bytes of versions stay, others go."""
    story.push(FILES)
    orphan = world.store(b"nobody's")
    report = repaired(world)
    assert (report.problems, report.orphans, report.removed) == ((), (orphan,), 1)
    assert world.blobs.stat(orphan) is None
    assert repaired(world).orphans == ()


def test_nothing_is_removed_beside_damage(world: World, story: Story) -> None:
    """A mend may need bytes that a damaged registry does not refer to."""
    story.push(FILES)
    orphan = world.store(b"perhaps somebody's")
    (kept,) = (stat.sha256 for stat in world.blobs.list_blobs() if stat.sha256 != orphan)
    world.blobs.delete(kept)
    report = repaired(world)
    assert report.problems == (f"sha256 {kept}: the bytes are not there",)
    assert report.removed == 0
    assert world.blobs.stat(orphan) is not None


def test_bytes_of_another_database_are_left_alone(tmp_path: Path) -> None:
    """An empty database is told from one whose registry holds nothing."""
    blobs = MemoryBlobStore(now_us=lambda: 1)
    world = World(tmp_path, blobs=blobs)
    check_belonging(world.database, blobs)
    stored = world.store(b"of a lost database")
    with pytest.raises(StartError, match="database is empty"):
        check_belonging(world.database, blobs)
    assert "database is empty" in repaired(world).problems[0]
    assert blobs.stat(stored) is not None
    ada = world.caller("ada", grant(Role.ADMIN))
    check_belonging(world.database, blobs)
    world.namespaces.create(ada, "fraud", description="", owner="", request_id="")
    assert repaired(world).removed == 1
    world.close()
