"""Reminders of promotions that wait."""

from __future__ import annotations

import json

from registry.domain.access import Role
from registry.domain.policy_sets import PROPOSAL_TTL_US
from registry.ports.tables import EventQuery
from registry.services.reminders import ReminderService
from registry.testing.policies import shipped_files
from registry.testing.world import DAY_US, World, grant


def reminders(world: World, of: str = "promotion") -> list[dict[str, object]]:
    query = EventQuery(namespace=None, action=f"{of}.remind", oldest_first=True)
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


def test_a_proposed_policy_is_told_of_twice(world: World) -> None:
    """As a promotion is: at half of its time and a day before its end, each once, also after a
    restart, and no more once it has ended."""
    sue = world.caller("sue", grant(Role.SECURITY))
    files = dict(shipped_files())
    files["settings.yaml"] = files["settings.yaml"].replace(b"2160h", b"24h")
    change = world.policies.propose(
        sue, list(files.items()), note="shorter", validate_only=False, request_id=""
    )
    world.clock.advance(PROPOSAL_TTL_US // 2 - 1)
    world.reminders.remind()
    assert reminders(world, "policy") == []
    world.clock.advance(1)
    for _ in range(2):
        ReminderService(database=world.database, clock=world.clock).remind()
    (first,) = reminders(world, "policy")
    assert (first["resource"], first["when"]) == (change.name, "half")
    assert (first["digest"], first["from"]) == (change.digest, change.base_digest)
    assert (first["since"], first["until"]) == ("2023-11-14T22:13:20Z", "2023-11-28T22:13:20Z")
    world.clock.advance(PROPOSAL_TTL_US // 2 - DAY_US)
    for _ in range(2):
        world.reminders.remind()
    assert [each["when"] for each in reminders(world, "policy")] == ["half", "last_day"]
    world.clock.advance(DAY_US)
    world.reminders.remind()
    assert len(reminders(world, "policy")) == 2
