"""Waivers: ask, decide, end, and what a gate may count."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from registry.domain.access import Caller, PrincipalKind, Role
from registry.domain.pages import PageRequest
from registry.domain.promotions import Outcome
from registry.domain.versions import Version
from registry.domain.waivers import Waiver, WaiverState
from registry.errors import (
    AlreadyExistsError,
    HallmarkError,
    InvalidFieldError,
    InvalidStateError,
    NotFoundError,
    PermissionDeniedError,
    StaleEtagError,
    TooLargeError,
)
from registry.names import ModelName, VersionName, WaiverName
from registry.ports.tables import EventQuery
from registry.testing.story import NAME, Story, name_of
from registry.testing.world import DAY_US, grant

APPROVE, REJECT = Outcome.APPROVE, Outcome.REJECT


def ask(
    story: Story,
    target: Version | ModelName,
    *,
    by: Caller | None = None,
    rule: str = "METRIC-1",
    reason: str = "retrain is under way",
    stage: str = "",
    expire_time_us: int | None = None,
    request_id: str = "",
) -> Waiver:
    return story.world.waivers.request(
        by or story.alice,
        name_of(target) if isinstance(target, Version) else target,
        rule=rule,
        reason=reason,
        stage=stage,
        expire_time_us=expire_time_us,
        request_id=request_id,
    )


def decide(
    story: Story,
    waiver: Waiver,
    outcome: Outcome = APPROVE,
    *,
    by: Caller | None = None,
    comment: str = "",
    policy_digest: str = "",
) -> Waiver:
    return story.world.waivers.decide(
        by or story.sam,
        WaiverName(number=waiver.number),
        outcome=outcome,
        comment=comment,
        policy_digest=policy_digest,
    )


def withdraw(story: Story, waiver: Waiver, by: Caller | None = None) -> Waiver:
    return story.world.waivers.withdraw(by or story.alice, WaiverName(number=waiver.number))


def revoke(story: Story, waiver: Waiver, by: Caller | None = None) -> Waiver:
    name = WaiverName(number=waiver.number)
    return story.world.waivers.revoke(by or story.alice, name, comment="mended")


def get(story: Story, waiver: Waiver, by: Caller | None = None) -> Waiver:
    return story.world.waivers.get(by or story.rosa, WaiverName(number=waiver.number))


def live(story: Story, version: Version, stage: str = "production") -> list[int]:
    """The numbers of the waivers that a gate may count now."""
    now = story.world.clock.now_us()
    found = story.world.database.read(lambda tx: tx.waivers.live(version, stage, now))
    return [waiver.number for waiver in found]


def actions(story: Story) -> list[str]:
    query = EventQuery(namespace="fraud", oldest_first=True)
    events = story.world.database.read(lambda tx: tx.events.list(query, None, 99))
    return [event.action for event in events if event.action.startswith("waiver.")]


def test_ask_and_grant(story: Story) -> None:
    """A request waits 30 days for a decision; granted, it counts for that version until then."""
    version = story.released()
    asked = ask(story, version)
    assert asked.state is WaiverState.PENDING
    assert (asked.requester, asked.digest) == ("alice", version.digest)
    assert asked.expire_time_us == story.world.clock.now_us() + 30 * DAY_US
    assert live(story, version) == []
    granted = decide(story, asked, comment="fine")
    assert granted.state is WaiverState.GRANTED
    assert granted.decision is not None
    assert (granted.decision.decider, granted.decision.roles) == ("sam", ("security",))
    assert granted.decision.policy_digest == story.world.policy.digest
    assert get(story, asked) == granted
    assert live(story, version) == [asked.number]
    assert live(story, story.released({"other.bin": b"other"})) == []
    assert actions(story) == ["waiver.request", "waiver.decide"]


def test_time_ends_it(story: Story) -> None:
    """At its time a waiver is expired and counts no more, before anybody writes that down."""
    version = story.released()
    waiver = decide(story, ask(story, version))
    story.world.clock.advance(30 * DAY_US)
    assert live(story, version) == []
    assert get(story, waiver).state is WaiverState.EXPIRED
    assert story.world.waivers.expire_overdue() == 1
    assert story.world.waivers.expire_overdue() == 0
    found = get(story, waiver)
    assert (found.state, found.end_time_us) == (WaiverState.EXPIRED, waiver.expire_time_us)
    assert found.decision == waiver.decision
    assert actions(story)[-1] == "waiver.expire"


def test_a_stage_limits_it(story: Story) -> None:
    """One that names a stage counts for that stage alone."""
    version = story.released()
    waiver = decide(story, ask(story, version, stage="staging"))
    assert live(story, version, "staging") == [waiver.number]
    assert live(story, version, "production") == []
    assert live(story, version, "") == []


def test_one_for_a_model_spares_nobody_his_own_version(story: Story) -> None:
    """For a model it counts for each version, but those to which whoever granted contributed."""
    both = story.world.caller("both", grant(Role.SECURITY, "fraud"), grant(Role.REGISTRANT, "*"))
    other = story.released()
    own = story.vetted(story.push({"own.bin": b"own"}, by=both))
    waiver = decide(story, ask(story, NAME), by=both)
    assert waiver.target == "models/fraud/scorer"
    assert live(story, other) == [waiver.number]
    assert live(story, own) == []


@pytest.mark.parametrize("outcome", Outcome)
def test_who_is_involved_does_not_decide(story: Story, outcome: Outcome) -> None:
    """Requester, registrant, contributors and robots are refused, whatever roles they hold."""
    every = [grant(role, "fraud") for role in Role]
    author, asker = story.world.caller("author", *every), story.world.caller("asker", *every)
    robot = story.world.login("robot", *every, kind=PrincipalKind.ROBOT).caller
    story.commit({"a": b"1"}, by=author)
    waiver = ask(story, story.vetted(story.cut("main")), by=asker)
    for involved in (asker, author, story.alice, robot):
        with pytest.raises(PermissionDeniedError, match=r"waiver\.decide"):
            decide(story, waiver, outcome, by=involved)
    assert get(story, waiver) == waiver


def test_robots_do_not_ask(story: Story) -> None:
    """A waiver has a person as its owner."""
    robot = story.world.login("bot", grant(Role.REGISTRANT), kind=PrincipalKind.ROBOT).caller
    with pytest.raises(PermissionDeniedError, match="not by a robot"):
        ask(story, story.released(), by=robot)


@pytest.mark.parametrize("rule", ["SOD-1", "FOUR-EYES", "VETTED", "VERDICT", "MIRROR", "UNRULED"])
def test_some_rules_are_never_waived(story: Story, rule: str) -> None:
    """What keeps people apart, or bad bytes out, cannot be asked for."""
    with pytest.raises(InvalidFieldError, match="lets be waived"):
        ask(story, story.released(), rule=rule)
    assert actions(story) == []


def test_a_rule_that_is_no_longer_waivable_is_not_granted(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which rules may be waived is asked again when somebody decides; a no is always possible."""
    waiver = ask(story, story.released())
    monkeypatch.setattr(story.world.policy, "is_waivable", lambda rule: False)
    with pytest.raises(InvalidFieldError, match="lets be waived"):
        decide(story, waiver)
    assert decide(story, waiver, REJECT).state is WaiverState.REJECTED


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"rule": "metric 1"}, "rule"),
        ({"rule": ""}, "rule"),
        ({"rule": "X" * 65}, "rule"),
        ({"reason": ""}, "reason"),
        ({"reason": "x\x1b[2J"}, "reason"),
        ({"stage": "archived"}, "stage"),
        ({"expire_time_us": 5}, "expire_time"),
    ],
)
def test_what_is_asked_for_is_checked(story: Story, given: dict[str, object], field: str) -> None:
    """A refusal names the field."""
    with pytest.raises(InvalidFieldError) as refused:
        ask(story, story.released(), **given)  # type: ignore[arg-type]
    assert refused.value.field == field


def test_bounds(story: Story) -> None:
    """At most 90 days and 2,000 characters."""
    version, now = story.released(), story.world.clock.now_us()
    with pytest.raises(InvalidFieldError, match="90 days"):
        ask(story, version, expire_time_us=now + 90 * DAY_US + 1)
    with pytest.raises(TooLargeError):
        ask(story, version, reason="x" * 2001)
    assert ask(story, version, expire_time_us=now + 90 * DAY_US).number


def test_withdrawn_versions_get_none(story: Story) -> None:
    """A yanked version is refused, at the request and at the decision."""
    version = story.released()
    waiver = ask(story, version)
    story.world.yanks.yank(story.alice, name_of(version), reason="bad", validate_only=False)
    with pytest.raises(InvalidStateError, match="YANKED"):
        decide(story, waiver)
    with pytest.raises(InvalidStateError, match="YANKED"):
        ask(story, version, rule="METRIC-2")


def test_one_open_request_for_one_thing(story: Story) -> None:
    """The same again is refused while it waits; another stage, rule or target is something else."""
    version = story.released()
    first = ask(story, version)
    with pytest.raises(AlreadyExistsError, match=rf"waivers/{first.number}"):
        ask(story, version)
    ask(story, version, stage="staging")
    ask(story, version, rule="METRIC-2")
    ask(story, NAME)
    decide(story, first, REJECT)
    assert ask(story, version).number > first.number


def test_a_repeated_request(story: Story) -> None:
    """The same request_id returns the first one as it is now."""
    version = story.released()
    first = ask(story, version, request_id="r1")
    granted = decide(story, first)
    assert ask(story, version, request_id="r1") == granted


def test_a_repeated_decision(story: Story) -> None:
    """The same word by the same person changes nothing; another word, or person, is too late."""
    world = story.world
    sue = world.caller("sue", grant(Role.SECURITY, "fraud"))
    waiver = ask(story, story.released())
    granted = decide(story, waiver, comment="ok")
    assert decide(story, waiver, comment="ok") == granted
    with pytest.raises(InvalidStateError, match="GRANTED"):
        decide(story, waiver, by=sue, comment="ok")
    with pytest.raises(InvalidStateError, match="GRANTED"):
        decide(story, waiver, REJECT, comment="no longer")
    assert actions(story) == ["waiver.request", "waiver.decide"]


def test_a_decision_under_another_policy(story: Story) -> None:
    """Who looked at it under a policy that is no longer active has to look again."""
    waiver = ask(story, story.released())
    with pytest.raises(StaleEtagError):
        decide(story, waiver, policy_digest="sha256:old")
    assert decide(story, waiver, policy_digest=story.world.policy.digest).decision is not None


def test_withdraw(story: Story) -> None:
    """The requester takes back what is undecided, as often as he likes; so may security."""
    version = story.released()
    waiver = ask(story, version)
    with pytest.raises(PermissionDeniedError):
        withdraw(story, waiver, by=story.bob)
    gone = withdraw(story, waiver)
    assert gone.state is WaiverState.WITHDRAWN
    assert withdraw(story, waiver) == gone
    with pytest.raises(InvalidStateError, match="WITHDRAWN"):
        decide(story, waiver)
    assert withdraw(story, ask(story, version), by=story.sam).state is WaiverState.WITHDRAWN


def test_revoke(story: Story) -> None:
    """The owner or security ends a granted one; from then on no gate counts it."""
    version = story.released()
    waiver = ask(story, version)
    with pytest.raises(InvalidStateError, match="PENDING"):
        revoke(story, waiver)
    decide(story, waiver)
    with pytest.raises(InvalidStateError, match="hallmark waiver revoke"):
        withdraw(story, waiver)
    with pytest.raises(PermissionDeniedError):
        revoke(story, waiver, by=story.ann)
    gone = revoke(story, waiver)
    assert gone.state is WaiverState.REVOKED
    assert gone.decision is not None
    assert revoke(story, waiver, by=story.sam) == gone
    assert live(story, version) == []
    assert actions(story)[-1] == "waiver.revoke"


def test_lists(story: Story) -> None:
    """Newest first, of what may be read, in pages; time is counted in."""
    version = story.released()
    first, second = ask(story, version), ask(story, NAME, rule="METRIC-2")
    decide(story, first)

    def found(by: Caller, **given: object) -> list[int]:
        asked: dict[str, object] = {"model": None, "namespace": None, "state": None, "rule": ""}
        page = story.world.waivers.list(
            by,
            page=PageRequest(),
            **(asked | given),  # type: ignore[arg-type]
        )
        return [waiver.number for waiver in page.items]

    assert found(story.rosa) == [second.number, first.number]
    assert found(story.mallory) == []
    assert found(story.rosa, model=NAME, rule="METRIC-2") == [second.number]
    assert found(story.rosa, state=WaiverState.GRANTED) == [first.number]
    story.world.clock.advance(31 * DAY_US)
    assert found(story.rosa, state=WaiverState.GRANTED) == []
    assert found(story.rosa, state=WaiverState.EXPIRED) == [second.number, first.number]
    with pytest.raises(PermissionDeniedError):
        found(story.mallory, namespace="fraud")


@pytest.mark.parametrize("number", [1, 99])
def test_a_foreign_one_looks_like_none(story: Story, number: int) -> None:
    """Who may not read it is refused in the same words whether or not it is there."""
    assert ask(story, story.released()).number == 1
    name = WaiverName(number=number)
    waivers, mallory = story.world.waivers, story.mallory
    texts: set[str] = set()
    calls: list[Callable[[], object]] = [
        lambda: waivers.get(mallory, name),
        lambda: waivers.decide(mallory, name, outcome=APPROVE, comment="", policy_digest=""),
        lambda: waivers.withdraw(mallory, name),
        lambda: waivers.revoke(mallory, name, comment=""),
    ]
    for call in calls:
        with pytest.raises(HallmarkError) as refused:
            call()
        assert isinstance(refused.value, PermissionDeniedError)
        texts.add(str(refused.value).replace(str(name), "NAME"))
    assert len(texts) == 2
    with pytest.raises(NotFoundError):
        waivers.get(story.root, WaiverName(number=99))


def test_missing_targets(story: Story) -> None:
    """A model or version that is not there is told to whoever may ask."""
    for target in (ModelName(path="fraud/gone"), VersionName(model=NAME, number=9)):
        with pytest.raises(NotFoundError):
            story.world.waivers.request(
                story.alice,
                target,
                rule="METRIC-1",
                reason="why",
                stage="",
                expire_time_us=None,
                request_id="",
            )
