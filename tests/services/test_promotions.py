"""Promotions: ask, decide, withdraw, expire."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from registry.domain.access import Caller, PrincipalKind, Role
from registry.domain.pages import PageRequest
from registry.domain.promotions import Outcome, Promotion, PromotionState
from registry.domain.versions import Version, VersionState
from registry.errors import (
    AlreadyExistsError,
    AlreadyInStageError,
    InvalidFieldError,
    InvalidStateError,
    NotFoundError,
    PermissionDeniedError,
    PolicyRefusedError,
    RequestIdReusedError,
    TargetMovedError,
    TooLargeError,
)
from registry.names import ModelName, PromotionName, VersionName
from registry.ports.tables import EventQuery
from registry.services.promotions import TTL_US_MAX
from registry.testing.story import NAME, Story, name_of
from registry.testing.world import DAY_US, grant

APPROVE, REJECT = Outcome.APPROVE, Outcome.REJECT


def ask(
    story: Story,
    version: Version,
    stage: str = "production",
    *,
    by: Caller | None = None,
    note: str = "",
    expected: int = 0,
    expire_time_us: int | None = None,
    validate_only: bool = False,
    request_id: str = "",
) -> Promotion:
    return story.world.promotions.create(
        by or story.alice,
        name_of(version),
        stage=stage,
        note=note,
        expected_current=expected,
        expire_time_us=expire_time_us,
        validate_only=validate_only,
        request_id=request_id,
    )


def decide(
    story: Story,
    promotion: Promotion,
    outcome: Outcome = APPROVE,
    *,
    by: Caller | None = None,
    comment: str = "",
    digest: str | None = None,
    expected: int = 0,
) -> Promotion:
    return story.world.promotions.decide(
        by or story.bob,
        PromotionName(number=promotion.number),
        outcome=outcome,
        comment=comment,
        digest=promotion.digest if digest is None else digest,
        expected_current=expected,
    )


def get(story: Story, promotion: Promotion, by: Caller | None = None) -> Promotion:
    return story.world.promotions.get(by or story.rosa, PromotionName(number=promotion.number))


def withdraw(story: Story, promotion: Promotion, by: Caller | None = None) -> Promotion:
    return story.world.promotions.withdraw(
        by or story.alice, PromotionName(number=promotion.number)
    )


def yank(story: Story, version: Version) -> None:
    story.world.yanks.yank(story.alice, name_of(version), reason="bad", validate_only=False)


def actions(story: Story) -> list[str]:
    query = EventQuery(namespace="fraud", oldest_first=True)
    return [e.action for e in story.world.database.read(lambda tx: tx.events.list(query, None, 99))]


def test_ask(story: Story) -> None:
    """A request waits for a decision, for 14 days, and moves nothing."""
    version = story.released()
    promotion = ask(story, version, note="weekly")
    assert promotion.state is PromotionState.PENDING
    assert [r.rule for r in promotion.waiting] == ["FOUR-EYES"]
    assert promotion.expire_time_us == story.world.clock.now_us() + 14 * DAY_US
    assert (promotion.requester, promotion.note) == ("alice", "weekly")
    assert get(story, promotion) == promotion
    assert story.in_stage() == 0


def test_decide(story: Story) -> None:
    """An independent approval completes the request and moves the stage."""
    version = story.released()
    promotion = decide(story, ask(story, version), comment="good")
    assert promotion.state is PromotionState.COMPLETED
    assert promotion.waiting == ()
    (decision,) = promotion.decisions
    assert (decision.decider, decision.roles) == ("bob", ("reviewer",))
    assert decision.digest == version.digest
    assert decision.policy_digest == story.world.policy.digest
    assert get(story, promotion) == promotion
    assert story.in_stage() == version.number
    assert story.now(version).stages == ("production",)
    assert actions(story)[-3:] == ["promotion.create", "promotion.decide", "stage.move"]


def test_contributors_do_not_decide(story: Story) -> None:
    """The registrant and other contributors are refused by the policy, and leave no decision."""
    reviewer = grant(Role.REVIEWER, "fraud")
    registrant = grant(Role.REGISTRANT, "fraud")
    author = story.world.caller("author", registrant, reviewer)
    cutter = story.world.caller("cutter", registrant, reviewer)
    story.commit({"a.txt": b"1"}, by=author)
    version = story.vetted(story.cut("main", by=cutter))
    promotion = ask(story, version)
    for contributor in (author, cutter):
        with pytest.raises(PolicyRefusedError) as refused:
            decide(story, promotion, by=contributor)
        rules = {v.type: v for v in refused.value.violations}
        assert contributor.id in rules["SOD-1"].description
        assert "hallmark decide" in rules["SOD-1"].fix
    assert get(story, promotion).decisions == ()
    assert decide(story, promotion).state is PromotionState.COMPLETED


def test_contributors_may_reject(story: Story) -> None:
    """A contributor may say no, which needs nobody else."""
    both = story.world.caller("both", grant(Role.REGISTRANT, "fraud"), grant(Role.REVIEWER, "*"))
    version = story.vetted(story.push(by=both))
    assert decide(story, ask(story, version), REJECT, by=both).state is PromotionState.REJECTED


@pytest.mark.parametrize(
    "state", [VersionState.QUARANTINED, VersionState.VETTED, VersionState.REJECTED]
)
def test_versions_that_are_not_released(story: Story, state: VersionState) -> None:
    """A version that is not released is refused by the policy, with every failed rule."""
    version = story.push()
    story.world.database.write(lambda tx: tx.versions.set_state(version.key, state))
    with pytest.raises(PolicyRefusedError) as refused:
        ask(story, version)
    assert [v.type for v in refused.value.violations] == ["VETTED", "FOUR-EYES"]
    assert state.value.upper() in str(refused.value)
    assert "Nothing changed." in str(refused.value)


def test_yanked_versions(story: Story) -> None:
    """A yanked version cannot be asked for, and its open requests end with the yank."""
    version = story.released()
    promotion = ask(story, version)
    yank(story, version)
    assert get(story, promotion).state is PromotionState.WITHDRAWN
    with pytest.raises(InvalidStateError, match="YANKED"):
        ask(story, version)
    with pytest.raises(InvalidStateError, match="WITHDRAWN"):
        decide(story, promotion)
    assert story.in_stage() == 0


def test_state_at_the_decision_counts(story: Story) -> None:
    """A version that left RELEASED since the request is refused, and the decision not recorded."""
    version = story.released()
    promotion = ask(story, version)
    story.world.database.write(
        lambda tx: tx.versions.set_state(version.key, VersionState.QUARANTINED)
    )
    with pytest.raises(PolicyRefusedError, match="QUARANTINED"):
        decide(story, promotion)
    assert get(story, promotion).decisions == ()
    assert get(story, promotion).state is PromotionState.PENDING


def test_recalled_versions(story: Story) -> None:
    """A recalled version never enters a stage."""
    version = story.released()
    story.world.database.write(lambda tx: tx.versions.set_state(version.key, VersionState.RECALLED))
    with pytest.raises(InvalidStateError, match="RECALLED"):
        ask(story, version)


def test_one_open_request(story: Story) -> None:
    """A second open request for the same version and stage is refused with the first one's name."""
    version = story.released()
    promotion = ask(story, version)
    with pytest.raises(AlreadyExistsError, match=promotion.name):
        ask(story, version)
    assert ask(story, version, "staging").number != promotion.number
    withdraw(story, promotion)
    assert ask(story, version).number > promotion.number


def test_already_there(story: Story) -> None:
    """A version that is in the stage cannot be asked for again."""
    version = story.released()
    story.promote(version)
    with pytest.raises(AlreadyInStageError, match="production"):
        ask(story, version)


@pytest.mark.parametrize("stage", ["", "development", "archived", "Production", "live"])
def test_other_stages(story: Story, stage: str) -> None:
    """A stage that is not exclusive, or not there, is refused with those that are."""
    with pytest.raises(InvalidFieldError, match="staging, production"):
        ask(story, story.released(), stage)


def test_missing_version(story: Story) -> None:
    """A version that is not there is not found."""
    with pytest.raises(NotFoundError):
        story.world.promotions.create(
            story.alice,
            VersionName(model=NAME, number=9),
            stage="production",
            note="",
            expected_current=0,
            expire_time_us=None,
            validate_only=False,
            request_id="",
        )


def test_validate_only(story: Story) -> None:
    """What is only validated shows what would be and stores nothing, its request_id included."""
    version = story.released()
    before = actions(story)
    shown = ask(story, version, validate_only=True, request_id="r")
    assert shown.number == 0
    assert shown.state is PromotionState.PENDING
    assert [r.rule for r in shown.waiting] == ["FOUR-EYES"]
    assert actions(story) == before
    assert ask(story, version, "staging", request_id="r").number == 1
    with pytest.raises(PolicyRefusedError):
        ask(story, story.push({"b.txt": b"2"}), validate_only=True)


def test_repeated_request(story: Story) -> None:
    """A repeat with the same request_id returns the request as it is now; other content is
    refused."""
    version = story.released()
    promotion = ask(story, version, request_id="r")
    done = decide(story, promotion)
    assert ask(story, version, request_id="r") == done
    with pytest.raises(RequestIdReusedError):
        ask(story, version, "staging", request_id="r")


def test_repeated_decision(story: Story) -> None:
    """A repeat of one's decision changes nothing, in whatever state the request is."""
    version = story.released()
    promotion = ask(story, version)
    done = decide(story, promotion, comment="good")
    before = actions(story)
    assert decide(story, promotion, comment="good") == done
    assert actions(story) == before
    with pytest.raises(InvalidStateError, match="COMPLETED"):
        decide(story, promotion, REJECT)
    with pytest.raises(InvalidStateError, match="COMPLETED"):
        decide(story, promotion, by=story.ben)


def test_rejection_ends_it(story: Story) -> None:
    """A rejection ends the request and moves nothing."""
    promotion = decide(story, ask(story, story.released()), REJECT)
    assert promotion.state is PromotionState.REJECTED
    assert promotion.end_time_us == story.world.clock.now_us()
    assert story.in_stage() == 0
    with pytest.raises(InvalidStateError, match="REJECTED"):
        decide(story, promotion, by=story.ben)


def test_wrong_digest(story: Story) -> None:
    """A decision names the digest that the decider looked at."""
    promotion = ask(story, story.released())
    for digest in ("", "sha256:" + "0" * 64):
        with pytest.raises(InvalidFieldError, match=promotion.digest):
            decide(story, promotion, digest=digest)


def test_robots_do_not_decide(story: Story) -> None:
    """A robot is refused whatever its roles, also where there is nothing to decide."""
    robot = story.world.login("robot", grant(Role.REVIEWER), kind=PrincipalKind.ROBOT).caller
    promotion = ask(story, story.released())
    with pytest.raises(PermissionDeniedError, match="person"):
        decide(story, promotion, by=robot)
    with pytest.raises(PermissionDeniedError, match="person"):
        story.world.promotions.decide(
            robot,
            PromotionName(number=99),
            outcome=APPROVE,
            comment="",
            digest="",
            expected_current=0,
        )


def test_expected_at_the_request(story: Story) -> None:
    """A request that expects another version in the stage is not completed, and stays open."""
    first, second, third = (story.released({"a.txt": b"%d" % n}) for n in range(3))
    story.promote(first)
    promotion = ask(story, third, expected=first.number)
    story.promote(second)
    with pytest.raises(TargetMovedError, match="version 2"):
        decide(story, promotion)
    assert get(story, promotion).state is PromotionState.PENDING
    assert get(story, promotion).decisions == ()
    assert story.in_stage() == second.number


def test_expected_at_the_decision(story: Story) -> None:
    """A decision that expects another version in the stage is not recorded."""
    first, second = (story.released({"a.txt": b"%d" % n}) for n in range(2))
    promotion = ask(story, first)
    with pytest.raises(TargetMovedError, match="nothing"):
        decide(story, promotion, expected=second.number)
    assert decide(story, promotion, expected=-1).state is PromotionState.COMPLETED
    with pytest.raises(TargetMovedError):
        decide(story, ask(story, second), expected=-1)


@pytest.mark.parametrize("expected", [-2, 2**53])
def test_bad_expectations(story: Story, expected: int) -> None:
    """An expectation that is no version number is refused."""
    with pytest.raises(InvalidFieldError, match="expected_current"):
        ask(story, story.released(), expected=expected)


def test_withdraw(story: Story) -> None:
    """The requester withdraws, repeats safely, and nobody decides any more."""
    promotion = ask(story, story.released())
    withdrawn = withdraw(story, promotion)
    assert withdrawn.state is PromotionState.WITHDRAWN
    assert withdraw(story, promotion) == withdrawn
    with pytest.raises(InvalidStateError, match="WITHDRAWN"):
        decide(story, promotion)


def test_who_withdraws(story: Story) -> None:
    """Besides the requester only those with the right to withdraw may."""
    promotion = ask(story, story.released())
    for by in (story.ann, story.bob, story.mallory):
        with pytest.raises(PermissionDeniedError):
            withdraw(story, promotion, by)
    assert withdraw(story, promotion, story.sam).state is PromotionState.WITHDRAWN


def test_completed_ones_are_not_withdrawn(story: Story) -> None:
    """What is completed cannot be withdrawn."""
    promotion = story.promote(story.released())
    with pytest.raises(InvalidStateError, match="COMPLETED"):
        withdraw(story, promotion)


def test_expiry(story: Story) -> None:
    """A request ends with its time whether or not anybody looks; the audit log says so once."""
    version = story.released()
    promotion = ask(story, version, expire_time_us=story.world.clock.now_us() + DAY_US)
    story.world.clock.advance(DAY_US)
    expired = get(story, promotion)
    assert expired.state is PromotionState.EXPIRED
    assert expired.end_time_us == expired.expire_time_us
    assert expired.waiting == ()
    with pytest.raises(InvalidStateError, match="EXPIRED"):
        decide(story, promotion)
    with pytest.raises(InvalidStateError, match="EXPIRED"):
        withdraw(story, promotion)
    assert story.world.promotions.expire_overdue() == 1
    assert story.world.promotions.expire_overdue() == 0
    assert get(story, promotion) == expired
    assert actions(story)[-1] == "promotion.expire"
    assert ask(story, version).state is PromotionState.PENDING


@pytest.mark.parametrize("ahead_us", [0, -1, TTL_US_MAX + 1])
def test_bad_expiry(story: Story, ahead_us: int) -> None:
    """A request ends some time from now, at most 90 days ahead."""
    version = story.released()
    with pytest.raises(InvalidFieldError, match="90 days"):
        ask(story, version, expire_time_us=story.world.clock.now_us() + ahead_us)


def test_long_texts(story: Story) -> None:
    """Note and comment are bounded."""
    version = story.released()
    with pytest.raises(TooLargeError, match="note"):
        ask(story, version, note="x" * 2001)
    promotion = ask(story, version)
    with pytest.raises(TooLargeError, match="comment"):
        decide(story, promotion, comment="x" * 2001)


def test_foreign_and_missing_numbers_answer_alike(story: Story) -> None:
    """Those without the right on all are not told whether a number is there."""
    promotion = ask(story, story.released())
    ghost = PromotionName(number=99)
    promotions = story.world.promotions
    calls: list[Callable[[Caller, PromotionName], object]] = [
        lambda by, name: promotions.get(by, name),
        lambda by, name: promotions.withdraw(by, name),
        lambda by, name: promotions.decide(
            by, name, outcome=APPROVE, comment="", digest="", expected_current=0
        ),
    ]
    for call in calls:
        errors = []
        for name in (PromotionName(number=promotion.number), ghost):
            with pytest.raises(PermissionDeniedError) as refused:
                call(story.mallory, name)
            errors.append(str(refused.value).replace(str(name), "X"))
        assert errors[0] == errors[1]
    with pytest.raises(PermissionDeniedError):
        promotions.get(story.rosa, ghost)
    everywhere = story.world.caller("eva", *(grant(role) for role in Role))
    for call in calls:
        with pytest.raises(NotFoundError):
            call(everywhere, ghost)


def listed(story: Story, by: Caller | None = None, **wanted: object) -> list[int]:
    numbers: list[int] = []
    token = ""
    while True:
        given = {"model": None, "namespace": None, "state": None, "stage": "", **wanted}
        page = story.world.promotions.list(
            by or story.rosa,
            page=PageRequest(size=2, token=token),
            **given,  # type: ignore[arg-type]
        )
        numbers += [promotion.number for promotion in page.items]
        token = page.next_page_token
        if not token:
            return numbers


def test_list(story: Story) -> None:
    """Requests come newest first: of a model, a namespace, or all that may be read."""
    versions = [story.released({"a.txt": b"%d" % n}) for n in range(3)]
    first, second, third = (ask(story, version) for version in versions)
    ask(story, versions[0], "staging")
    decide(story, first)
    decide(story, second, REJECT)
    assert listed(story) == [4, 3, 2, 1]
    assert listed(story, model=NAME) == [4, 3, 2, 1]
    assert listed(story, namespace="fraud") == [4, 3, 2, 1]
    assert listed(story, stage="staging") == [4]
    assert listed(story, state=PromotionState.PENDING) == [4, third.number]
    assert listed(story, state=PromotionState.REJECTED) == [2]
    story.world.clock.advance(15 * DAY_US)
    assert listed(story, state=PromotionState.PENDING) == []
    assert listed(story, state=PromotionState.EXPIRED) == [4, 3]
    assert listed(story, by=story.mallory) == []
    assert listed(story, model=ModelName(path="fraud/ghost")) == []


def test_list_permissions(story: Story) -> None:
    """A model or namespace that the caller may not read is refused."""
    for wanted in ({"model": NAME}, {"namespace": "fraud"}):
        with pytest.raises(PermissionDeniedError):
            listed(story, by=story.mallory, **wanted)


def test_who_asks_and_decides(story: Story) -> None:
    """Deployers and registrants ask, reviewers and security decide, nobody else."""
    version = story.released()
    for by in (story.rosa, story.bob, story.sam, story.mallory):
        with pytest.raises(PermissionDeniedError):
            ask(story, version, by=by)
    promotion = ask(story, version, by=story.dora)
    for by in (story.rosa, story.alice, story.dora, story.root, story.mallory):
        with pytest.raises(PermissionDeniedError):
            decide(story, promotion, by=by)
    assert decide(story, promotion, by=story.sam).decisions[0].roles == ("security",)
