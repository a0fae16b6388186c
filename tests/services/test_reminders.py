"""Reminders of promotions that wait."""

from __future__ import annotations

import json

from registry.domain.access import Role
from registry.ports.tables import EventQuery
from registry.services.reminders import ReminderService
from registry.testing.world import DAY_US, World, grant


def reminders(world: World) -> list[dict[str, object]]:
    query = EventQuery(namespace="fraud", action="promotion.remind", oldest_first=True)
    found = world.database.read(lambda tx: tx.events.list(query, None, 100))
    return [{"resource": each.resource, **json.loads(each.detail_json)} for each in found]


def test_a_promotion_that_waits_is_told_of_twice(world: World) -> None:
    """At half of its time and a day before its end, each once, also after a restart; the event
    says what it waits for, since when and until when."""
    world.model("fraud/scorer")
    version = world.version("fraud/scorer", {"a": b"a"})
    alice = world.caller("alice", grant(Role.REGISTRANT))
    from registry.names import VersionName

    asked = world.promotions.create(
        alice,
        VersionName.parse(version.name),
        stage="production",
        note="",
        expected_current=0,
        expire_time_us=world.clock.now_us() + 10 * DAY_US,
        validate_only=False,
        request_id="",
    )
    assert asked.waiting
    world.reminders.remind()
    assert reminders(world) == []
    world.clock.advance(5 * DAY_US)
    for _ in range(2):
        ReminderService(database=world.database, clock=world.clock).remind()
    (first,) = reminders(world)
    assert (first["resource"], first["when"]) == (asked.name, "half")
    assert [each["rule"] for each in first["waits_for"]] == [w.rule for w in asked.waiting]  # type: ignore[attr-defined]
    assert (first["since"], first["until"]) == ("2023-11-14T22:13:20Z", "2023-11-24T22:13:20Z")
    world.clock.advance(4 * DAY_US)
    for _ in range(2):
        world.reminders.remind()
    assert [each["when"] for each in reminders(world)] == ["half", "last_day"]


def test_what_has_ended_is_not_told_of(world: World) -> None:
    """A promotion that was withdrawn in time reminds nobody."""
    world.model("fraud/scorer")
    version = world.version("fraud/scorer", {"a": b"a"})
    alice = world.caller("alice", grant(Role.REGISTRANT))
    from registry.names import PromotionName, VersionName

    asked = world.promotions.create(
        alice, VersionName.parse(version.name), stage="production", note="", expected_current=0,
        expire_time_us=None, validate_only=False, request_id="",
    )  # fmt: skip
    world.promotions.withdraw(alice, PromotionName(number=asked.number))
    world.clock.advance(13 * DAY_US + DAY_US // 2)
    assert not world.reminders.remind()
    assert reminders(world) == []
