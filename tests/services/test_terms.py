"""Terms: set, accept, approve, revoke, and what they keep from being fetched."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from registry.domain.access import Caller, PrincipalKind, Role
from registry.domain.inbox import InboxKind, InboxScope
from registry.domain.pages import PageRequest
from registry.domain.promotions import Outcome
from registry.domain.terms import Acceptance, AcceptanceState, Terms
from registry.domain.versions import Version
from registry.errors import (
    HallmarkError,
    InvalidFieldError,
    InvalidStateError,
    NotFoundError,
    PermissionDeniedError,
    RequestIdReusedError,
    StaleEtagError,
    TermsNotAcceptedError,
    TicketError,
    TooLargeError,
)
from registry.names import AcceptanceName
from registry.ports.tables import EventQuery
from registry.testing.story import NAME, Story, name_of
from registry.testing.world import DAY_US, grant

APPROVE, REJECT = Outcome.APPROVE, Outcome.REJECT


def set_terms(
    story: Story,
    *,
    by: Caller | None = None,
    label: str = "v1",
    text: str = "No evil.",
    url: str = "",
    validity_days: int = 10,
    approval: bool = False,
    etag: str = "",
    request_id: str = "",
) -> Terms:
    return story.world.terms.set(
        by or story.sam,
        NAME,
        label=label,
        text=text,
        url=url,
        validity_days=validity_days,
        approval_required=approval,
        etag=etag,
        request_id=request_id,
    )


def accept(
    story: Story,
    terms: Terms,
    by: Caller | None = None,
    *,
    on_behalf_of: str = "",
    request_id: str = "",
) -> Acceptance:
    return story.world.acceptances.accept(
        by or story.rosa,
        NAME,
        terms_digest=terms.digest,
        on_behalf_of=on_behalf_of,
        request_id=request_id,
    )


def request(
    story: Story,
    terms: Terms,
    by: Caller | None = None,
    *,
    reason: str = "research",
    request_id: str = "",
) -> Acceptance:
    return story.world.acceptances.request(
        by or story.rosa,
        NAME,
        terms_digest=terms.digest,
        reason=reason,
        on_behalf_of="",
        request_id=request_id,
    )


def decide(
    story: Story,
    acceptance: Acceptance,
    outcome: Outcome = APPROVE,
    *,
    by: Caller | None = None,
    comment: str = "",
) -> Acceptance:
    name = AcceptanceName(number=acceptance.number)
    return story.world.acceptances.decide(by or story.sam, name, outcome=outcome, comment=comment)


def revoke(story: Story, acceptance: Acceptance, by: Caller) -> Acceptance:
    name = AcceptanceName(number=acceptance.number)
    return story.world.acceptances.revoke(by, name, comment="left")


def fetch(story: Story, version: Version, by: Caller | None = None) -> str:
    """The ticket of the version's first file."""
    found = story.world.downloads.create(by or story.rosa, name_of(version), digest="", paths=[])
    return found.files[0][1]


def actions(story: Story) -> list[str]:
    query = EventQuery(namespace="fraud", oldest_first=True)
    events = story.world.database.read(lambda tx: tx.events.list(query, None, 99))
    return [e.action for e in events if e.action.startswith(("terms.", "access."))]


def test_terms_come_before_the_files(story: Story) -> None:
    """Without an acceptance nothing is given out, and the refusal says what to type."""
    version = story.released()
    fetch(story, version)
    terms = set_terms(story)
    with pytest.raises(TermsNotAcceptedError) as refused:
        fetch(story, version)
    assert (refused.value.terms, refused.value.label) == (terms.digest, "v1")
    assert refused.value.fix == f"hallmark access accept fraud/scorer --terms {terms.digest}"
    accepted = accept(story, terms)
    assert accepted.state is AcceptanceState.GRANTED
    assert accepted.expire_time_us == story.world.clock.now_us() + 10 * DAY_US
    fetch(story, version)
    with pytest.raises(TermsNotAcceptedError):
        fetch(story, version, story.dora)
    assert actions(story) == ["terms.set", "access.accept"]


def test_terms_of_a_model_are_those_of_its_own(story: Story) -> None:
    """Another model's files need nothing, and its acceptance does not help here."""
    story.world.model("fraud/other")
    other = story.vetted(story.push(model="fraud/other"))
    set_terms(story)
    fetch(story, other)


def test_addresses_that_were_given_out(story: Story) -> None:
    """A ticket stops with the terms that come, and works as long as an acceptance of them runs."""
    ticket = fetch(story, story.released())
    opened = story.world.downloads.open
    opened(ticket)
    terms = set_terms(story)
    with pytest.raises(TicketError, match="goes only to those who accepted"):
        opened(ticket)
    accepted = accept(story, terms)
    opened(ticket)
    revoke(story, accepted, story.sam)
    with pytest.raises(TicketError, match="terms"):
        opened(ticket)


@pytest.mark.parametrize(
    "change",
    [
        {"label": "v2"},
        {"text": "No evil at all."},
        {"url": "https://corp/terms"},
        {"validity_days": 9},
        {"approval": True},
    ],
    ids=lambda change: next(iter(change)),
)
def test_changed_terms_have_to_be_accepted_anew(story: Story, change: dict[str, object]) -> None:
    """Whatever of them changes; terms that come back bring their acceptances back."""
    version, first = story.released(), set_terms(story)
    accept(story, first)
    second = set_terms(story, **change)  # type: ignore[arg-type]
    assert second.digest != first.digest
    with pytest.raises(TermsNotAcceptedError):
        fetch(story, version)
    with pytest.raises(InvalidFieldError, match="terms_digest"):
        accept(story, first)
    set_terms(story)
    fetch(story, version)


def test_time_ends_an_acceptance(story: Story) -> None:
    """After its validity an acceptance counts no more, and can be given anew."""
    version, terms = story.released(), set_terms(story)
    first = accept(story, terms)
    assert accept(story, terms) == first
    story.world.clock.advance(10 * DAY_US)
    with pytest.raises(TermsNotAcceptedError):
        fetch(story, version)
    assert story.world.acceptances.expire_overdue() == 1
    assert story.world.acceptances.expire_overdue() == 0
    name = AcceptanceName(number=first.number)
    assert story.world.acceptances.get(story.rosa, name).state is AcceptanceState.EXPIRED
    assert accept(story, terms).number > first.number
    fetch(story, version)
    assert actions(story)[-2:] == ["access.expire", "access.accept"]


def test_approval(story: Story) -> None:
    """Terms that need one let nobody in before it, and count from it."""
    version, terms = story.released(), set_terms(story, approval=True)
    with pytest.raises(InvalidStateError, match="hallmark access request"):
        accept(story, terms)
    asked = request(story, terms)
    assert asked.state is AcceptanceState.PENDING
    assert request(story, terms) == asked == accept(story, terms)
    with pytest.raises(TermsNotAcceptedError, match="wait for the approval"):
        fetch(story, version)
    story.world.clock.advance(5 * DAY_US)
    granted = decide(story, asked, comment="fine")
    assert granted.state is AcceptanceState.GRANTED
    assert granted.expire_time_us == story.world.clock.now_us() + 10 * DAY_US
    assert granted.decision is not None
    assert (granted.decision.decider, granted.decision.digest) == ("sam", terms.digest)
    assert decide(story, asked, comment="fine") == granted
    with pytest.raises(InvalidStateError, match="GRANTED"):
        decide(story, asked, REJECT)
    fetch(story, version)
    assert actions(story) == ["terms.set", "access.request", "access.decide"]


def test_rejection(story: Story) -> None:
    """A refusal lets nobody in; one may ask again."""
    version, terms = story.released(), set_terms(story, approval=True)
    refused = decide(story, request(story, terms), REJECT)
    assert refused.state is AcceptanceState.REJECTED
    with pytest.raises(TermsNotAcceptedError):
        fetch(story, version)
    assert request(story, terms).number > refused.number


def test_nobody_lets_himself_in(story: Story) -> None:
    """Neither who asked, nor a robot, nor who holds no such role decides."""
    every = [grant(role, "fraud") for role in Role]
    both = story.world.caller("both", *every)
    robot = story.world.login("robot", *every, kind=PrincipalKind.ROBOT).caller
    asked = request(story, set_terms(story, approval=True), by=both)
    for by in (both, robot, story.rosa, story.alice, story.root, story.mallory):
        with pytest.raises(PermissionDeniedError):
            decide(story, asked, by=by)


def test_approval_of_terms_that_changed(story: Story) -> None:
    """What was asked for under other terms can be refused, and not approved."""
    asked = request(story, set_terms(story, approval=True))
    set_terms(story, approval=True, label="v2")
    with pytest.raises(InvalidStateError, match="those of now, v2"):
        decide(story, asked)
    assert decide(story, asked, REJECT).state is AcceptanceState.REJECTED


def test_robots(story: Story) -> None:
    """A robot accepts nothing; an administrator does on its behalf, for robots alone."""
    robot = story.world.login("bot", grant(Role.DEPLOYER, "fraud"), kind=PrincipalKind.ROBOT)
    version, terms = story.released(), set_terms(story)
    with pytest.raises(PermissionDeniedError, match="not by a robot"):
        accept(story, terms, robot.caller)
    with pytest.raises(PermissionDeniedError):
        accept(story, terms, story.sam, on_behalf_of="bot")
    with pytest.raises(InvalidFieldError, match="a person"):
        accept(story, terms, story.root, on_behalf_of="rosa")
    with pytest.raises(NotFoundError):
        accept(story, terms, story.root, on_behalf_of="nobody")
    accepted = accept(story, terms, story.root, on_behalf_of="bot")
    assert (accepted.principal, accepted.requester) == ("bot", "root")
    fetch(story, version, robot.caller)


def test_who_may_set_them(story: Story) -> None:
    """Security and administrators; nobody else, also not who registers."""
    for by in (story.alice, story.bob, story.rosa, story.mallory):
        with pytest.raises(PermissionDeniedError):
            set_terms(story, by=by)
        with pytest.raises(PermissionDeniedError):
            story.world.terms.clear(by, NAME, etag="")
    assert set_terms(story, by=story.root).creator == "root"


def test_setting_and_clearing(story: Story) -> None:
    """The same again changes nothing; a stale etag is refused; without terms all is as before."""
    version = story.released()
    first = set_terms(story)
    assert set_terms(story, by=story.root) == first
    refusals: list[tuple[str, type[HallmarkError]]] = [
        ("sha256:" + "0" * 64, StaleEtagError),
        ("that", InvalidFieldError),
    ]
    for stale, error in refusals:
        with pytest.raises(error):
            set_terms(story, label="v2", etag=stale)
        with pytest.raises(error):
            story.world.terms.clear(story.sam, NAME, etag=stale)
    assert story.world.terms.get(story.rosa, NAME) == first
    for _ in range(2):
        story.world.terms.clear(story.sam, NAME, etag="")
    with pytest.raises(NotFoundError):
        story.world.terms.get(story.rosa, NAME)
    with pytest.raises(NotFoundError):
        accept(story, first)
    fetch(story, version)
    assert actions(story) == ["terms.set", "terms.clear"]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"label": ""}, "label"),
        ({"label": "a\nb"}, "label"),
        ({"text": ""}, "text"),
        ({"text": "\0"}, "text"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"url": "https://"}, "url"),
        ({"validity_days": -1}, "validity_days"),
        ({"validity_days": 3651}, "validity_days"),
    ],
)
def test_what_is_set_is_checked(story: Story, given: dict[str, object], field: str) -> None:
    """A refusal names the field."""
    with pytest.raises(InvalidFieldError) as refused:
        set_terms(story, **given)  # type: ignore[arg-type]
    assert refused.value.field == field


def test_a_text_has_a_limit(story: Story) -> None:
    """At most 100,000 characters."""
    with pytest.raises(TooLargeError):
        set_terms(story, text="x" * 100_001)


def test_one_ends_ones_own(story: Story) -> None:
    """Its holder or security ends an acceptance; repeats change nothing."""
    terms = set_terms(story)
    accepted = accept(story, terms)
    with pytest.raises(PermissionDeniedError):
        revoke(story, accepted, story.dora)
    gone = revoke(story, accepted, story.rosa)
    assert gone.state is AcceptanceState.REVOKED
    assert revoke(story, accepted, story.sam) == gone
    assert accept(story, terms).number > accepted.number


def test_lists(story: Story) -> None:
    """Who may, sees all; everybody sees their own; time is counted in."""
    terms = set_terms(story)
    first, second = accept(story, terms), accept(story, terms, story.dora)

    def found(by: Caller, principal: str = "", state: AcceptanceState | None = None) -> list[int]:
        page = story.world.acceptances.list(
            by, model=None, namespace=None, principal=principal, state=state, page=PageRequest()
        )
        return [each.number for each in page.items]

    assert found(story.sam) == [second.number, first.number]
    assert found(story.rosa) == []
    assert found(story.rosa, "dora") == []
    assert found(story.rosa, "rosa") == [first.number]
    story.world.clock.advance(10 * DAY_US)
    assert found(story.sam, state=AcceptanceState.GRANTED) == []
    assert found(story.sam, state=AcceptanceState.EXPIRED) == [second.number, first.number]
    with pytest.raises(PermissionDeniedError):
        story.world.acceptances.list(
            story.rosa, model=NAME, namespace=None, principal="", state=None, page=PageRequest()
        )


def test_the_inbox_shows_who_wants_in(story: Story) -> None:
    """Whoever may decide is asked, but for who asked and who is to be let in."""
    every = [grant(role, "fraud") for role in Role]
    both = story.world.caller("both", *every)
    asked = request(story, set_terms(story, approval=True), by=both)

    def waiting(by: Caller, scope: InboxScope = InboxScope.WAITING_FOR_ME) -> list[str]:
        page = story.world.inbox.list(by, scope=scope, page=PageRequest())
        assert all(item.kind is InboxKind.ACCESS for item in page.items)
        return [item.name for item in page.items]

    assert waiting(story.sam) == waiting(story.bob) == [asked.name]
    assert waiting(both) == waiting(story.rosa) == []
    assert waiting(both, InboxScope.MINE) == [asked.name]


@pytest.mark.parametrize("number", [1, 99])
def test_a_foreign_one_looks_like_none(story: Story, number: int) -> None:
    """Who may not read it is refused whether or not it is there."""
    assert accept(story, set_terms(story)).number == 1
    name = AcceptanceName(number=number)
    acceptances, mallory = story.world.acceptances, story.mallory
    calls: list[Callable[[], object]] = [
        lambda: acceptances.get(mallory, name),
        lambda: acceptances.decide(mallory, name, outcome=APPROVE, comment=""),
        lambda: acceptances.revoke(mallory, name, comment=""),
    ]
    for call in calls:
        with pytest.raises(PermissionDeniedError):
            call()


def test_repeats_of_terms(story: Story) -> None:
    """A repeat answers with the terms that were set, and does not set them again over others."""
    first = set_terms(story, request_id="r")
    other = set_terms(story, label="v2")
    assert set_terms(story, request_id="r") == first
    assert story.world.terms.get(story.rosa, NAME) == other
    with pytest.raises(RequestIdReusedError):
        set_terms(story, label="v3", request_id="r")


def test_repeats_of_acceptances(story: Story) -> None:
    """A repeat answers with what became of the first: what was revoked is not accepted anew."""
    terms = set_terms(story)
    made = accept(story, terms, request_id="r")
    assert accept(story, terms, request_id="r") == made
    with pytest.raises(RequestIdReusedError):
        accept(story, set_terms(story, label="v2"), request_id="r")
    name = AcceptanceName(number=made.number)
    story.world.acceptances.revoke(story.rosa, name, comment="")
    assert accept(story, terms, request_id="r").state is AcceptanceState.REVOKED
    assert accept(story, story.world.terms.get(story.rosa, NAME), request_id="s").number > 1


def test_repeats_of_requests_for_access(story: Story) -> None:
    """A repeat answers with what became of the request, also once it was rejected."""
    terms = set_terms(story, approval=True)
    made = request(story, terms, request_id="r")
    assert request(story, terms, request_id="r") == made
    with pytest.raises(RequestIdReusedError):
        request(story, terms, reason="another", request_id="r")
    decide(story, made, Outcome.REJECT)
    assert request(story, terms, request_id="r").state is AcceptanceState.REJECTED
    assert request(story, terms, request_id="s").number == made.number + 1
