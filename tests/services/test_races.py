"""Callers at the same time, on SQLite and on PostgreSQL: who wins, and that nothing is torn."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from registry.domain.access import Role
from registry.domain.commits import Commit
from registry.domain.pages import PageRequest
from registry.domain.promotions import Outcome, Promotion, PromotionState
from registry.domain.references import ReferenceKind
from registry.domain.versions import LineageKind, Version, VersionState
from registry.errors import (
    InvalidStateError,
    LineageCycleError,
    NotEmptyError,
    PolicyRefusedError,
    TargetMovedError,
)
from registry.names import PolicyChangeName, PromotionName, ReferenceName
from registry.services.commits import Change
from registry.services.facts import VersionFacts
from registry.services.policy_sets import ActivePolicies
from registry.services.promotions import PromotionService
from registry.services.sources import Source
from registry.testing.policies import RememberingReader, shipped_files
from registry.testing.postgres import PostgresServer
from registry.testing.racing import THREADS, at_once, lost, won
from registry.testing.story import NAME, Story, name_of
from registry.testing.world import World, grant

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer(fsync=False) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def story(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Story]:
    url = ""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").new_database()
    world = World(tmp_path, url=url)
    yield Story(world)
    world.close()


def decide(story: Story, promotion: Promotion, *, expected: int = 0) -> Promotion:
    return story.world.promotions.decide(
        story.bob,
        PromotionName(number=promotion.number),
        outcome=Outcome.APPROVE,
        comment="",
        digest=promotion.digest,
        expected_current=expected,
    )


def released(story: Story, count: int) -> list[Version]:
    """In order of their numbers."""
    for number in range(count):
        story.push({"a.txt": str(number).encode()})
    while story.world.vetting.run_pending(100):
        pass
    return list(reversed(story.versions()))


@pytest.mark.parametrize("count", [60, pytest.param(1000, marks=pytest.mark.soak)])
def test_racing_promotions(story: Story, count: int) -> None:
    """However many decisions race, one version is in production at any moment, and the history
    names each that was, without a gap."""
    versions = released(story, count)
    promotions = [story.ask(version) for version in versions]
    stop = threading.Event()
    seen: list[int] = []

    def watch() -> None:
        while not stop.is_set():
            open_ones = story.world.database.read(lambda tx: tx.stages.of_model(NAME.path))
            seen.append(len(open_ones))

    watcher = threading.Thread(target=watch)
    watcher.start()
    results = at_once([lambda p=p: decide(story, p) for p in promotions])  # type: ignore[misc]
    stop.set()
    watcher.join()
    assert len(won(results)) == len(promotions)
    assert set(seen) <= {0, 1}
    periods = story.world.database.read(
        lambda tx: tx.stages.history(NAME.path, "production", None, count + 1)
    )
    assert sorted(p.version_number for p in periods) == [v.number for v in versions]
    assert sum(p.end_time_us is None for p in periods) == 1
    for later, earlier in pairwise(periods):
        assert earlier.end_time_us == later.start_time_us
        assert later.previous_number == earlier.version_number
    holders = [v.number for v in story.versions() if "production" in v.stages]
    assert holders == [periods[0].version_number]


def test_racing_conditional_promotions(story: Story) -> None:
    """Of decisions that all expect an empty stage one moves it; the others are not recorded."""
    promotions = [story.ask(version, expected=-1) for version in released(story, 16)]
    results = at_once([lambda p=p: decide(story, p) for p in promotions])  # type: ignore[misc]
    (done,) = won(results)
    assert lost(results) == {TargetMovedError}
    assert story.in_stage() == done.version_number
    for promotion in promotions:
        found = story.world.promotions.get(story.rosa, PromotionName(number=promotion.number))
        complete = promotion.number == done.number
        assert (found.state is PromotionState.COMPLETED) is complete
        assert len(found.decisions) == complete


def test_racing_decisions_on_one_promotion(story: Story) -> None:
    """Of many people who approve the same request one completes it, and the stage moves once."""
    people = [story.world.caller(f"r{n}", grant(Role.REVIEWER, "fraud")) for n in range(16)]
    promotion = story.ask(story.released())

    def approve(by: int) -> Promotion:
        return story.world.promotions.decide(
            people[by],
            PromotionName(number=promotion.number),
            outcome=Outcome.APPROVE,
            comment="",
            digest=promotion.digest,
            expected_current=0,
        )

    results = at_once([lambda n=n: approve(n) for n in range(16)])  # type: ignore[misc]
    assert len(won(results)) == 1
    assert lost(results) == {InvalidStateError}
    history = story.world.database.read(
        lambda tx: tx.stages.history(NAME.path, "production", None, 10)
    )
    assert len(history) == 1


def test_racing_rollbacks(story: Story) -> None:
    """Of rollbacks that all expect the same version one happens."""
    for version in released(story, 3):
        story.promote(version)

    def roll_back() -> int:
        return story.world.stages.rollback(
            story.dora,
            NAME,
            stage="production",
            version=None,
            to_empty=False,
            expected_current=3,
            note="",
            validate_only=False,
            request_id="",
        ).version_number

    results = at_once([roll_back] * 16)
    assert won(results) == [2]
    assert lost(results) == {TargetMovedError}


def test_yank_against_promotion(story: Story) -> None:
    """A version is yanked or comes into production, never both."""
    for number in range(8):
        version = story.released({"b.txt": str(number).encode()})
        promotion = story.ask(version)
        results = at_once(
            [
                lambda p=promotion: decide(story, p),  # type: ignore[misc]
                lambda v=version: story.world.yanks.yank(  # type: ignore[misc]
                    story.alice, name_of(v), reason="r", validate_only=False
                ),
            ]
        )
        assert len(won(results)) == 1
        assert lost(results) <= {InvalidStateError, NotEmptyError}
        now = story.now(version)
        assert (now.state is VersionState.YANKED) is not ("production" in now.stages)


def test_racing_versions(story: Story) -> None:
    """Racing calls get a number each, and their commits lie in a line."""
    sources = [story.send({"a.txt": str(number).encode()}) for number in range(48)]
    results = at_once([lambda s=s: story.create(s) for s in sources])  # type: ignore[misc]
    assert sorted(v.number for v in won(results)) == list(range(1, 49))
    page = story.world.commits.list(story.rosa, NAME, "", PageRequest(size=1000))
    by_number = {version.commit: version.number for version in story.versions()}
    assert [by_number[commit.id] for commit in page.items] == list(range(48, 0, -1))


def test_racing_repeats(story: Story) -> None:
    """Of many calls with one request_id one makes a version, and all answer with that."""
    source = story.send({"a.txt": b"1"})
    results = at_once([lambda: story.create(source, request_id="r")] * 16)
    assert {version.number for version in won(results)} == {1}
    assert lost(results) == set()
    assert len(story.versions()) == 1


def test_racing_commits(story: Story) -> None:
    """Of commits that expect the same head one lands; without an expectation all do, and none
    loses another's file."""
    head = story.commit({"base": b"0"}).id
    sources = [story.send({f"f{number}": b"x"}) for number in range(16)]

    def commit(source: Source, expected_head: str) -> Commit:
        return story.world.commits.create(
            story.alice,
            NAME,
            branch="",
            expected_head=expected_head,
            change=Change(source=source, deleted_paths=(), replace_tree=False),
            message="m",
            request_id="",
        )

    results = at_once([lambda s=s: commit(s, head) for s in sources])  # type: ignore[misc]
    assert len(won(results)) == 1
    assert lost(results) == {TargetMovedError}
    free = at_once([lambda s=s: commit(s, "") for s in sources])  # type: ignore[misc]
    assert len(won(free)) == 16
    assert story.cut("main").file_count == 17


@pytest.mark.parametrize("expected", ["none", "versions/1"])
def test_racing_references(story: Story, expected: str) -> None:
    """Of moves with one expectation one wins."""
    versions = [story.push({"a.txt": str(number).encode()}) for number in range(17)]

    def move(to: Version, expected_target: str) -> str:
        return story.world.references.set(
            story.alice,
            ReferenceName(model=NAME, reference="best"),
            kind=ReferenceKind.ALIAS,
            target=to.name,
            expected_target=expected_target,
        ).target

    if expected != "none":
        expected = move(versions[0], "")
    results = at_once([lambda v=v: move(v, expected) for v in versions[1:]])  # type: ignore[misc]
    (target,) = won(results)
    assert lost(results) == {TargetMovedError}
    found = story.world.references.get(story.rosa, ReferenceName(model=NAME, reference="best"))
    assert found.target == target


def test_racing_cycles(story: Story) -> None:
    """Of edges that would close a cycle between them at least one fails."""
    versions = [story.push({"a.txt": str(number).encode()}) for number in range(12)]

    def link(child: Version, parent: Version) -> None:
        story.world.lineage.create(story.alice, name_of(child), name_of(parent), LineageKind.MERGE)

    ring = [*pairwise(versions), (versions[-1], versions[0])]
    results = at_once([lambda c=c, p=p: link(c, p) for c, p in ring])  # type: ignore[misc]
    assert len(won(results)) == len(ring) - 1
    assert lost(results) == {LineageCycleError}


def test_racing_judges(story: Story) -> None:
    """Versions that come while others are judged are judged too, each once."""
    sources = [story.send({"a.txt": str(number).encode()}) for number in range(24)]
    done = threading.Event()

    def judge() -> None:
        while not done.is_set() or story.world.vetting.run_pending(100):
            story.world.vetting.run_pending(5)

    judging = threading.Thread(target=judge)
    judging.start()
    results = at_once([lambda s=s: story.create(s) for s in sources])  # type: ignore[misc]
    done.set()
    judging.join()
    assert len(won(results)) == 24
    assert {version.state for version in story.versions()} == {VersionState.RELEASED}


#: When it began, and the promotion or why it was refused.
Tried = tuple[float, Promotion | str]


def test_a_policy_changes_while_others_approve(story: Story) -> None:
    """Once a set is active nobody completes a promotion under the one before, in whatever process;
    what completed meanwhile did so under that one."""
    world = story.world
    sam = world.caller("sam-all", grant(Role.SECURITY))
    eve = world.caller("eve-all", grant(Role.SECURITY))
    freeze = b'freezes: [{start: "2000-01-01T00:00:00Z", end: "2100-01-01T00:00:00Z", '
    changed = dict(shipped_files())
    changed["settings.yaml"] = changed["settings.yaml"].replace(
        b"freezes: []", freeze + b"stages: [], reason: race}]"
    )
    elsewhere = PromotionService(
        database=world.database,
        clock=world.clock,
        policies=ActivePolicies(database=world.database, reader=RememberingReader()),
        facts=VersionFacts(),
    )
    promotions = []
    for number in range(THREADS):
        model = f"fraud/race-{number}"
        world.model(model)
        version = story.vetted(story.push({"a.txt": b"%d" % number}, model=model))
        promotions.append(story.ask(version))
    before = world.policy.digest
    change = world.policies.propose(
        sam, list(changed.items()), note="freeze", validate_only=False, request_id=""
    )
    ended: list[float] = []

    def activate() -> Tried:
        world.policies.decide(
            eve,
            PolicyChangeName(number=change.number),
            outcome=Outcome.APPROVE,
            digest=change.digest,
            comment="",
        )
        ended.append(time.monotonic())
        return ended[0], ""

    def approve(promotion: Promotion) -> Tried:
        start = time.monotonic()
        service = elsewhere if promotion.number % 2 else world.promotions
        try:
            decided = service.decide(
                story.bob,
                PromotionName(number=promotion.number),
                outcome=Outcome.APPROVE,
                comment="",
                digest=promotion.digest,
                expected_current=0,
            )
        except PolicyRefusedError as error:
            return start, str(error)
        return start, decided

    calls: list[Callable[[], Tried]] = [partial(approve, each) for each in promotions]
    calls.insert(4, activate)
    results = won(at_once(calls))
    assert len(results) == THREADS + 1
    for start, decided in results:
        if isinstance(decided, str):
            assert not decided or "FREEZE" in decided
        else:
            assert start <= ended[0]
            assert decided.state is PromotionState.COMPLETED
            name = PromotionName(number=decided.number)
            assert world.policies.explain(story.rosa, name, "bob").record.policy_digest == before
    assert world.policies.active_digest() == change.digest
