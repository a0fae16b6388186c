"""The inbox: what waits for whom."""

from __future__ import annotations

import dataclasses

import pytest

from registry.domain.access import Caller, PrincipalKind, Role
from registry.domain.inbox import InboxItem, InboxKind, InboxScope
from registry.domain.pages import PageRequest
from registry.domain.policy_sets import PROPOSAL_TTL_US, PolicyChange
from registry.domain.promotions import Decision, Outcome, Promotion
from registry.domain.scopes import Scope
from registry.domain.versions import Verdict, Version, VersionState
from registry.domain.waivers import Waiver
from registry.errors import InvalidFieldError
from registry.names import PolicyChangeName, PromotionName, WaiverName
from registry.policies.google import GoogleEngine
from registry.policies.loader import load
from registry.ports.database import Transaction
from registry.services import inbox as service
from registry.testing.policies import shipped_files
from registry.testing.story import Story, name_of
from registry.testing.world import DAY_US, grant

ME, MINE, ALL = InboxScope.WAITING_FOR_ME, InboxScope.MINE, InboxScope.ALL


def items(story: Story, by: Caller, scope: InboxScope = ME, *, size: int = 0) -> list[InboxItem]:
    """Of all pages."""
    found: list[InboxItem] = []
    token = ""
    while True:
        page = story.world.inbox.list(by, scope=scope, page=PageRequest(size=size, token=token))
        found += page.items
        token = page.next_page_token
        if not token:
            return found


def names(story: Story, by: Caller, scope: InboxScope = ME, *, size: int = 0) -> list[str]:
    return [item.name for item in items(story, by, scope, size=size)]


def ask(story: Story, version: Version, *, days: int = 14, by: Caller | None = None) -> Promotion:
    return story.world.promotions.create(
        by or story.alice,
        name_of(version),
        stage="production",
        note="weekly",
        expected_current=0,
        expire_time_us=story.world.clock.now_us() + days * DAY_US,
        validate_only=False,
        request_id="",
    )


def waive(story: Story, version: Version, *, days: int = 30, rule: str = "METRIC-1") -> Waiver:
    return story.world.waivers.request(
        story.alice,
        name_of(version),
        rule=rule,
        reason="soon mended",
        stage="production",
        expire_time_us=story.world.clock.now_us() + days * DAY_US,
        request_id="",
    )


def test_what_waits_for_me(story: Story) -> None:
    """Who may decide sees what waits, since when, until when, and the evidence."""
    version = story.released()
    promotion, waiver = ask(story, version), waive(story, version)
    now = story.world.clock.now_us()
    first, second = items(story, story.sam)
    assert (first.kind, first.name) == (InboxKind.PROMOTION, promotion.name)
    assert (first.subject, first.stage) == (version.name, "production")
    assert (first.since_us, first.due_us) == (now, now + 14 * DAY_US)
    assert (first.requester, first.reason) == ("alice", "weekly")
    assert [rule.rule for rule in first.waiting] == ["FOUR-EYES"]
    assert first.version is not None
    assert first.version.state is VersionState.RELEASED
    assert first.version.vetting is not None
    assert first.version.vetting.verdict is Verdict.PASS
    assert (second.kind, second.name, second.rule) == (
        InboxKind.WAIVER,
        waiver.name,
        "METRIC-1",
    )
    assert names(story, story.bob) == [promotion.name]
    for nobody in (story.alice, story.rosa, story.root, story.mallory):
        assert names(story, nobody) == []


def test_who_is_involved_is_not_asked(story: Story) -> None:
    """Not the requester, the registrant or a contributor, whatever they may otherwise decide."""
    every = [grant(role, "fraud") for role in Role]
    author, asker = story.world.caller("author", *every), story.world.caller("asker", *every)
    story.commit({"a.txt": b"1"}, by=author)
    promotion = ask(story, story.vetted(story.cut("main")), by=asker)
    waiver = waive(story, story.released({"w.txt": b"w"}))
    assert names(story, author) == [waiver.name]
    assert names(story, asker) == [waiver.name]
    assert names(story, story.ben) == [promotion.name]


def test_robots_have_nothing_to_decide(story: Story) -> None:
    """A robot's inbox is empty, but for what it asked for."""
    every = [grant(role, "fraud") for role in Role]
    robot = story.world.login("robot", *every, kind=PrincipalKind.ROBOT).caller
    promotion = ask(story, story.released(), by=robot)
    assert names(story, robot) == []
    assert names(story, robot, MINE) == [promotion.name]


def test_what_is_decided_is_gone(story: Story) -> None:
    """A decision, a withdrawal or the end of its time takes an item out of every inbox."""
    version = story.released()
    promotion, waiver = ask(story, version), waive(story, version)
    other = waive(story, version, rule="METRIC-2")
    story.world.promotions.decide(
        story.bob,
        PromotionName(number=promotion.number),
        outcome=Outcome.REJECT,
        comment="",
        digest=version.digest,
        expected_current=0,
    )
    story.world.waivers.withdraw(story.alice, WaiverName(number=waiver.number))
    assert names(story, story.sam) == names(story, story.rosa, ALL) == [other.name]
    story.world.clock.advance(30 * DAY_US)
    assert names(story, story.sam) == names(story, story.rosa, ALL) == []


def test_who_has_decided_is_not_asked_again(story: Story) -> None:
    """Until the approval's own time is over; then it waits for him again."""
    world, version = story.world, story.released()
    promotion, vetting = ask(story, version), version.vetting
    assert vetting is not None
    word = Decision(
        outcome=Outcome.APPROVE,
        decider="bob",
        roles=("reviewer",),
        digest=promotion.digest,
        policy_digest=world.policies.active_digest(),
        rules_digest=vetting.rules_digest,
        comment="",
        expire_time_us=world.clock.now_us() + DAY_US,
        create_time_us=world.clock.now_us(),
    )
    world.database.write(lambda tx: tx.promotions.put_decision(promotion.number, word))
    assert names(story, story.bob) == []
    (waiting,) = items(story, story.ben)
    assert waiting.approvers == ("bob",)
    world.clock.advance(DAY_US)
    assert names(story, story.bob) == [promotion.name]
    assert items(story, story.ben)[0].approvers == ()


def test_mine_and_all(story: Story) -> None:
    """Mine is what I asked for; all is what I may read, whoever has to decide."""
    version = story.released()
    promotion, waiver = ask(story, version, by=story.dora), waive(story, version)
    assert names(story, story.dora, MINE) == [promotion.name]
    assert names(story, story.alice, MINE) == [waiver.name]
    assert names(story, story.bob, MINE) == []
    assert names(story, story.rosa, ALL) == [promotion.name, waiver.name]
    assert names(story, story.mallory, ALL) == []


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_pages(story: Story, size: int) -> None:
    """However it is paged, all comes once, the earliest due first, promotions before waivers."""
    versions = [story.released({"n.txt": b"%d" % n}) for n in range(3)]
    promotions = [
        ask(story, each, days=days) for each, days in zip(versions, (3, 1, 3), strict=True)
    ]
    waivers = [
        waive(story, each, days=days) for each, days in zip(versions, (3, 2, 1), strict=True)
    ]
    expected = [
        promotions[1].name,
        waivers[2].name,
        waivers[1].name,
        promotions[0].name,
        promotions[2].name,
        waivers[0].name,
    ]
    assert names(story, story.sam, size=size) == expected


def test_a_page_ends_after_so_many_that_are_for_others(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where most of what waits is for others, pages may be empty and the list still is whole."""
    monkeypatch.setattr(service, "LOOKED_AT_MAX", 2)
    monkeypatch.setattr(service, "_READ_AT_ONCE", 2)
    both = story.world.caller("both", grant(Role.REGISTRANT, "*"), grant(Role.REVIEWER, "fraud"))
    for n in range(5):
        ask(story, story.vetted(story.push({"own.txt": b"%d" % n}, by=both)), days=1)
    last = ask(story, story.released(), days=2)
    page = story.world.inbox.list(both, scope=ME, page=PageRequest())
    assert (page.items, bool(page.next_page_token)) == ((), True)
    assert names(story, both) == [last.name]


def test_time_between_two_pages(story: Story) -> None:
    """What ends between two pages is not shown by the second one."""
    version = story.released()
    ask(story, version, days=1)
    waive(story, version, days=1)
    last = waive(story, version, days=2, rule="METRIC-2")
    page = story.world.inbox.list(story.sam, scope=ME, page=PageRequest(size=1))
    story.world.clock.advance(DAY_US)
    rest = story.world.inbox.list(
        story.sam, scope=ME, page=PageRequest(size=5, token=page.next_page_token)
    )
    assert [item.name for item in rest.items] == [last.name]


def test_a_token_is_good_for_one_list(story: Story) -> None:
    """A page token of another scope or caller is refused."""
    version = story.released()
    for rule in ("FREEZE", "TRITON-1"):
        waive(story, version, rule=rule)
    token = story.world.inbox.list(story.sam, scope=ME, page=PageRequest(size=1)).next_page_token
    assert token
    for by, scope in ((story.sam, ALL), (story.rosa, ME)):
        with pytest.raises(InvalidFieldError, match="page_token"):
            story.world.inbox.list(by, scope=scope, page=PageRequest(token=token))


def propose(story: Story, by: Caller) -> PolicyChange:
    files = dict(shipped_files())
    files["settings.yaml"] = files["settings.yaml"].replace(b"2160h", b"24h")
    return story.world.policies.propose(
        by, list(files.items()), note="shorter", validate_only=False, request_id=""
    )


def test_a_proposed_policy_waits_for_a_second_person(story: Story) -> None:
    """Who may decide on which policy set is active finds the proposal, since when and until when,
    among all else; its proposer finds it among their own, and who reads policies among all."""
    world = story.world
    sue, eve = (world.caller(id, grant(Role.SECURITY)) for id in ("sue", "eve"))
    audra = world.caller("audra", grant(Role.AUDITOR))
    promotion = ask(story, story.released())
    change = propose(story, sue)
    (item,) = (each for each in items(story, eve) if each.kind is InboxKind.POLICY)
    now = world.clock.now_us()
    assert (item.name, item.subject) == (change.name, f"policySets/{change.digest}")
    assert (item.requester, item.reason) == ("sue", "shorter")
    assert (item.since_us, item.due_us) == (now, now + PROPOSAL_TTL_US)
    assert sorted(names(story, eve)) == sorted([change.name, promotion.name])
    assert names(story, story.root) == [change.name]
    assert names(story, sue) == [promotion.name]
    assert names(story, sue, MINE) == [change.name]
    assert names(story, audra, ALL) == [promotion.name, change.name]
    # Those of one namespace have no say in what holds for all.
    for nobody in (story.sam, story.bob, story.mallory):
        assert change.name not in names(story, nobody) + names(story, nobody, ALL)
    world.policies.withdraw(sue, PolicyChangeName(number=change.number))
    assert names(story, eve) == [promotion.name]


def test_who_may_be_the_proposer_is_not_asked(story: Story) -> None:
    """Whoever made the proposer's token, or decides with one of theirs, is not a second person."""
    world = story.world
    made = world.login("sue", grant(Role.SECURITY), creator="principals/maker").caller
    maker = world.caller("maker", grant(Role.ADMIN))
    lent = world.login("lent", grant(Role.SECURITY), creator="principals/sue").caller
    change = propose(story, made)
    assert change.name in names(story, story.root)
    for one in (maker, lent):
        assert change.name not in names(story, one)


@pytest.mark.parametrize("size", [1, 100])
@pytest.mark.slow
def test_proposals_leave_the_inbox_with_their_time(story: Story, size: int) -> None:
    """The earliest made is due first; what has run out of time waits for nobody."""
    world = story.world
    sue, eve = (world.caller(id, grant(Role.SECURITY)) for id in ("sue", "eve"))
    first = propose(story, sue)
    world.clock.advance(DAY_US)
    files = dict(shipped_files())
    files["settings.yaml"] = files["settings.yaml"].replace(b"2160h", b"48h")
    second = world.policies.propose(
        sue, list(files.items()), note="longer", validate_only=False, request_id=""
    )
    assert names(story, eve, size=size) == [first.name, second.name]
    world.clock.advance(PROPOSAL_TTL_US - DAY_US)
    assert names(story, eve, size=size) == [second.name]
    world.clock.advance(DAY_US)
    assert names(story, eve, size=size) == []


def test_a_token_finds_what_it_is_good_for(story: Story) -> None:
    """A token for one model, or for one stage, finds that and no more."""
    world = story.world
    version = story.released()
    here = ask(story, version)
    elsewhere = story.ask(version, "staging")
    waiver = waive(story, version)

    def seen(*scopes: Scope) -> set[str]:
        by = world.login("sid", grant(Role.SECURITY, "fraud"), scopes=scopes).caller
        return set(names(story, by))

    def good(action: str, model: str = "fraud/*", stage: str = "*") -> Scope:
        return Scope(action=action, model=model, stage=stage)

    assert seen() == {here.name, elsewhere.name, waiver.name}
    assert seen(good("promotion.decide")) == {here.name, elsewhere.name}
    assert seen(good("promotion.decide", stage="production")) == {here.name}
    assert seen(good("promotion.decide", "fraud/other")) == set()
    assert seen(good("waiver.*", "fraud/scorer")) == {waiver.name}


@pytest.mark.slow
def test_who_has_to_decide_again_is_asked(story: Story) -> None:
    """Where an approval no longer counts, since the policy or the verdict has changed, it waits for
    the same person again, and the item says so."""
    world, version = story.world, story.released()
    files = dict(shipped_files())
    files["promote.yaml"] = files["promote.yaml"].replace(
        b"others.size() >= 1", b"others.size() >= 2", 1
    )
    two = load(files, GoogleEngine()).policy

    def activate(tx: Transaction) -> None:
        tx.policies.put(two.digest, two.policy_set.content(), 0)
        tx.policies.activate(two.digest, tx.policies.active(), 0)

    world.database.write(activate)
    promotion = ask(story, version)
    name = PromotionName(number=promotion.number)

    def approve() -> None:
        world.promotions.decide(
            story.bob,
            name,
            outcome=Outcome.APPROVE,
            comment="",
            digest=version.digest,
            expected_current=0,
        )

    approve()
    assert names(story, story.bob) == []
    assert items(story, story.ben)[0].approvers == ("bob",)
    assert version.vetting is not None
    anew = dataclasses.replace(version.vetting, rules_digest="sha256:anew")
    world.database.write(lambda tx: tx.versions.set_vetting([(version.key, anew, version.state)]))
    (again,) = items(story, story.bob)
    assert (again.name, again.approvers) == (promotion.name, ())
    assert [each.rule for each in again.waiting] == ["FOUR-EYES", "AGAIN"]
    approve()
    assert names(story, story.bob) == []
    world.database.write(
        lambda tx: tx.policies.activate(world.policy.digest, tx.policies.active(), 0)
    )
    assert names(story, story.bob) == [promotion.name]
