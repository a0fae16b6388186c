"""Nobody decides on their own work: not with a token they made, nor through a robot of theirs."""

from __future__ import annotations

import json

import pytest

from registry.domain.access import Caller, PrincipalKind, Role
from registry.domain.promotions import Outcome, Promotion, PromotionState
from registry.domain.reviews import ReviewState
from registry.domain.terms import AcceptanceState
from registry.domain.versions import Version, VersionState
from registry.errors import InvalidFieldError, NotIndependentError, PolicyRefusedError
from registry.names import AcceptanceName, PrincipalName, PromotionName, ReviewName, WaiverName
from registry.policies.google import GoogleEngine
from registry.policies.loader import load
from registry.ports.database import Transaction
from registry.services.principals import EDITABLE
from registry.testing.policies import shipped_files
from registry.testing.story import NAME, Story, name_of
from registry.testing.world import DAY_US, grant


def decide(
    story: Story, by: Caller, promotion: Promotion, outcome: Outcome = Outcome.APPROVE
) -> Promotion:
    return story.world.promotions.decide(
        by,
        PromotionName(number=promotion.number),
        outcome=outcome,
        comment="",
        digest=promotion.digest,
        expected_current=0,
    )


def minted(story: Story, by: Caller, owner: str) -> Caller:
    """The owner, with a token that somebody made for them."""
    _, secret = story.world.tokens.create(
        by,
        PrincipalName(principal=owner),
        label="",
        expire_time_us=story.world.clock.now_us() + DAY_US,
        request_id="",
    )
    return story.world.authenticator.authenticate(secret)


@pytest.fixture
def admin(story: Story) -> Caller:
    """An administrator who registers and reviews too."""
    roles = (Role.ADMIN, Role.REGISTRANT, Role.REVIEWER)
    return story.world.caller("adele", *(grant(role) for role in roles))


def test_a_token_by_a_contributor_does_not_decide(story: Story, admin: Caller) -> None:
    """Bob's word with a token that the registrant made may be the registrant's; refused, and the
    same from a token made with that one. With his own it counts."""
    version = story.vetted(story.push(by=admin))
    promotion = story.ask(version)
    for outcome in Outcome:
        with pytest.raises(NotIndependentError, match=r"principals/adele made this token"):
            decide(story, minted(story, admin, "bob"), promotion, outcome)
    second = minted(story, minted(story, admin, "bob"), "bob")
    assert second.token.creator == "principals/bob"
    with pytest.raises(NotIndependentError):
        decide(story, second, promotion)
    assert decide(story, story.bob, promotion).state is PromotionState.COMPLETED


def test_a_token_by_the_requester_does_not_decide(story: Story) -> None:
    """Whoever asks cannot answer with another's token either."""
    promotion = story.ask(story.released())
    bob = story.world.login("bob", creator="principals/alice").caller
    with pytest.raises(NotIndependentError, match="asked for it"):
        decide(story, bob, promotion)


def test_a_token_by_somebody_without_a_hand_in_it_decides(story: Story) -> None:
    """An administrator who neither registered nor asked may hand out the tokens of both sides."""
    promotion = story.ask(story.released())
    bob = minted(story, story.root, "bob")
    assert bob.token.makers == {"principals/root"}
    assert decide(story, bob, promotion).state is PromotionState.COMPLETED


def test_the_maker_of_a_contributors_token_does_not_approve(story: Story, admin: Caller) -> None:
    """Who could have registered in another's name cannot approve that; to reject is allowed."""
    alice = minted(story, admin, "alice")
    version = story.vetted(story.push(by=alice))
    promotion = story.ask(version)
    with pytest.raises(NotIndependentError, match="made a token of somebody who contributed"):
        decide(story, admin, promotion)
    assert decide(story, admin, promotion, Outcome.REJECT).state is PromotionState.REJECTED


def test_a_sponsor_does_not_approve_what_the_robot_registered(story: Story) -> None:
    """A robot's sponsor counts as a contributor of its versions, and of those on its commits."""
    world = story.world
    registrant = grant(Role.REGISTRANT, "fraud")
    robot = world.login("ci", registrant, kind=PrincipalKind.ROBOT, sponsor="bob").caller
    version = story.vetted(story.push(by=robot))
    assert version.contributors == ("bob", "ci")
    promotion = story.ask(version)
    with pytest.raises(PolicyRefusedError, match="SOD-1"):
        decide(story, story.bob, promotion)
    assert decide(story, story.ben, promotion).state is PromotionState.COMPLETED
    story.commit({"b.txt": b"by the robot"}, by=robot)
    later = story.cut("main", by=story.ann)
    assert {"ann", "bob", "ci"} <= set(later.contributors)
    assert later.state is VersionState.QUARANTINED


def test_a_robots_tokens_for_others_are_its_sponsors(story: Story) -> None:
    """A token that a robot made counts as made by the robot and by who answers for it."""
    admin, robot = grant(Role.ADMIN), PrincipalKind.ROBOT
    maker = story.world.login("bot", admin, kind=robot, sponsor="alice").caller
    bob = minted(story, maker, "bob")
    assert bob.token.makers == {"principals/alice", "principals/bot"}
    with pytest.raises(NotIndependentError, match="alice"):
        decide(story, bob, story.ask(story.released()))


def test_robots_have_a_person_who_answers(story: Story) -> None:
    """A robot's sponsor is who creates it, or a person that is named; people have none."""
    create = story.world.principals.create

    def made(id: str, kind: PrincipalKind, sponsor: str) -> str:
        return create(
            story.root,
            id,
            kind=kind,
            display_name="",
            grants=(),
            request_id="",
            sponsor=sponsor,
        ).sponsor

    assert made("r1", PrincipalKind.ROBOT, "") == "root"
    assert made("r2", PrincipalKind.ROBOT, "bob") == "bob"
    assert made("p1", PrincipalKind.PERSON, "") == ""
    for kind, sponsor in (
        (PrincipalKind.ROBOT, "r1"),
        (PrincipalKind.ROBOT, "nobody"),
        (PrincipalKind.PERSON, "bob"),
    ):
        with pytest.raises(InvalidFieldError, match=r"principal\.sponsor"):
            made("x", kind, sponsor)


def test_a_sponsor_can_be_changed(story: Story) -> None:
    """Another person may take over a robot; nobody at all may not."""
    world = story.world
    world.login("ci", kind=PrincipalKind.ROBOT, sponsor="bob")
    assert "sponsor" in EDITABLE

    def update(sponsor: str) -> str:
        return world.principals.update(
            story.root,
            PrincipalName(principal="ci"),
            display_name="",
            grants=(),
            disabled=False,
            mask=["sponsor"],
            etag="",
            sponsor=sponsor,
        ).sponsor

    assert update("ben") == "ben"
    for sponsor in ("", "ci"):
        with pytest.raises(InvalidFieldError):
            update(sponsor)


def test_who_answered_for_a_robot_when_it_wrote(story: Story, admin: Caller) -> None:
    """Another sponsor does not make the earlier one a stranger to what the robot wrote."""
    made = story.world.principals.create(
        admin,
        "ci",
        kind=PrincipalKind.ROBOT,
        display_name="",
        grants=[grant(Role.REGISTRANT, "fraud")],
        request_id="",
        sponsor="bob",
    )
    story.commit({"a.txt": b"by the robot"}, by=story.world.caller(made.id))
    for sponsor in ("ben", "dora"):
        story.world.clock.advance(1)
        story.world.principals.update(
            admin,
            PrincipalName(principal="ci"),
            display_name="",
            grants=(),
            disabled=False,
            mask=["sponsor"],
            etag="",
            sponsor=sponsor,
        )
    story.world.clock.advance(1)
    version = story.cut("main", by=story.ann)
    assert version.contributors == ("ann", "ben", "bob", "ci", "dora")
    story.world.clock.advance(1)
    story.commit({"b.txt": b"later, over it"}, by=story.ann)
    assert {"bob", "ci"} <= set(story.cut("main", by=story.ann).contributors)


@pytest.mark.slow
def test_two_approvals_by_one_person(story: Story, admin: Caller) -> None:
    """Who approved says no second yes with a token made for somebody, and none beside somebody
    whose token they made; with a token that nobody else made the other's word counts."""
    by_admin, by_bob = minted(story, admin, "bob"), story.bob
    waits_for_two(story)
    promotion = story.ask(story.released({"b.txt": b"b"}))
    assert decide(story, admin, promotion).state is PromotionState.PENDING
    with pytest.raises(NotIndependentError, match="has had a word in it already"):
        decide(story, by_admin, promotion)
    assert decide(story, by_bob, promotion).state is PromotionState.COMPLETED
    other = story.ask(story.released({"c.txt": b"c"}))
    assert decide(story, by_bob, other).state is PromotionState.PENDING
    with pytest.raises(NotIndependentError, match="made a token of somebody who has had a word"):
        decide(story, admin, other)


def waits_for_two(story: Story) -> None:
    """Make active a set that asks for two approvals."""
    files = dict(shipped_files())
    text = files["promote.yaml"]
    files["promote.yaml"] = text.replace(b"others.size() >= 1", b"others.size() >= 2", 1)
    policy = load(files, GoogleEngine()).policy

    def change(tx: Transaction) -> None:
        tx.policies.put(policy.digest, policy.policy_set.content(), 0)
        tx.policies.activate(policy.digest, tx.policies.active(), 0)

    story.world.database.write(change)


def test_two_reviews_by_one_person(story: Story, admin: Caller) -> None:
    """A broken glass is upheld by two people, not by one who speaks for a second, nor by whoever
    broke it in another's name."""
    version = story.released()
    sam = minted(story, admin, "sam")
    promotion = story.world.promotions.create(
        sam,
        name_of(version),
        stage="production",
        note="down",
        expected_current=0,
        expire_time_us=None,
        validate_only=False,
        request_id="",
        break_glass=True,
    )
    review = story.world.database.read(lambda tx: tx.reviews.of_promotion(promotion.number))
    assert review is not None

    def approve(by: Caller) -> ReviewState:
        name = ReviewName(number=review.number)
        return story.world.reviews.decide(by, name, outcome=Outcome.APPROVE, comment="").state

    with pytest.raises(NotIndependentError):
        approve(admin)
    assert approve(story.bob) is ReviewState.PENDING
    ben = story.world.login("ben", creator="principals/bob").caller
    with pytest.raises(NotIndependentError, match="principals/bob made this token"):
        approve(ben)
    assert approve(story.world.caller("rae", grant(Role.REVIEWER))) is ReviewState.UPHELD


def test_a_waiver_in_anothers_name(story: Story) -> None:
    """Nobody grants what they asked for in another's name."""
    roles = (grant(Role.ADMIN), grant(Role.SECURITY))
    adele = story.world.caller("adele", *roles)
    version = story.released()
    waiver = story.world.waivers.request(
        minted(story, adele, "ann"),
        name_of(version),
        rule="FREEZE",
        reason="why not",
        stage="",
        expire_time_us=None,
        request_id="",
    )
    name = WaiverName(number=waiver.number)
    with pytest.raises(NotIndependentError):
        story.world.waivers.decide(
            adele, name, outcome=Outcome.APPROVE, comment="", policy_digest=""
        )


def test_a_waiver_for_a_model_by_a_later_contributor(story: Story) -> None:
    """A waiver of a whole model, granted with a token that a contributor made, does not count for
    the contributor's versions; for those of others it does."""
    roles = (grant(Role.ADMIN), grant(Role.REGISTRANT, "fraud"))
    adele = story.world.caller("adele", *roles)
    waiver = story.world.waivers.request(
        story.ann,
        NAME,
        rule="FREEZE",
        reason="why not",
        stage="",
        expire_time_us=None,
        request_id="",
    )
    story.world.waivers.decide(
        minted(story, adele, "sam"),
        WaiverName(number=waiver.number),
        outcome=Outcome.APPROVE,
        comment="",
        policy_digest="",
    )

    def counted(version: Version) -> int:
        number = story.ask(version).number
        found = story.world.database.read(lambda tx: tx.policies.recorded(number))
        assert found is not None
        return len(json.loads(found[1])["waivers"])

    assert counted(story.released()) == 1
    assert counted(story.vetted(story.push({"b.txt": b"b"}, by=adele))) == 0
    # Nor for those of somebody whose token was made, after the waiver, by who granted it.
    arno = story.world.login("arno", grant(Role.REGISTRANT, "fraud")).caller
    version = story.vetted(story.push({"c.txt": b"c"}, by=arno))
    assert counted(version) == 1
    story.world.login("arno", creator="principals/sam")
    assert counted(story.vetted(story.push({"d.txt": b"d"}, by=arno))) == 0


def test_access_in_anothers_name(story: Story) -> None:
    """Nobody lets in somebody whose token they made, whether they asked for it in that name or may
    only use it; they may refuse it, and others may let in."""
    adele = story.world.caller("adele", grant(Role.ADMIN), grant(Role.SECURITY))
    terms = story.world.terms.set(
        story.sam,
        NAME,
        label="v1",
        text="No evil.",
        url="",
        validity_days=10,
        approval_required=True,
        etag="",
    )

    def ask(by: Caller, robot: str = "") -> AcceptanceName:
        made = story.world.acceptances.request(
            by, NAME, terms_digest=terms.digest, reason="why not", on_behalf_of=robot
        )
        return AcceptanceName(number=made.number)

    def say(by: Caller, name: AcceptanceName, outcome: Outcome) -> AcceptanceState:
        return story.world.acceptances.decide(by, name, outcome=outcome, comment="").state

    in_her_name = ask(minted(story, adele, "rosa"))
    story.world.login(
        "ci", grant(Role.READER), kind=PrincipalKind.ROBOT, creator=adele.principal.name
    )
    of_a_robot = ask(story.root, "ci")
    for name in (in_her_name, of_a_robot):
        with pytest.raises(NotIndependentError, match="made a token"):
            say(adele, name, Outcome.APPROVE)
    assert say(adele, in_her_name, Outcome.REJECT) is AcceptanceState.REJECTED
    assert say(story.bob, of_a_robot, Outcome.APPROVE) is AcceptanceState.GRANTED
