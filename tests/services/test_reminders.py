"""Reminders of all that waits in an inbox."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from registry.db.engine import open_database
from registry.domain.access import Role
from registry.domain.events import Event
from registry.domain.inbox import InboxKind
from registry.domain.policy_sets import PolicyChange
from registry.domain.promotions import Outcome, Promotion
from registry.domain.reviews import Review
from registry.domain.terms import Acceptance
from registry.domain.times import show_time
from registry.domain.waivers import Waiver
from registry.names import (
    AcceptanceName,
    PolicyChangeName,
    PromotionName,
    ReviewName,
    WaiverName,
)
from registry.ports.database import Database
from registry.ports.tables import EventQuery
from registry.services.reminders import ReminderService
from registry.testing.db_driver import Call
from registry.testing.policies import shipped_files
from registry.testing.postgres import PostgresServer
from registry.testing.racing import at_once
from registry.testing.story import NAME, Story, name_of
from registry.testing.world import DAY_US, World, grant

REJECT = Outcome.REJECT
KINDS = tuple(InboxKind)
MARKS = ("half", "last_day")
TABLES = {
    InboxKind.PROMOTION: "promotions",
    InboxKind.WAIVER: "waivers",
    InboxKind.ACCESS: "acceptances",
    InboxKind.REVIEW: "reviews",
    InboxKind.POLICY: "policy_changes",
}
#: Sessions of PostgreSQL that wait for a row.
WAITING = """
SELECT count(DISTINCT pid) FROM pg_locks
WHERE NOT granted AND locktype IN ('transactionid', 'tuple')
"""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """One thing that waits, the detail that tells of it alone, and how it ends."""

    of: Promotion | Waiver | Acceptance | Review | PolicyChange
    detail: Mapping[str, object]
    decide: Callable[[], object]
    #: None where nobody can take it back.
    withdraw: Callable[[], object] | None


def promotion(story: Story) -> Waiting:
    asked = story.ask(story.released())
    name = PromotionName(number=asked.number)
    assert asked.waiting
    return Waiting(
        of=asked,
        detail={
            "version": asked.version,
            "digest": asked.digest,
            "stage": "production",
            "requester": "principals/alice",
            "waits_for": [{"rule": w.rule, "message": w.message} for w in asked.waiting],
        },
        decide=lambda: story.world.promotions.decide(
            story.bob, name, outcome=REJECT, comment="", digest=asked.digest, expected_current=0
        ),
        withdraw=lambda: story.world.promotions.withdraw(story.alice, name),
    )


def waiver(story: Story) -> Waiting:
    asked = story.world.waivers.request(
        story.alice, NAME, rule="METRIC-1", reason="soon mended", stage="", expire_time_us=None,
        request_id="",
    )  # fmt: skip
    name = WaiverName(number=asked.number)
    message = (
        "somebody who may decide on waivers in fraud, neither asked for it nor had a hand in the "
        "version"
    )
    return Waiting(
        of=asked,
        detail={
            "rule": "METRIC-1",
            "target": "models/fraud/scorer",
            "stage": "",
            "digest": "",
            "requester": "principals/alice",
            "waits_for": [{"rule": "", "message": message}],
        },
        decide=lambda: story.world.waivers.decide(
            story.sam, name, outcome=REJECT, comment="", policy_digest=""
        ),
        withdraw=lambda: story.world.waivers.withdraw(story.alice, name),
    )


def access(story: Story) -> Waiting:
    terms = story.world.terms.set(
        story.sam, NAME, label="v1", text="No evil.", url="", validity_days=10,
        approval_required=True, etag="", request_id="",
    )  # fmt: skip
    asked = story.world.acceptances.request(
        story.rosa, NAME, terms_digest=terms.digest, reason="research", on_behalf_of=""
    )
    name = AcceptanceName(number=asked.number)
    message = "somebody who may decide on access in fraud, neither asked for it nor is to be let in"
    return Waiting(
        of=asked,
        detail={
            "model": "fraud/scorer",
            "principal": "rosa",
            "terms_label": "v1",
            "requester": "principals/rosa",
            "waits_for": [{"rule": "", "message": message}],
        },
        decide=lambda: story.world.acceptances.decide(story.sam, name, outcome=REJECT, comment=""),
        withdraw=lambda: story.world.acceptances.revoke(story.rosa, name, comment=""),
    )


def review(story: Story) -> Waiting:
    """One of two has spoken."""
    moved = story.world.promotions.create(
        story.sam, name_of(story.released({"b.txt": b"b"})), stage="production", note="it is down",
        expected_current=0, expire_time_us=None, validate_only=False, request_id="",
        break_glass=True,
    )  # fmt: skip
    opened = story.world.database.read(lambda tx: tx.reviews.of_promotion(moved.number))
    assert opened is not None
    name = ReviewName(number=opened.number)
    story.world.reviews.decide(story.ben, name, outcome=Outcome.APPROVE, comment="")
    message = (
        "1 more of 2 who may decide on promotions in fraud, neither broke the glass nor had a hand "
        "in the version"
    )
    return Waiting(
        of=opened,
        detail={
            "promotion": moved.number,
            "version": moved.version,
            "digest": moved.digest,
            "stage": "production",
            "requester": "principals/sam",
            "waits_for": [{"rule": "", "message": message}],
        },
        decide=lambda: story.world.reviews.decide(story.bob, name, outcome=REJECT, comment="no"),
        withdraw=None,
    )


def policy(story: Story) -> Waiting:
    sue, eve = (story.world.caller(id, grant(Role.SECURITY)) for id in ("sue", "eve"))
    files = dict(shipped_files())
    files["settings.yaml"] = files["settings.yaml"].replace(b"2160h", b"24h")
    asked = story.world.policies.propose(
        sue, list(files.items()), note="shorter", validate_only=False, request_id=""
    )
    name = PolicyChangeName(number=asked.number)
    message = "a second person who may decide on policies"
    return Waiting(
        of=asked,
        detail={
            "digest": asked.digest,
            "from": asked.base_digest,
            "requester": "principals/sue",
            "waits_for": [{"rule": "", "message": message}],
        },
        decide=lambda: story.world.policies.decide(
            eve, name, outcome=REJECT, digest=asked.digest, comment="no"
        ),
        withdraw=lambda: story.world.policies.withdraw(sue, name),
    )


MAKE = {
    InboxKind.PROMOTION: promotion,
    InboxKind.WAIVER: waiver,
    InboxKind.ACCESS: access,
    InboxKind.REVIEW: review,
    InboxKind.POLICY: policy,
}


def reminders(story: Story) -> list[Event]:
    """Of all kinds, the oldest first."""
    query = EventQuery(namespace=None, oldest_first=True)
    found = story.world.database.read(lambda tx: tx.events.list(query, None, 1000))
    return [each for each in found if each.action.endswith(".remind")]


def moved_to(story: Story, time_us: int) -> None:
    story.world.clock.advance(time_us - story.world.clock.now_us())


@pytest.mark.parametrize("kind", KINDS)
def test_what_waits_is_told_of_twice(story: Story, kind: InboxKind) -> None:
    """At half of its time and a day before its end, each once, also after a restart, and no more at
    its end; the event says what it waits for, since when and until when."""
    made = MAKE[kind](story)
    start_us, end_us = made.of.create_time_us, made.of.expire_time_us
    told: list[str] = []
    for time_us, mark in (
        (start_us + (end_us - start_us) // 2, "half"),
        (end_us - DAY_US, "last_day"),
    ):
        moved_to(story, time_us - 1)
        story.world.reminders.remind()
        assert len(reminders(story)) == len(told)
        moved_to(story, time_us)
        for _ in range(2):
            ReminderService(database=story.world.database, clock=story.world.clock).remind()
        told.append(mark)
        found = reminders(story)
        assert len(found) == len(told)
        last = found[-1]
        assert (last.action, last.resource) == (f"{kind.value}.remind", made.of.name)
        assert last.namespace == ("" if kind is InboxKind.POLICY else "fraud")
        assert json.loads(last.detail_json) == {
            "when": mark,
            **made.detail,
            "since": show_time(start_us),
            "until": show_time(end_us),
        }
    moved_to(story, end_us)
    story.world.reminders.remind()
    assert len(reminders(story)) == 2


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        (kind, how)
        for kind, how in product(KINDS, ("decided", "withdrawn", "ended"))
        # A review is nobody's to take back.
        if (kind, how) != (InboxKind.REVIEW, "withdrawn")
    ],
)
def test_what_has_ended_is_not_told_of(story: Story, kind: InboxKind, how: str) -> None:
    """Neither what was decided or taken back in time, nor what nobody looked at in its time."""
    made = MAKE[kind](story)
    end = {"decided": made.decide, "withdrawn": made.withdraw, "ended": lambda: None}[how]
    assert end is not None
    end()
    moved_to(story, made.of.expire_time_us - (0 if how == "ended" else 1))
    assert not story.world.reminders.remind()
    assert reminders(story) == []


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer(fsync=False) as server:
        yield server


@dataclass(frozen=True, kw_only=True)
class Servers:
    """The services of two servers of one database."""

    story: Story
    services: list[ReminderService]

    @property
    def told(self) -> Counter[tuple[str, str]]:
        """How often of what at which mark."""
        found = reminders(self.story)
        return Counter((each.resource, json.loads(each.detail_json)["when"]) for each in found)


@contextmanager
def two_servers(folder: Path, url: str) -> Iterator[Servers]:
    """On SQLite, which one server serves, two of its threads."""
    with closing(World(folder, url=url)) as world, ExitStack() as stack:
        other: Database = world.database
        if url:
            other = stack.enter_context(closing(open_database(url, clock=world.clock)))
        second = ReminderService(database=other, clock=world.clock)
        yield Servers(story=Story(world), services=[world.reminders, second])


@pytest.fixture(params=["sqlite", "postgresql"])
def servers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Servers]:
    url = ""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").new_database()
    with two_servers(tmp_path, url) as made:
        yield made


@pytest.mark.slow
def test_two_servers_at_once_tell_once(servers: Servers) -> None:
    """Whoever comes first, each mark of each kind is told of once."""
    made = [MAKE[kind](servers.story) for kind in KINDS]
    for each in sorted(made, key=lambda each: each.of.expire_time_us):
        moved_to(servers.story, each.of.expire_time_us - 1)
        at_once([service.remind for service in servers.services * 4])
    assert servers.told == Counter(product([each.of.name for each in made], MARKS))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_none_comes_behind_a_decision(servers: Servers, kind: InboxKind) -> None:
    """Decided while both servers remind, it is told of before the decision or not at all."""
    story, (one, two) = servers.story, servers.services
    made = MAKE[kind](story)
    moved_to(story, made.of.expire_time_us - 1)
    at_once([one.remind, made.decide, two.remind, one.remind])
    query = EventQuery(namespace=None, resource=made.of.name, oldest_first=True)
    found = story.world.database.read(lambda tx: tx.events.list(query, None, 100))
    actions = [each.action for each in found]
    remind, decide = f"{kind.value}.remind", f"{kind.value}.decide"
    newest_first = actions[::-1]
    assert decide in newest_first
    assert remind not in newest_first[: newest_first.index(decide)]
    assert actions.count(remind) in (0, 2)


@pytest.mark.slow
@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_both_servers_have_seen_what_is_due(
    postgres: PostgresServer, tmp_path: Path, kind: InboxKind, ends: bool
) -> None:
    """Both wait for who holds what they found due: then one tells of it, or, if that one has ended
    it, none."""
    url = postgres.new_database()
    with (
        two_servers(tmp_path, url) as servers,
        create_engine(url, poolclass=NullPool).connect() as holder,
    ):
        made = MAKE[kind](servers.story)
        moved_to(servers.story, made.of.expire_time_us - 1)
        state = "rejected" if ends else "pending"
        holder.execute(
            text(f"UPDATE {TABLES[kind]} SET state = :state WHERE number = :number"),
            {"state": state, "number": made.of.number},
        )
        calls = [Call(service.remind) for service in servers.services]
        while holder.execute(text(WAITING)).scalar_one() < len(calls):
            assert all(call.is_alive() for call in calls)
        holder.commit()
        assert [call.outcome for call in calls] == [False, False]
        expected = () if ends else product([made.of.name], MARKS)
        assert servers.told == Counter(expected)
