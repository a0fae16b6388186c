"""Decisions at the same time as what takes their ground away, on SQLite and on PostgreSQL.

Whatever comes first: no version is in production without the decisions that the policy of that
moment demands, and the log tells one story of it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from registry.domain.access import Caller, Role
from registry.domain.events import Event
from registry.domain.policy_sets import PROPOSAL_TTL_US, ChangeState, PolicyChange
from registry.domain.promotions import Outcome, Promotion, PromotionState
from registry.domain.references import ReferenceKind
from registry.domain.reviews import ReviewState
from registry.domain.versions import Verdict, Version, VersionState, Vetting
from registry.domain.waivers import WaiverState
from registry.errors import (
    AlreadyExistsError,
    AlreadyInStageError,
    InvalidStateError,
    NotIndependentError,
    PolicyRefusedError,
    TargetMovedError,
)
from registry.names import (
    ModelName,
    PolicyChangeName,
    PromotionName,
    ReferenceName,
    ReviewName,
    WaiverName,
)
from registry.policies.google import GoogleEngine
from registry.policies.loader import load
from registry.ports.database import Transaction
from registry.ports.tables import EventQuery
from registry.testing.policies import shipped_files
from registry.testing.postgres import PostgresServer
from registry.testing.racing import at_once, lost, won
from registry.testing.story import Story, name_of
from registry.testing.world import World, grant

pytestmark = pytest.mark.slow

ROUNDS = 6
_MODELS = count(1)
FROZEN = (
    b'freezes: [{start: "2000-01-01T00:00:00Z", end: "2100-01-01T00:00:00Z", '
    b"stages: [], reason: race}]"
)


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


def fresh(story: Story) -> Version:
    """A released version of a model of its own."""
    model = f"fraud/race-{next(_MODELS)}"
    story.world.model(model)
    return story.vetted(story.push({"a.txt": model.encode()}, model=model))


def activate(story: Story, *changes: tuple[str, bytes, bytes]) -> str:
    """Make the shipped files, with text replaced, the active set."""
    files = dict(shipped_files())
    for file, old, new in changes:
        assert old in files[file]
        files[file] = files[file].replace(old, new, 1)
    policy = load(files, GoogleEngine()).policy

    def fn(tx: Transaction) -> None:
        tx.policies.put(policy.digest, policy.policy_set.content(), 0)
        tx.policies.activate(policy.digest, tx.policies.active(), 0)

    story.world.database.write(fn)
    return policy.digest


TWO = ("promote.yaml", b"others.size() >= 1", b"others.size() >= 2")


def decide(
    story: Story,
    promotion: Promotion,
    by: Caller | None = None,
    outcome: Outcome = Outcome.APPROVE,
) -> Promotion:
    return story.world.promotions.decide(
        by or story.bob,
        PromotionName(number=promotion.number),
        outcome=outcome,
        comment="",
        digest=promotion.digest,
        expected_current=0,
    )


def stored(story: Story, promotion: Promotion) -> Promotion:
    found = story.world.database.read(lambda tx: tx.promotions.get(promotion.number))
    assert found is not None
    return found


def told(story: Story, resource: str) -> list[str]:
    """Actions on a resource, in the order of the log."""
    query = EventQuery(namespace=None, resource=resource, oldest_first=True)
    return [event.action for event in found_events(story, query)]


def found_events(story: Story, query: EventQuery) -> Sequence[Event]:
    return story.world.database.read(lambda tx: tx.events.list(query, None, 99))


def check(story: Story, promotion: Promotion) -> bool:
    """Whether it moved its stage; if so, by decisions that its record says were enough."""
    found = stored(story, promotion)
    inside = story.in_stage(promotion.stage, promotion.model) == promotion.version_number
    moved = found.state is PromotionState.COMPLETED
    assert inside is moved
    assert told(story, promotion.name).count("promotion.decide") == len(found.decisions)
    if moved:
        last = found.decisions[-1]
        record = story.world.database.read(
            lambda tx: tx.policies.recorded(promotion.number, last.decider)
        )
        assert record is not None
        assert record[0].policy_digest == last.policy_digest
        assert all(each["passed"] for each in json.loads(record[0].results_json))
        document = json.loads(record[1])
        assert document["version"]["state"] == "RELEASED"
        assert document["version"]["digest"] == promotion.digest
        assert document["version"]["rules_digest"] == last.rules_digest
    return moved


def test_approval_against_a_new_verdict(story: Story) -> None:
    """A version that vetting fails at that moment is approved as it was before, or not at all."""
    for number in range(ROUNDS):
        version = fresh(story)
        promotion = story.ask(version)
        failed = Vetting(
            verdict=Verdict.FAIL,
            findings=(),
            rules_digest=f"sha256:new-{number}",
            time_us=story.world.clock.now_us(),
        )
        vet = [(version.key, failed, VersionState.REJECTED)]
        results = at_once(
            [
                lambda p=promotion: decide(story, p),  # type: ignore[misc]
                lambda v=vet: story.world.database.write(lambda tx: tx.versions.set_vetting(v)),  # type: ignore[misc]
            ]
        )
        assert lost(results) <= {PolicyRefusedError}
        assert check(story, promotion) is not bool(lost(results))
        assert story.now(version).state is VersionState.REJECTED


def test_approval_against_a_branch_that_moves(story: Story) -> None:
    """What a decision is about is a digest: neither a branch, nor an alias, nor a newer version
    takes its place."""
    for _ in range(ROUNDS):
        version = fresh(story)
        model = ModelName(path=version.model)
        promotion = story.ask(version)
        source = story.send({"b.txt": version.model.encode()})
        reference = ReferenceName(model=model, reference="best")

        def push_and_point(
            model: ModelName = model, reference: ReferenceName = reference, source: object = source
        ) -> None:
            newer = story.create(source, model=model)  # type: ignore[arg-type]
            story.world.references.set(
                story.alice,
                reference,
                kind=ReferenceKind.ALIAS,
                target=newer.name,
                expected_target="",
            )

        calls: list[Callable[[], object]] = [partial(decide, story, promotion), push_and_point]
        results = at_once(calls)
        assert lost(results) == set()
        assert check(story, promotion)
        assert stored(story, promotion).digest == version.digest


def test_approval_against_its_end(story: Story) -> None:
    """A promotion whose time runs out at that moment is completed or expired, and told as one."""
    clock = story.world.clock
    for _ in range(ROUNDS):
        promotion = story.ask(fresh(story))

        def end(promotion: Promotion = promotion) -> None:
            clock.advance(promotion.expire_time_us - clock.now_us())
            story.world.promotions.expire_overdue()

        calls: list[Callable[[], object]] = [partial(decide, story, promotion), end]
        results = at_once(calls)
        assert lost(results) <= {InvalidStateError}
        moved = check(story, promotion)
        story.world.promotions.expire_overdue()
        assert moved is not bool(lost(results))
        ends = [
            a for a in told(story, promotion.name) if a in ("promotion.decide", "promotion.expire")
        ]
        assert ends == (["promotion.decide"] if moved else ["promotion.expire"])


def test_one_person_with_two_tokens(story: Story) -> None:
    """Where two are asked for, one who speaks twice at once counts once; and so does who made a
    token for another, at whatever moment either speaks."""
    activate(story, TWO)
    second = story.world.login("bob").caller
    roles = (grant(Role.ADMIN), grant(Role.REVIEWER, "fraud"))
    adele = story.world.caller("adele", *roles)
    as_ben = story.world.login("ben", creator="principals/adele").caller
    for _ in range(ROUNDS):
        promotion = story.ask(fresh(story))
        results = at_once([partial(decide, story, promotion, by) for by in (story.bob, second)])
        assert lost(results) == set()
        assert not check(story, promotion)
        assert len(stored(story, promotion).decisions) == 1
        other = story.ask(fresh(story))
        results = at_once([partial(decide, story, other, by) for by in (adele, as_ben)])
        assert lost(results) == {NotIndependentError}
        assert not check(story, other)
        assert len(stored(story, other).decisions) == 1


def test_withdrawal_against_decisions(story: Story) -> None:
    """A request that is withdrawn while others decide ends once."""
    for number in range(ROUNDS):
        promotion = story.ask(fresh(story))
        outcome = Outcome.REJECT if number % 2 else Outcome.APPROVE
        name = PromotionName(number=promotion.number)
        results = at_once(
            [
                partial(decide, story, promotion, story.bob, outcome),
                partial(story.world.promotions.withdraw, story.alice, name),
                partial(decide, story, promotion, story.ben, outcome),
            ]
        )
        assert lost(results) == {InvalidStateError}
        (done,) = won(results)
        assert stored(story, promotion).state is done.state
        assert check(story, promotion) is (done.state is PromotionState.COMPLETED)
        assert len(told(story, promotion.name)) == 2


def test_rollback_against_promotion(story: Story) -> None:
    """A stage that is rolled back while something enters it holds one of the two, by a history
    without a gap."""
    for _ in range(ROUNDS):
        first = fresh(story)
        model = first.model
        story.promote(first)
        second = story.vetted(story.push({"b.txt": b"b"}, model=model))
        story.promote(second)
        third = story.vetted(story.push({"c.txt": b"c"}, model=model))
        promotion = story.ask(third)

        def roll_back(model: str = model) -> int:
            return story.world.stages.rollback(
                story.dora,
                ModelName(path=model),
                stage="production",
                version=None,
                to_empty=False,
                expected_current=0,
                note="",
                validate_only=False,
                request_id="",
            ).version_number

        results = at_once([lambda p=promotion: decide(story, p).version_number, roll_back])  # type: ignore[misc]
        assert lost(results) == set()
        history = story.world.database.read(
            lambda tx, model=model: tx.stages.history(model, "production", None, 10)  # type: ignore[misc]
        )
        assert [p.version_number for p in history] in ([3, 1, 2, 1], [2, 3, 2, 1])
        assert all(p.promotion is not None for p in history)
        assert stored(story, promotion).state is PromotionState.COMPLETED


def test_a_waiver_is_revoked_while_it_is_used(story: Story) -> None:
    """What enters a frozen stage does so by a waiver that is in force, or not at all."""
    for _ in range(ROUNDS):
        activate(story)
        version = fresh(story)
        promotion = story.ask(version)
        waiver = story.world.waivers.request(
            story.alice,
            name_of(version),
            rule="FREEZE",
            reason="why not",
            stage="",
            expire_time_us=None,
            request_id="",
        )
        name = WaiverName(number=waiver.number)
        activate(story, ("settings.yaml", b"freezes: []", FROZEN))
        story.world.waivers.decide(
            story.sam, name, outcome=Outcome.APPROVE, comment="", policy_digest=""
        )
        results = at_once(
            [
                lambda p=promotion: decide(story, p).state,  # type: ignore[misc]
                lambda n=name: story.world.waivers.revoke(story.alice, n, comment="").state,  # type: ignore[misc]
            ]
        )
        assert lost(results) <= {PolicyRefusedError}
        assert WaiverState.REVOKED in won(results)
        assert check(story, promotion) is not bool(lost(results))


def test_racing_reviews(story: Story) -> None:
    """A broken glass that two people judge differently at once is rejected or upheld, once."""
    other = story.world.caller("rae", grant(Role.REVIEWER, "fraud"))
    for _ in range(ROUNDS):
        version = fresh(story)
        promotion = story.world.promotions.create(
            story.sam,
            name_of(version),
            stage="production",
            note="down",
            expected_current=0,
            expire_time_us=None,
            validate_only=False,
            request_id="",
            break_glass=True,
        )
        review = story.world.database.read(
            lambda tx, n=promotion.number: tx.reviews.of_promotion(n)  # type: ignore[misc]
        )
        assert review is not None

        def say(by: Caller, outcome: Outcome, number: int = review.number) -> ReviewState:
            name = ReviewName(number=number)
            return story.world.reviews.decide(by, name, outcome=outcome, comment="").state

        results = at_once(
            [
                partial(say, story.bob, Outcome.APPROVE),
                partial(say, story.ben, Outcome.REJECT),
                partial(say, other, Outcome.APPROVE),
            ]
        )
        assert lost(results) <= {InvalidStateError}
        ended = [s for s in won(results) if s is not ReviewState.PENDING]
        assert len(ended) == 1
        events = told(story, review.name)
        assert events.count("review.uphold") + events.count("review.reject") == 1
        assert events.count("review.decide") == len(won(results))


def test_broken_glass_against_an_approval(story: Story) -> None:
    """A stage that is moved both ways at once is moved once, and no request stays open."""
    for _ in range(ROUNDS):
        version = fresh(story)
        promotion = story.ask(version)

        def break_glass(version: Version = version) -> Promotion:
            return story.world.promotions.create(
                story.sam,
                name_of(version),
                stage="production",
                note="down",
                expected_current=0,
                expire_time_us=None,
                validate_only=False,
                request_id="",
                break_glass=True,
            )

        results = at_once([lambda p=promotion: decide(story, p), break_glass])  # type: ignore[misc]
        assert lost(results) <= {InvalidStateError, AlreadyInStageError}
        (done,) = won(results)
        assert done.state is PromotionState.COMPLETED
        assert stored(story, promotion).state in (
            PromotionState.COMPLETED,
            PromotionState.WITHDRAWN,
        )
        history = story.world.database.read(
            lambda tx, m=version.model: tx.stages.history(m, "production", None, 10)  # type: ignore[misc]
        )
        assert [period.promotion for period in history] == [done.number]


# Which policy set is active.


@pytest.fixture
def changers(story: Story) -> tuple[Caller, Caller, Caller]:
    """People who may change the policy."""
    sue, eve, max_ = (story.world.caller(id, grant(Role.SECURITY)) for id in ("sue", "eve", "max"))
    return sue, eve, max_


def propose(story: Story, by: Caller, tag: int) -> PolicyChange:
    files = dict(shipped_files())
    files["settings.yaml"] = files["settings.yaml"].replace(
        b"custom: {}", b"custom: {tag: %d}" % tag
    )
    return story.world.policies.propose(
        by, list(files.items()), note="race", validate_only=False, request_id=""
    )


def agree(
    story: Story, by: Caller, change: PolicyChange, outcome: Outcome = Outcome.APPROVE
) -> PolicyChange:
    return story.world.policies.decide(
        by,
        PolicyChangeName(number=change.number),
        outcome=outcome,
        digest=change.digest,
        comment="",
    )


def test_racing_proposals(story: Story, changers: tuple[Caller, Caller, Caller]) -> None:
    """Of people who propose the same set at once one does, and the others hear of it."""
    for tag in range(ROUNDS):
        results = at_once([partial(propose, story, by, tag) for by in changers])
        assert len(won(results)) == 1
        assert lost(results) == {AlreadyExistsError}


def test_racing_agreements(story: Story, changers: tuple[Caller, Caller, Caller]) -> None:
    """Of proposals over one base that are approved at once one becomes active; of people who
    decide on one at once, one does."""
    sue, eve, max_ = changers
    for tag in range(1, ROUNDS):
        one, other = propose(story, sue, 2 * tag), propose(story, eve, 2 * tag + 1)
        results = at_once(
            [
                partial(agree, story, eve, one),
                partial(agree, story, sue, other),
                partial(agree, story, max_, one, Outcome.REJECT),
                partial(agree, story, max_, other),
            ]
        )
        assert lost(results) <= {TargetMovedError, InvalidStateError}
        activated = [c for c in won(results) if c.state is ChangeState.ACTIVATED]
        assert len(activated) == 1
        assert story.world.policies.active_digest() == activated[0].digest
        activations = EventQuery(namespace="", action="policy.activate")
        assert len(found_events(story, activations)) == tag
        for each in (one, other):
            with contextlib.suppress(InvalidStateError):
                story.world.policies.withdraw(sue, PolicyChangeName(number=each.number))


def test_agreement_against_the_end_of_a_proposal(
    story: Story, changers: tuple[Caller, Caller, Caller]
) -> None:
    """A proposal whose time runs out, or which is withdrawn, while somebody agrees ends once."""
    sue, eve, _ = changers
    clock = story.world.clock
    for tag in range(ROUNDS):
        change = propose(story, sue, tag)
        before = story.world.policies.active_digest()

        def end() -> None:
            clock.advance(PROPOSAL_TTL_US)
            story.world.policies.expire_overdue()

        def withdraw(number: int = change.number) -> None:
            story.world.policies.withdraw(sue, PolicyChangeName(number=number))

        other: Callable[[], object] = end if tag % 2 else withdraw
        calls: list[Callable[[], object]] = [partial(agree, story, eve, change), other]
        results = at_once(calls)
        assert lost(results) <= {InvalidStateError}
        found = story.world.database.read(
            lambda tx, n=change.number: tx.policies.change(n)  # type: ignore[misc]
        )
        assert found is not None
        active = story.world.policies.active_digest()
        if found.state is ChangeState.ACTIVATED:
            assert active == change.digest
        else:
            assert found.state in (ChangeState.EXPIRED, ChangeState.WITHDRAWN)
            assert active == before
