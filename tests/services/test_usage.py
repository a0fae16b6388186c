"""Usage: likes, and who may see what by principal. Downloads are counted in test_downloads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from registry.domain.access import Role
from registry.errors import NotFoundError, PermissionDeniedError
from registry.names import ModelName
from registry.testing.world import World, grant

SCORER = ModelName(path="fraud/scorer")


def test_likes_count_once_a_principal(world: World) -> None:
    """Liking and taking back repeat safely, and the counts are those of principals."""
    world.model("fraud/scorer")
    ada, bob = (world.caller(id, grant(Role.READER)) for id in ("ada", "bob"))
    assert [world.usage.like(ada, SCORER) for _ in range(2)] == [1, 1]
    assert world.usage.like(bob, SCORER) == 2
    usage = world.usage.get(ada, SCORER)
    assert (usage.like_count, usage.liked) == (2, True)
    assert [world.usage.unlike(ada, SCORER) for _ in range(2)] == [1, 1]
    assert not world.usage.get(ada, SCORER).liked
    assert world.models.get(ada, SCORER).like_count == 1


def test_racing_likes_are_all_counted(world: World) -> None:
    """Sixteen principals who like at once, twice each, make sixteen likes."""
    world.model("fraud/scorer")
    callers = [world.caller(f"p{number}", grant(Role.READER)) for number in range(16)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda caller: world.usage.like(caller, SCORER), callers * 2))
    assert world.usage.get(callers[0], SCORER).like_count == 16


def test_rows_by_principal_need_usage_read(world: World) -> None:
    """Who fetched what is told to those who hold usage.read; counts to every reader."""
    version_key = (world.model("fraud/scorer"), world.version("fraud/scorer", {"a": b"a"}))[1].key
    world.database.write(lambda tx: tx.usage.record_download("d1", version_key, "bob", 7))
    reader = world.caller("ada", grant(Role.READER))
    auditor = world.caller("olga", grant(Role.AUDITOR))
    assert world.usage.get(reader, SCORER).principals == ()
    assert world.usage.get(reader, SCORER).versions[0].download_count == 1
    (row,) = world.usage.get(auditor, SCORER).principals
    assert (row.principal, row.version, row.last_time_us) == (
        "bob",
        "models/fraud/scorer/versions/1",
        7,
    )


def test_permission_comes_before_existence(world: World) -> None:
    """Without model.read a model that is not there looks like one that is."""
    world.model("fraud/scorer")
    bob = world.caller("bob", grant(Role.READER, "vision"))
    ada = world.caller("ada", grant(Role.READER))
    for call in (world.usage.get, world.usage.like, world.usage.unlike):
        for path in ("fraud/scorer", "fraud/none"):
            with pytest.raises(PermissionDeniedError):
                call(bob, ModelName(path=path))
        with pytest.raises(NotFoundError):
            call(ada, ModelName(path="fraud/none"))
