"""Clocks that jump: a year ahead and back, and what summer time does to those who set freezes."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from registry.domain.access import Caller, Role
from registry.domain.policy_sets import ChangeState
from registry.domain.promotions import Outcome, Promotion, PromotionState
from registry.domain.terms import AcceptanceState
from registry.domain.times import time_of
from registry.domain.versions import Version
from registry.domain.waivers import WaiverState
from registry.errors import InvalidStateError, PolicyRefusedError, TermsNotAcceptedError
from registry.names import (
    AcceptanceName,
    PolicyChangeName,
    PromotionName,
    WaiverName,
)
from registry.policies.google import GoogleEngine
from registry.policies.loader import load
from registry.ports.database import Transaction
from registry.services.terms import require_terms
from registry.testing.policies import shipped_files
from registry.testing.story import NAME, Story, name_of
from registry.testing.world import DAY_US, grant

YEAR_US = 365 * DAY_US

pytestmark = pytest.mark.usefixtures("policy_files_read_once")


def activate(story: Story, *changes: tuple[str, bytes, bytes]) -> None:
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


def frozen(start: str, end: str) -> tuple[str, bytes, bytes]:
    text = f'freezes: [{{start: "{start}", end: "{end}", stages: [production], reason: night}}]'
    return "settings.yaml", b"freezes: []", text.encode()


def decide(story: Story, promotion: Promotion, by: Caller) -> Promotion:
    return story.world.promotions.decide(
        by,
        PromotionName(number=promotion.number),
        outcome=Outcome.APPROVE,
        comment="",
        digest=promotion.digest,
        expected_current=0,
    )


def sweep(story: Story) -> None:
    """What is done every few seconds."""
    world = story.world
    world.promotions.expire_overdue()
    world.reminders.remind()
    world.waivers.expire_overdue()
    world.acceptances.expire_overdue()
    world.policies.expire_overdue()
    world.reviews.tell_overdue()


@pytest.mark.parametrize("is_written_down", [False, True])
def test_a_year_ahead_and_back(story: Story, is_written_down: bool) -> None:
    """A year ahead everything has run out and nothing enters a stage; back again, what was written
    down as ended stays so, and what was not goes on as it was."""
    world = story.world
    activate(story, ("promote.yaml", b"others.size() >= 1", b"others.size() >= 2"))
    version = story.released()
    promotion = story.ask(version)
    assert decide(story, promotion, story.bob).state is PromotionState.PENDING
    waiver = world.waivers.request(
        story.alice,
        name_of(version),
        rule="FREEZE",
        reason="why not",
        stage="",
        expire_time_us=None,
        request_id="",
    )
    waiver_name = WaiverName(number=waiver.number)
    world.waivers.decide(
        story.sam, waiver_name, outcome=Outcome.APPROVE, comment="", policy_digest=""
    )
    sue, eve = (world.caller(id, grant(Role.SECURITY)) for id in ("sue", "eve"))
    change = world.policies.propose(
        sue, list(shipped_files().items()), note="back", validate_only=False, request_id=""
    )
    change_name = PolicyChangeName(number=change.number)

    def agree() -> ChangeState:
        return world.policies.decide(
            eve, change_name, outcome=Outcome.REJECT, digest=change.digest, comment=""
        ).state

    world.clock.advance(YEAR_US)
    if is_written_down:
        sweep(story)
    for ended in (lambda: decide(story, promotion, story.ben), agree):
        with pytest.raises(InvalidStateError, match="EXPIRED"):
            ended()
    assert world.waivers.get(story.rosa, waiver_name).state is WaiverState.EXPIRED
    assert story.in_stage() == 0

    world.clock.advance(-YEAR_US)
    sweep(story)
    if is_written_down:
        for ended in (lambda: decide(story, promotion, story.ben), agree):
            with pytest.raises(InvalidStateError, match="EXPIRED"):
                ended()
        assert world.waivers.get(story.rosa, waiver_name).state is WaiverState.EXPIRED
        assert story.in_stage() == 0
    else:
        assert world.waivers.get(story.rosa, waiver_name).state is WaiverState.GRANTED
        assert decide(story, promotion, story.ben).state is PromotionState.COMPLETED
        assert story.in_stage() == version.number
        assert agree() is ChangeState.REJECTED
    assert world.events.verify(story.world.caller("vera", grant(Role.AUDITOR)), lambda: True)


def test_approvals_run_out_by_a_jump(story: Story) -> None:
    """What enters a stage later does so by approvals that count then, and not by older ones."""
    activate(
        story,
        ("promote.yaml", b"others.size() >= 1", b"others.size() >= 2"),
        ("settings.yaml", b"promotion_ttl: 336h", b"promotion_ttl: 9000h"),
    )
    promotion = story.ask(story.released())
    decide(story, promotion, story.bob)
    story.world.clock.advance(YEAR_US)
    assert decide(story, promotion, story.ben).state is PromotionState.PENDING
    assert decide(story, promotion, story.bob).state is PromotionState.COMPLETED


def test_terms_and_a_clock_that_jumps(story: Story) -> None:
    """A year ahead an acceptance counts no more; back again it does, unless its end was written
    down."""
    world = story.world
    version = story.released()
    terms = world.terms.set(
        story.sam,
        NAME,
        label="v1",
        text="No evil.",
        url="",
        validity_days=30,
        approval_required=False,
        etag="",
    )
    made = world.acceptances.accept(story.rosa, NAME, terms_digest=terms.digest, on_behalf_of="")
    now_us = world.clock.now_us

    def is_let_in() -> bool:
        gated = story.now(version)
        try:
            world.database.read(lambda tx: require_terms(tx, story.rosa, gated, now_us()))
        except TermsNotAcceptedError:
            return False
        return True

    assert is_let_in()
    world.clock.advance(YEAR_US)
    assert not is_let_in()
    world.clock.advance(-YEAR_US)
    assert is_let_in()
    world.clock.advance(YEAR_US)
    sweep(story)
    world.clock.advance(-YEAR_US)
    assert not is_let_in()
    name = AcceptanceName(number=made.number)
    assert world.acceptances.get(story.rosa, name).state is AcceptanceState.EXPIRED


def test_a_stage_when_the_clock_goes_back(story: Story) -> None:
    """History stays in order: at each moment a stage held one version, and each was in it once."""
    first, second = story.released({"a.txt": b"1"}), story.released({"a.txt": b"2"})
    story.promote(first)
    story.world.clock.advance(-YEAR_US)
    story.promote(second)
    later, earlier = story.world.database.read(
        lambda tx: tx.stages.history(NAME.path, "production", None, 10)
    )
    assert (later.version_number, earlier.version_number) == (second.number, first.number)
    assert earlier.start_time_us < (earlier.end_time_us or 0) == later.start_time_us
    assert story.in_stage() == second.number


@pytest.fixture(params=["UTC", "Europe/Berlin", "America/New_York"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The zone that this process believes to be in."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("start", "end", "utc"),
    [
        # The night in which an hour comes twice, from the first half past two to the second.
        (
            "2026-10-25T02:30:00+02:00",
            "2026-10-25T02:30:00+01:00",
            ("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
        ),
        # The night in which an hour is missing, from half past one to half past three.
        (
            "2027-03-28T01:30:00+01:00",
            "2027-03-28T03:30:00+02:00",
            ("2027-03-28T00:30:00Z", "2027-03-28T01:30:00Z"),
        ),
        (
            "2026-12-24T00:00:00Z",
            "2027-01-02T00:00:00Z",
            ("2026-12-24T00:00:00Z", "2027-01-02T00:00:00Z"),
        ),
    ],
)
def test_freezes_over_a_change_of_clocks(
    story: Story, zone: str, start: str, end: str, utc: tuple[str, str]
) -> None:
    """A freeze holds from its first microsecond up to its end, whatever clocks on walls show."""
    activate(story, frozen(start, end))
    first, last = (time_of(text) for text in utc)
    versions: dict[int, Version] = {}
    for number, at_us in enumerate((first - 1, first, last - 1, last)):
        model = f"fraud/night-{number}"
        story.world.model(model)
        story.world.clock.advance(at_us - story.world.clock.now_us())
        versions[at_us] = story.vetted(story.push({"a.txt": model.encode()}, model=model))
        is_frozen = first <= at_us < last
        if is_frozen:
            with pytest.raises(PolicyRefusedError, match="FREEZE"):
                story.ask(versions[at_us])
        else:
            story.promote(versions[at_us])
        held = story.in_stage(model=model)
        assert (held == 0) is is_frozen
